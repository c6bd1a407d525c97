package projectionstest

import (
	"bytes"
	"net/url"
	"slices"

	"binnacle/events"
	"binnacle/projections"
)

// Names of [Opaque].
const (
	OpaqueName = "opaque"
	OpaqueType = "thing"
)

// Opaque is the smallest dialect there can be: things, any bytes under any key, without terms, links and conditions.
// It is there for tests: what works with it needs nothing of FHIR.
type Opaque struct{}

var _ projections.Registered = Opaque{}

// opaqueKey is how many bytes a key may have.
const opaqueKey = 1 << 10

// OpaqueID is the id of the thing under a key: ids are text without NUL, and keys are any bytes.
func OpaqueID(key []byte) string { return url.PathEscape(string(key)) }

// OpaqueEvent makes an event about things.
func OpaqueEvent(id, tenant string, changes ...events.Change) events.Event {
	event := events.Event{ID: id, Tenant: tenant, Dialect: OpaqueName, Changes: changes}
	for n := range event.Changes {
		event.Changes[n].Type, event.Changes[n].Entry = OpaqueType, -1
	}
	return event
}

func (Opaque) Prepare(change *events.Change) (projections.Prepared, error) {
	key, err := url.PathUnescape(change.ID)
	switch {
	case change.Type != OpaqueType:
		return projections.Prepared{}, events.Errorf(events.Invalid, "opaque.Prepare", "%q is no thing", change.Type)
	case change.Condition != "" || len(change.Links) > 0:
		return projections.Prepared{}, events.Errorf(events.Invalid, "opaque.Prepare",
			"a thing has no conditions and no links")
	case err != nil || len(key) == 0 || len(key) > opaqueKey || OpaqueID([]byte(key)) != change.ID:
		return projections.Prepared{}, events.Errorf(events.Invalid, "opaque.Prepare", "%.80q is no key of a thing",
			change.ID)
	case change.Operation == events.Delete:
		return projections.Prepared{}, nil
	}
	if change.Operation == events.Patch {
		return projections.Prepared{}, opaquePatch(change.Content)
	}
	return projections.Prepared{Exact: true, Content: opaqueContent{}}, nil
}

// opaquePatch refuses what is no patch document of a thing: a plus sign, and the bytes to append.
func opaquePatch(patch []byte) error {
	if patch[0] != '+' {
		return events.Errorf(events.Invalid, "opaque.Prepare", "%.20q is no patch of a thing", patch)
	}
	return nil
}

// Patch appends. A thing has fewer bytes than a key may have.
func (Opaque) Patch(patch []byte, _ projections.Version, content []byte) ([]byte, error) {
	if err := opaquePatch(patch); err != nil {
		return nil, err
	}
	if len(content)+len(patch) > opaqueKey {
		return nil, events.Errorf(events.Unprocessable, "opaque.Patch", "the thing is full")
	}
	return slices.Concat(content, patch[1:]), nil
}

func (Opaque) Resolve(*events.Change, []string) ([]byte, error) {
	return nil, events.Errorf(events.Invalid, "opaque.Resolve", "a thing has no links")
}

func (Opaque) Same(before, after []byte) bool { return bytes.Equal(before, after) && before != nil }

func (Opaque) Read([]byte) (projections.Content, error) { return opaqueContent{}, nil }

func (Opaque) Condition(_, _, text string) (projections.Query, error) {
	return projections.Query{}, events.Errorf(events.Invalid, "opaque.Condition",
		"things can't be searched for, as in %q", text)
}

func (Opaque) Referrers(string) []projections.Referrer { return nil }

func (Opaque) Name() string { return OpaqueName }

func (Opaque) Types() []string { return []string{OpaqueType} }

func (Opaque) Digest() string { return "" }

func (Opaque) Definitions() ([]byte, error) {
	return nil, events.Errorf(events.Internal, "opaque.Definitions", "things have no definitions")
}

func (Opaque) Restore([]byte) (projections.Registered, error) { return Opaque{}, nil }

// opaqueContent needs no memory: nothing of a thing is read.
type opaqueContent struct{}

func (opaqueContent) Mentions(string, []events.Link) []projections.Mention { return nil }

func (opaqueContent) Extract() (projections.Extracted, error) {
	return projections.Extracted{MainDate: projections.MinTime}, nil
}

func (opaqueContent) Path(int) string { return "" }

func (opaqueContent) LinkPath(events.Link) string { return "" }

func (opaqueContent) Sketch() uint64 { return 0 }

func (opaqueContent) Release() {}
