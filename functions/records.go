package functions

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/projections"
)

// FinalContent is what a version holds: the content that a change asked for, with the targets of its links ("Type/id")
// in their places, and its hash. Whoever makes a content makes it here: the projector, a rebuild from the feed, and
// Heal. The dialect is that of the change's event; a change without links needs none.
//
// Kind Conflict: there is not one target for each link, or the change is a patch, whose content [Patched] makes. Kind
// Unsupported: there are links, and no dialect. Kind Invalid: the links don't fit the content.
func FinalContent(
	dialect projections.Dialect, change *events.Change, targets []string,
) (content []byte, hash events.Hash, err error) {
	if change.Operation == events.Patch {
		return nil, events.Hash{}, events.Errorf(events.Conflict, "functions.FinalContent",
			"what a patch makes depends on the version before")
	}
	content, err = resolved(dialect, change, targets)
	if err != nil {
		return nil, events.Hash{}, err
	}
	return content, sha256.Sum256(content), nil
}

// Patched is [FinalContent] of a patch: what it makes of the version before, whose content is given. Whoever makes the
// content of a patch makes it here. Besides its kinds, those of [projections.Patcher].
func Patched(
	dialect projections.Dialect, change *events.Change, targets []string, before projections.Version, content []byte,
) (after []byte, hash events.Hash, err error) {
	if dialect == nil {
		return nil, events.Hash{}, events.Errorf(events.Unsupported, "functions.Patched",
			"it is a patch, and its dialect is not known here")
	}
	patch, err := resolved(dialect, change, targets)
	if err != nil {
		return nil, events.Hash{}, err
	}
	if after, err = dialect.Patch(patch, before, content); err != nil {
		return nil, events.Hash{}, err
	}
	return after, sha256.Sum256(after), nil
}

// Stored is a content that a blob store has; nil: it has it not, or other bytes in its place.
func Stored(ctx context.Context, blobs projections.Blobs, hash events.Hash) ([]byte, error) {
	found, err := blobs.Get(ctx, []events.Hash{hash})
	if err != nil || found[0] == nil || sha256.Sum256(found[0]) != hash {
		return nil, err
	}
	return found[0], nil
}

// resolved is what a change asks for, with the targets of its links in their places.
func resolved(dialect projections.Dialect, change *events.Change, targets []string) ([]byte, error) {
	if len(targets) != len(change.Links) {
		return nil, events.Errorf(events.Conflict, "functions.FinalContent",
			"it has %d links, and %d are recorded", len(change.Links), len(targets))
	}
	if len(targets) == 0 {
		return change.Content, nil
	}
	if dialect == nil {
		return nil, events.Errorf(events.Unsupported, "functions.FinalContent",
			"it has links, and its dialect is not known here")
	}
	return dialect.Resolve(change, targets)
}

// versionName is how a reference names a version.
func versionName(typ, id string, number int64) string {
	return typ + "/" + id + "/_history/" + strconv.FormatInt(number, 10)
}

// VersionsTold is what a link becomes that names the versions which a change has made (see events.Link).
func VersionsTold(r *events.Result) string {
	var names []string
	if r.Writes() {
		names = append(names, versionName(r.Type, r.ID, r.Version))
	}
	for _, removed := range r.Removed {
		names = append(names, versionName(removed.Type, removed.ID, removed.Version))
	}
	return strings.Join(names, ",")
}

// Extract makes the terms of a row's final content, as the projector does. After an error, which a panic is too, the
// row is as it was.
func Extract(dialect projections.Dialect, row *projections.Row, content []byte) (err error) {
	defer func() {
		if defect := recover(); defect != nil {
			err = fmt.Errorf("extracting its search terms: panic: %v\n%s", defect, debug.Stack())
		}
	}()
	read, err := dialect.Read(content)
	if err != nil {
		return err
	}
	defer read.Release()
	extracted, err := read.Extract()
	if err != nil {
		return err
	}
	row.Terms, row.MainDate = extracted.Terms, extracted.MainDate
	return nil
}

// ClaimsOf returns what an event claims when it is decided at a time of the log: its idempotency key, and for an entry
// of a batch its part of the request. An event without a key claims nothing, nor does one that was in quarantine and is
// asked for again: it may be asked for once more when it is refused. Refusals are outcomes too: they hold their key
// like any other.
func ClaimsOf(event *events.Event, at projections.State) []projections.Claim {
	if event.Repeat == (events.Repeat{}) || event.Settles != nil {
		return nil
	}
	key := projections.Claim{ClaimName: ClaimName(event, 0), EventID: strings.Clone(event.ID),
		Request: event.Repeat.Request, Until: at.Time.Add(event.Repeat.Window)}
	if event.Repeat.Part == 0 {
		return []projections.Claim{key}
	}
	part := key
	part.Part = event.Repeat.Part
	return []projections.Claim{key, part}
}

// ClaimName names a claim of an event. Names in events are views of whole records: a claim is kept for longer.
func ClaimName(event *events.Event, part int) projections.ClaimName {
	return projections.ClaimName{Tenant: strings.Clone(event.Tenant), Key: strings.Clone(event.IdempotencyKey),
		Part: part}
}

// ClaimNames are the names of all claims that decide about an event.
func ClaimNames(event *events.Event) []projections.ClaimName {
	switch {
	case event.Repeat == (events.Repeat{}):
		return nil
	case event.Repeat.Part == 0:
		return []projections.ClaimName{ClaimName(event, 0)}
	}
	return []projections.ClaimName{ClaimName(event, 0), ClaimName(event, event.Repeat.Part)}
}

// Reused is the refusal of an idempotency key that stands for another request.
func Reused(key string) *events.Refusal {
	return &events.Refusal{Kind: events.Reused, Text: "the Idempotency-Key \"" + key +
		"\" stands for another request, which was sent before; give each request a key of its own"}
}

// Later is the time of the log after a record: the later of the times, in the log's precision. It never goes back.
func Later(t, u time.Time) time.Time {
	if u = u.UTC().Truncate(time.Millisecond); u.After(t) {
		return u
	}
	return t
}

// Rolled is the digest of a partition after some rows.
func Rolled(ctx context.Context, digest events.Hash, rows []projections.Row) (events.Hash, error) {
	const atOnce = 256
	digests := make([]events.Hash, len(rows))
	if err := Parallel(ctx, (len(rows)+atOnce-1)/atOnce, func(n int) error {
		var d projections.Digester
		for i := n * atOnce; i < min((n+1)*atOnce, len(rows)); i++ {
			digests[i] = d.Digest(&rows[i])
		}
		return nil
	}); err != nil {
		return digest, err
	}
	for _, row := range digests {
		digest = projections.Roll(digest, row)
	}
	return digest, nil
}

// Parallel runs a step for each of n on all cores.
func Parallel(ctx context.Context, n int, step func(n int) error) error {
	workers := min(n, runtime.GOMAXPROCS(0))
	share := func(ctx context.Context, worker int) error {
		for i := worker; i < n; i += workers {
			if err := ctx.Err(); err != nil {
				return events.Wrap(events.Transient, "functions.Parallel", err, "projecting was stopped")
			}
			if err := step(i); err != nil {
				return err
			}
		}
		return nil
	}
	if workers == 1 {
		return share(ctx, 0)
	}
	group, ctx := errgroup.WithContext(ctx)
	for worker := range workers {
		group.Go(func() error { return share(ctx, worker) })
	}
	return group.Wait()
}
