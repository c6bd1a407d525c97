package rest

import (
	"net/url"
	"strings"

	"binnacle/events"
)

// Params reads all parameters of a query. Unlike url.ParseQuery it takes a semicolon for what it is to FHIR: a part of a value. An error is of
// kind Invalid.
func Params(raw string) (url.Values, error) {
	params := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, events.Wrap(events.Invalid, "rest.Params", err, "the parameters are not percent-encoded as they should be")
		}
		params[key] = append(params[key], value)
	}
	return params, nil
}

// Param returns the value of a parameter that may stand once in a query; found is false when it does not stand there, and twice is
// true when it stands there more than once. Malformed parameters are somebody else's to refuse.
func Param(raw, name string) (value string, found, twice bool) {
	for pair := range strings.SplitSeq(raw, "&") {
		key, escaped, _ := strings.Cut(pair, "=")
		if !strings.Contains(key, name) && !strings.Contains(key, "%") {
			continue
		}
		if plain, err := url.QueryUnescape(key); err != nil || plain != name {
			continue
		}
		if found {
			return value, true, true
		}
		found = true
		if plain, err := url.QueryUnescape(escaped); err == nil {
			value = plain
		}
	}
	return value, found, false
}
