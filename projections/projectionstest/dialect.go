package projectionstest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

// DialectSample is what the suite needs of a dialect.
type DialectSample struct {
	Dialect projections.Registered
	Changes []events.Change // creates and updates without links that the dialect takes
	Linked  []events.Change // with links; their targets are "Type/1"; none: the dialect has no links
	Wrong   []events.Change // of its types, that it refuses
}

// Dialect runs the contract of [projections.Dialect].
func Dialect(t *testing.T, s DialectSample) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, DialectSample)
	}{
		{"what is prepared has the terms of what is stored", preparedAsStored},
		{"what is given stays as it is, also when many ask at once", givenStays},
		{"of a delete the type and the id are checked, and there is no content", preparedDelete},
		{"what breaks its rules is refused with a reason", wrongIsRefused},
		{"links are replaced in new bytes that can be read", linksAreReplaced},
		{"a content that is lost is the same as none", lostIsAnother},
		{"what says the same has the same sketch", sketchesAgree},
		{"a condition that can't be read is invalid", wrongCondition},
		{"it is the same after its definitions were kept", restoredIsTheSame},
		{"its types are its own, and the referrers of each are always the same", typesAndReferrers},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

func prepare(t testing.TB, d projections.Dialect, change *events.Change) projections.Prepared {
	t.Helper()
	p, err := d.Prepare(change)
	if err != nil {
		t.Fatalf("Prepare of %s %s/%s: %v", change.Operation, change.Type, change.ID, err)
	}
	if p.Content == nil {
		t.Fatalf("%s/%s was prepared without its content", change.Type, change.ID)
	}
	return p
}

// extract makes the terms of a content as it is stored.
func extract(d projections.Dialect, content []byte) (projections.Extracted, error) {
	read, err := d.Read(content)
	if err != nil {
		return projections.Extracted{}, err
	}
	defer read.Release()
	return read.Extract()
}

func preparedAsStored(t *testing.T, s DialectSample) {
	for n := range s.Changes {
		change := &s.Changes[n]
		p := prepare(t, s.Dialect, change)
		got, err := p.Content.Extract()
		want, failed := extract(s.Dialect, change.Content)
		if err != nil || failed != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s/%s: got %+v, %v\nwant %+v, %v", change.Type, change.ID, got, err, want, failed)
		}
		if s.Dialect.Digest() == "" && len(got.Terms) > 0 {
			t.Errorf("%s/%s has terms, and the dialect has no digest", change.Type, change.ID)
		}
		p.Content.Release()
	}
}

func givenStays(t *testing.T, s DialectSample) {
	var running sync.WaitGroup
	for n := range s.Changes {
		change := s.Changes[n]
		before := bytes.Clone(change.Content)
		want, err := extract(s.Dialect, before)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			running.Go(func() {
				for range 20 {
					one := change
					p, err := s.Dialect.Prepare(&one)
					if err != nil {
						t.Error(err)
						return
					}
					for i, m := range p.Content.Mentions("main", one.Links) {
						if path := p.Content.Path(m.Place); path == "" || m.Link < -1 || m.Link < 0 &&
							m.Tenant != "main" {
							t.Errorf("mention %d is %+v at %q", i, m, path)
						}
					}
					got, err := p.Content.Extract()
					p.Content.Release()
					if err != nil || !reflect.DeepEqual(got, want) {
						t.Errorf("%s/%s: got %+v, %v\nwant %+v", one.Type, one.ID, got, err, want)
						return
					}
				}
			})
		}
		running.Wait()
		if !bytes.Equal(before, change.Content) {
			t.Errorf("the content of %s/%s was changed", change.Type, change.ID)
		}
	}
}

func preparedDelete(t *testing.T, s DialectSample) {
	change := events.Change{Operation: events.Delete, Type: s.Changes[0].Type, ID: s.Changes[0].ID, Entry: -1}
	if p, err := s.Dialect.Prepare(&change); err != nil || p.Content != nil {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, spoil := range []func(*events.Change){
		func(c *events.Change) { c.ID = "" },
		func(c *events.Change) { c.Type = "of no dialect" },
	} {
		wrong := change
		spoil(&wrong)
		if _, err := s.Dialect.Prepare(&wrong); err == nil || err.Error() == "" {
			t.Errorf("a delete of %q/%q was taken", wrong.Type, wrong.ID)
		}
	}
}

func wrongIsRefused(t *testing.T, s DialectSample) {
	for n := range s.Wrong {
		if _, err := s.Dialect.Prepare(&s.Wrong[n]); err == nil || err.Error() == "" {
			t.Errorf("%s %s/%s was taken: %q", s.Wrong[n].Operation, s.Wrong[n].Type, s.Wrong[n].ID,
				s.Wrong[n].Content)
		}
	}
}

func linksAreReplaced(t *testing.T, s DialectSample) {
	for n := range s.Linked {
		change := &s.Linked[n]
		before := bytes.Clone(change.Content)
		targets := make([]string, len(change.Links))
		for i := range targets {
			targets[i] = fmt.Sprintf("%s/%d", change.Type, i+1)
		}
		content, err := s.Dialect.Resolve(change, targets)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before, change.Content) || bytes.Equal(before, content) {
			t.Errorf("%q became %q, and the change has %q", before, content, change.Content)
		}
		if _, err := extract(s.Dialect, content); err != nil {
			t.Errorf("%q can't be read: %v", content, err)
		}
	}
}

func lostIsAnother(t *testing.T, s DialectSample) {
	for n := range s.Changes {
		if s.Dialect.Same(nil, s.Changes[n].Content) {
			t.Errorf("%q is the same as nothing", s.Changes[n].Content)
		}
	}
}

// sketchesAgree: a sketch that is another one says that the contents differ, so it must be right.
func sketchesAgree(t *testing.T, s DialectSample) {
	sketches := make([]uint64, len(s.Changes))
	for n := range s.Changes {
		one := s.Changes[n]
		p, err := s.Dialect.Prepare(&one)
		if err != nil {
			t.Fatal(err)
		}
		sketches[n] = p.Content.Sketch()
		p.Content.Release()
		read, err := s.Dialect.Read(s.Changes[n].Content)
		if err != nil {
			t.Fatal(err)
		}
		if got := read.Sketch(); got != sketches[n] {
			t.Errorf("%q has the sketch %x when it is prepared and %x when it is read", one.Content, sketches[n], got)
		}
		read.Release()
		for other := range n {
			if s.Dialect.Same(s.Changes[other].Content, one.Content) && sketches[n] != sketches[other] &&
				sketches[n] != 0 && sketches[other] != 0 {
				t.Errorf("%q and %q are the same, and have different sketches", one.Content, s.Changes[other].Content)
			}
		}
	}
}

func wrongCondition(t *testing.T, s DialectSample) {
	if query, err := s.Dialect.Condition("main", s.Changes[0].Type,
		"no parameter of this name=1"); events.KindOf(err) != events.Invalid {
		t.Errorf("got %+v, %v, want an error of kind %s", query, err, events.Invalid)
	}
}

func restoredIsTheSame(t *testing.T, s DialectSample) {
	if s.Dialect.Digest() == "" {
		return
	}
	kept, err := s.Dialect.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Dialect.Restore(kept)
	if err != nil {
		t.Fatal(err)
	}
	if again.Digest() != s.Dialect.Digest() || again.Name() != s.Dialect.Name() ||
		!slices.Equal(again.Types(), s.Dialect.Types()) {
		t.Errorf("restored it is %s %s of %d types", again.Name(), again.Digest(), len(again.Types()))
	}
	for n := range s.Changes {
		got, err := extract(again, s.Changes[n].Content)
		want, _ := extract(s.Dialect, s.Changes[n].Content)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("restored it extracts %+v, %v\nwant %+v", got, err, want)
		}
	}
	if _, err := s.Dialect.Restore([]byte("no definitions")); events.KindOf(err) != events.Invalid {
		t.Errorf("what is no definitions gave %v, want an error of kind %s", err, events.Invalid)
	}
}

func typesAndReferrers(t *testing.T, s DialectSample) {
	if _, err := projections.NewDialects(s.Dialect, s.Dialect); events.KindOf(err) != events.Conflict {
		t.Errorf("the dialect beside itself gave %v, want an error of kind %s", err, events.Conflict)
	}
	types := s.Dialect.Types()
	for n := range s.Changes {
		if !slices.Contains(types, s.Changes[n].Type) {
			t.Errorf("it takes %s, and its types are %v", s.Changes[n].Type, types)
		}
	}
	for _, typ := range types {
		for _, r := range s.Dialect.Referrers(typ) {
			if !slices.Contains(types, r.Type) {
				t.Errorf("%s of %s refers to %s, and is none of the dialect's types", r.Param, r.Type, typ)
			}
		}
		if !reflect.DeepEqual(s.Dialect.Referrers(typ), s.Dialect.Referrers(typ)) {
			t.Errorf("the referrers of %s are not always the same", typ)
		}
	}
}
