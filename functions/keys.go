package functions

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
)

// maxKey is the length of an idempotency key at the most, in characters.
const maxKey = 255

// idempotencyKey reads the Idempotency-Key of a request (draft-ietf-httpapi-idempotency-key-header): a string of RFC 8941, in double
// quotes. Clients that leave the quotes out are understood too, as long as the key has no space, quote, comma or semicolon. "" means
// that there is none; an error is of kind Invalid.
func idempotencyKey(header http.Header) (string, error) {
	lines, found := header["Idempotency-Key"]
	if !found {
		return "", nil
	}
	if len(lines) > 1 {
		return "", invalid("Idempotency-Key stands %d times in the request; send it once", len(lines))
	}
	text := strings.Trim(lines[0], " \t")
	key, well := text, !strings.ContainsAny(text, `\",; `) && printable(text)
	if strings.HasPrefix(text, `"`) {
		key, well = unquote(text)
	}
	if !well || key == "" || len(key) > maxKey {
		return "", invalid(`Idempotency-Key: %.60q is no key; write 1 to %d printable ASCII characters in double quotes, as in "8e03978e-40d5-43e8-bc93-6894a57f9324"`, text, maxKey)
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

// fingerprint tells a request from others that may come under the same idempotency key: all that decides what is asked for. path is
// relative to the base.
func fingerprint(r *http.Request, path string, body []byte) events.Hash {
	hash := sha256.New()
	for _, text := range []string{r.Method, path, r.URL.RawQuery, rest.Listed(r.Header, "If-Match"), rest.Listed(r.Header, "If-None-Match"),
		strings.Join(r.Header["If-None-Exist"], "&"), strings.ToLower(r.Header.Get(rest.HeaderAllowDangling))} {
		hash.Write(binary.AppendUvarint(nil, uint64(len(text))))
		hash.Write([]byte(text))
	}
	hash.Write(body)
	return events.Hash(hash.Sum(nil))
}

// keysInFlight are the idempotency keys of requests that this node is working on.
type keysInFlight struct {
	mu   sync.Mutex
	keys map[projections.ClaimName]struct{}
}

// enter notes a request's key until leave is called. Kind Conflict: a request with the key is under way here. One that is under way on
// another node is found out by the log.
func (k *keysInFlight) enter(tenant, key string) (leave func(), err error) {
	name := projections.ClaimName{Tenant: tenant, Key: key}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, busy := k.keys[name]; busy {
		return nil, &rest.Refusal{Retry: true, Err: events.Errorf(events.Conflict, "functions.Door",
			"a request with the Idempotency-Key %q is under way; wait for its answer, or ask again when it has ended", key)}
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

// claimed looks up what stands under an event's idempotency key. It answers for the log only where there can be no doubt: while less than
// half of the key's window has passed by this node's clock. Else, and when the key is free, it returns nil: the event is to be appended,
// and its place in the log decides. Kind Reused: the key stands for another request.
func (w *Write) claimed(ctx context.Context, event *events.Event) (*events.Outcome, error) {
	names := claimNames(event)
	if names == nil {
		return nil, nil
	}
	claims, err := w.Index.Claims(ctx, names)
	if err != nil {
		return nil, err
	}
	for n, claim := range claims {
		if claim.EventID == "" || w.Now().After(claim.Until.Add(-event.Repeat.Window/2)) {
			return nil, nil
		}
		if claim.Request != event.Repeat.Request {
			refusal := reused(event.IdempotencyKey)
			return nil, events.Errorf(refusal.Kind, "functions.Write", "%s", refusal.Text)
		}
		if n < len(claims)-1 {
			continue // the key of a batch is right: its part decides
		}
		return w.repeated(ctx, claim.EventID)
	}
	return nil, nil
}

// unclaimed tells whether an idempotency key is known to stand for nothing. Then no part of its request can, and the entries of a batch need
// no look-up each.
func (w *Write) unclaimed(ctx context.Context, tenant, key string) bool {
	if key == "" {
		return true
	}
	if w.gate.check(ctx, events.PartitionOf(tenant, w.Partitions)) != nil {
		return false // each entry hears why
	}
	claims, err := w.Index.Claims(ctx, []projections.ClaimName{{Tenant: tenant, Key: key}})
	return err == nil && claims[0].EventID == ""
}

// repeated returns the outcome of the event that another one repeats, and says that it is a repetition.
func (w *Write) repeated(ctx context.Context, first string) (*events.Outcome, error) {
	outcomes, err := w.Index.Outcomes(ctx, []string{first})
	if err != nil {
		return nil, err
	}
	if outcomes[0] == nil {
		return nil, events.Errorf(events.Internal, "functions.Write", "the event %s holds an idempotency key and has no outcome", first)
	}
	outcome := *outcomes[0]
	outcome.Repeats = first
	return &outcome, nil
}

// defaultKeyWindow is how long an idempotency key stands for its request.
const defaultKeyWindow = 24 * time.Hour
