package door

import (
	"net/url"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections/catalog"
)

// What to do instead of sending a query with a write that takes none.
const (
	createHint = "a create takes no search; for a conditional create put the search into the header If-None-Exist " +
		"(in a bundle: request.ifNoneExist)"
	bundleHint = "a bundle takes no search; put it into the URLs of its entries"
)

// hintWithID tells what to do instead of a query behind Type/id.
func hintWithID(c *events.Change) string {
	return "a " + c.Operation.String() + " of " + c.Type + "/id takes no search; for the conditional form leave the " +
		"id out of the URL, as in " + c.Type + "?identifier=system|value"
}

// onlyResultParameters refuses the query of a write that knows no other parameters: passed over, a search that was
// meant as a condition would make duplicates.
func onlyResultParameters(query, hint string) error {
	for part := range strings.SplitSeq(query, "&") {
		if part != "" && !isResultParameter(part) {
			name, _, _ := strings.Cut(part, "=")
			return invalid("the parameter %.60q is not known on a write: %s", name, hint)
		}
	}
	return nil
}

func isResultParameter(part string) bool {
	name, _ := parameterOf(part)
	return rest.IsOfAnswer(name)
}

// parameterOf reads a part of a query: the plain name, and the value as it is escaped.
func parameterOf(part string) (name, value string) {
	name, value, _ = strings.Cut(part, "=")
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	return name, value
}

// criteriaOf reads a conditional URL: identifier=…, ?identifier=…, Type?identifier=…, /Type?identifier=…, and the
// whole URL under this server's base (FHIR R4, http.html#ccreate has the first; clients send all of them). It returns
// what follows the question mark. A URL of another type or another server is an error: it asks about something else.
func criteriaOf(text, name, base string) (string, error) {
	text = strings.TrimSpace(text)
	mark := strings.IndexByte(text, '?')
	if equals := strings.IndexByte(text, '='); mark < 0 || equals >= 0 && equals < mark {
		return text, nil // a question mark behind the equals sign belongs to a value
	}
	path, query := text[:mark], text[mark+1:]
	if path == "" {
		return query, nil
	}
	below, err := belowBase(path, base)
	if err != nil {
		return "", err
	}
	if of := strings.Trim(below, "/"); of != name {
		return "", invalid("the condition is a search on %.100q, but what is written is a %s", of, name)
	}
	return query, nil
}

// belowBase returns a URL relative to the base of this server. One under another base is an error.
func belowBase(text, base string) (string, error) {
	if rest, own := fhir.Below(text, base); own {
		return rest, nil
	}
	head, _, _ := strings.Cut(text, "?")
	if strings.Contains(head, "://") {
		return "", invalid("%.200q is on another server; the base of this one is %s", text, base)
	}
	return text, nil
}

// condition checks the search of a conditional interaction, without the parameters that only shape an answer. Unknown
// parameters are an error: what is left out of a condition makes it match more. References under the base of this
// server become relative.
func (d *door) condition(name, query string) (string, error) {
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		if part != "" && !isResultParameter(part) {
			kept = append(kept, part)
		}
	}
	query = d.Catalog.Relative(name, strings.Join(kept, "&"), d.ask.Root)
	if query == "" {
		return "", invalid("the conditional form needs a search, as in %s?identifier=system|value", name)
	}
	parsed, err := d.conditions.Parse(d.tenant, name, query)
	if err != nil {
		return "", err
	}
	return query, catalog.Selective(parsed)
}
