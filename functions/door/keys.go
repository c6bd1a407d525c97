package door

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
)

// maxKey is the length of an idempotency key at the most, in characters.
const maxKey = 255

// readKey reads the Idempotency-Key of a request (draft-ietf-httpapi-idempotency-key-header) from the lines of that
// header: a string of RFC 8941, in double quotes. Clients that leave the quotes out are understood too, as long as
// the key has no space, quote, comma or semicolon. An error is of kind Invalid.
func readKey(lines []string) (string, error) {
	if len(lines) > 1 {
		return "", invalid("Idempotency-Key stands %d times in the request; send it once", len(lines))
	}
	text := strings.Trim(lines[0], " \t")
	key, well := text, !strings.ContainsAny(text, `\",; `) && printable(text)
	if strings.HasPrefix(text, `"`) {
		key, well = unquote(text)
	}
	if !well || key == "" || len(key) > maxKey {
		return "", invalid(`Idempotency-Key: %.60q is no key; write 1 to %d printable ASCII characters in double `+
			`quotes, as in "8e03978e-40d5-43e8-bc93-6894a57f9324"`, text, maxKey)
	}
	return key, nil
}

// unquote reads a string of RFC 8941, section 4.2.5; false when it is none, or when something follows it.
func unquote(text string) (string, bool) {
	var key strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return key.String(), i == len(text)-1
		case c == '\\':
			if i++; i == len(text) || text[i] != '"' && text[i] != '\\' {
				return "", false
			}
			key.WriteByte(text[i])
		case c < ' ' || c > '~':
			return "", false
		default:
			key.WriteByte(c)
		}
	}
	return "", false
}

func printable(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// fingerprint tells a request from others that may come under the same idempotency key: all that decides what is
// asked for. path is relative to the base.
func fingerprint(r *http.Request, path string, body []byte) events.Hash {
	hash := sha256.New()
	for _, text := range []string{r.Method, path, r.URL.RawQuery, rest.Listed(r.Header, "If-Match"),
		rest.Listed(r.Header, "If-None-Match"),
		strings.Join(r.Header["If-None-Exist"], "&"), strings.ToLower(r.Header.Get(rest.HeaderAllowDangling))} {
		hash.Write(binary.AppendUvarint(nil, uint64(len(text))))
		hash.Write([]byte(text))
	}
	for _, line := range r.Header.Values(rest.HeaderProvenance) { // most requests have none
		hash.Write([]byte(rest.HeaderProvenance))
		hash.Write(binary.AppendUvarint(nil, uint64(len(line))))
		hash.Write([]byte(line))
	}
	for _, line := range r.Header.Values(rest.HeaderCascade) {
		hash.Write([]byte(rest.HeaderCascade))
		hash.Write(binary.AppendUvarint(nil, uint64(len(line))))
		hash.Write([]byte(line))
	}
	hash.Write(body)
	return events.Hash(hash.Sum(nil))
}

// keysInFlight are the idempotency keys of requests that this node is working on.
type keysInFlight struct {
	mu   sync.Mutex
	keys map[projections.ClaimName]struct{}
}

// enter notes a request's key until leave is called. Kind Conflict: a request with the key is under way here. One
// that is under way on another node is found out by the log.
func (k *keysInFlight) enter(tenant, key string) (leave func(), err error) {
	name := projections.ClaimName{Tenant: tenant, Key: key}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, busy := k.keys[name]; busy {
		return nil, &rest.Refusal{Retry: true, Err: events.Errorf(events.Conflict, "door.Door",
			"a request with the Idempotency-Key %q is under way; "+
				"wait for its answer, or ask again when it has ended", key)}
	}
	if k.keys == nil {
		k.keys = make(map[projections.ClaimName]struct{})
	}
	k.keys[name] = struct{}{}
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.keys, name)
	}, nil
}
