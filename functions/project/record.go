package project

import (
	"fmt"
	"runtime/debug"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// item is a record on its way through a chunk.
type item struct {
	raw     events.RawRecord
	event   events.Event
	dialect projections.Dialect // of the event; nil: it has no changes, or is poison
	works   []*work
	poison  string          // why it goes to quarantine; empty: it does not
	known   *events.Outcome // the event took effect earlier: this is a repetition
}

// poisoned is the error of a record that cannot be projected, however often it is tried.
type poisoned struct {
	item   *item
	reason string
}

func (p *poisoned) Error() string { return p.reason }

// work is one change on its way: what it asks for, and what was decided.
type work struct {
	*events.Change
	item     *item
	read     projections.Prepared  // Content as the event has it; none of a delete, and when all is decided
	mentions []projections.Mention // in it

	// decided
	key         projections.Key     // the resource meant; no ID: a conditional delete that met nothing, or one of many
	before      projections.Version // what was current before; zero: never known
	disposition events.Disposition  // as far as it is known without the content: an update may turn out to be unchanged
	targets     []string            // what each link leads to, "Type/id"
	removed     []removal           // what a delete takes beside the resource that it names, by type and id
	stood       map[name]bool       // what the version before refers to; nil: nobody has asked
	rough       []projections.Term  // terms of the content as it came: links do not count in them
	roughly     bool
	patchedSame bool // that says what was there before
	sealed      bool // content and hash are there
	content     []byte
	hash        events.Hash
	extracted   bool // terms are there
	terms       []projections.Term
	mainDate    int64
}

// writes tells whether the change makes a version of the resource that it names, unless an update turns out to be
// unchanged.
func (w *work) writes() bool {
	return w.key.ID != "" && (w.disposition == events.Created || w.disposition == events.Updated || w.disposition == events.Deleted)
}

// told is what a result tells of the removals.
func (w *work) told() []events.Removed {
	if len(w.removed) == 0 {
		return nil
	}
	told := make([]events.Removed, len(w.removed))
	for i := range w.removed {
		r := &w.removed[i]
		told[i] = events.Removed{Type: r.key.Type, ID: r.key.ID, Version: r.before.Number + 1}
	}
	return told
}

// release gives back what is not needed any more when the work was decided for good and its terms were extracted: what
// the dialect has read, and the content as it was asked for where it became another one. The final content stays for as
// long as the commit is in flight.
func (w *work) release() {
	w.giveBack()
	w.Content = nil
}

// giveBack gives back what was read of an item that is to be read again.
func (i *item) giveBack() {
	for _, w := range i.works {
		if w != nil {
			w.giveBack()
		}
	}
}

// giveBack gives back what the dialect has read.
func (w *work) giveBack() {
	if w.read.Content != nil {
		w.read.Content.Release()
		w.read, w.mentions = projections.Prepared{}, nil
	}
}

// prepare reads an item's record; whatever is wrong with it makes it poison. It is safe to prepare items side by side.
func (i *item) prepare(dialects *projections.Dialects) {
	err := i.guard("reading it", func() error {
		record, err := events.Decode(i.raw)
		if err != nil {
			return err
		}
		i.event = record.Event
		if i.dialect, err = dialects.Of(&i.event); err != nil {
			return err
		}
		i.works = make([]*work, len(i.event.Changes))
		for n := range i.event.Changes {
			if i.works[n], err = newWork(i, &i.event.Changes[n]); err != nil {
				return fmt.Errorf("change %d (%s %s/%s): %w", n, i.event.Changes[n].Operation, i.event.Changes[n].Type,
					i.event.Changes[n].ID, err)
			}
		}
		return nil
	})
	if err != nil {
		i.poison = err.Error()
	}
}

// guard runs a step of one record's projection and makes its panic an error, so that a record never takes the line
// down.
func (i *item) guard(what string, step func() error) (err error) {
	defer func() {
		if defect := recover(); defect != nil {
			err = &poisoned{i, fmt.Sprintf("%s: panic: %v\n%s", what, defect, debug.Stack())}
		}
	}()
	return step()
}

// newWork checks a change's form, which the door has done already for what came through it.
func newWork(i *item, change *events.Change) (*work, error) {
	read, err := i.dialect.Prepare(change)
	if err != nil {
		return nil, err
	}
	w := &work{Change: change, item: i, read: read}
	if read.Content != nil {
		w.mentions = read.Content.Mentions(i.event.Tenant, change.Links)
	}
	return w, nil
}

// seal makes the final content and its hash. The targets of all links must be known.
func (w *work) seal() error {
	if w.sealed {
		return nil
	}
	content, hash, err := functions.FinalContent(w.item.dialect, w.Change, w.targets)
	if err != nil {
		return &poisoned{w.item, err.Error()}
	}
	w.content, w.hash, w.sealed = content, hash, true
	return nil
}

// extract makes the terms of the final content.
func (w *work) extract() error {
	if w.extracted {
		return nil
	}
	if err := w.seal(); err != nil {
		return err
	}
	return w.item.guard("extracting its search terms", func() error {
		read := w.read.Content
		if read == nil || len(w.Links) > 0 && w.Operation != events.Patch {
			var err error
			if read, err = w.item.dialect.Read(w.content); err != nil {
				return &poisoned{w.item, "the content with its references resolved: " + err.Error()}
			}
			defer read.Release()
		}
		extracted, err := read.Extract()
		if err != nil {
			return &poisoned{w.item, "extracting the search terms of " + w.Type + "/" + w.key.ID + ": " + err.Error()}
		}
		w.terms, w.mainDate, w.extracted = extracted.Terms, extracted.MainDate, true
		return nil
	})
}

// spend drops what was needed to make the row of a work, of one of very many: its terms are the row's alone. Who asks
// for them again has them made again. Nothing is given back to be used again: that would keep it.
func (w *work) spend() {
	w.read, w.mentions = projections.Prepared{}, nil
	w.extracted, w.terms, w.roughly, w.rough = false, nil, false, nil
}

// roughTerms are the terms of the content with its links as they came. Conditions of the same event are decided on
// them, because the links of an event are resolved after all of its resources are known.
func (w *work) roughTerms() ([]projections.Term, error) {
	if w.roughly {
		return w.rough, nil
	}
	err := w.item.guard("extracting its search terms", func() error {
		extracted, err := w.read.Content.Extract()
		if err != nil {
			return &poisoned{w.item, "extracting the search terms of " + w.Type + "/" + w.key.ID + ": " + err.Error()}
		}
		w.rough, w.roughly = extracted.Terms, true
		return nil
	})
	return w.rough, err
}

// Try reads the event of a record. Kind Invalid: it could not be projected with these dialects; else this program can
// read it and extract its search terms.
func Try(dialects *projections.Dialects, record events.RawRecord) (events.Event, error) {
	i := &item{raw: record}
	i.prepare(dialects)
	for _, w := range i.works {
		if i.poison != "" || w == nil || w.read.Content == nil { // a patch is read when it is applied
			continue
		}
		if _, err := w.roughTerms(); err != nil {
			i.poison = err.Error()
		}
	}
	if i.poison != "" {
		return i.event, events.Errorf(events.Invalid, "project.Try", "the record at %s can still not be projected: %s",
			record.Position, i.poison)
	}
	return i.event, nil
}
