package project

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/projections"
)

// name is what a reference says.
type name struct {
	projections.Key
	version string
}

// stood tells whether the version that an update follows has a reference already, to any version if version is "". Then it has led to
// something, or was allowed not to: who changes other things need not mend it.
func (e *decidingEvent) stood(w *work, key projections.Key, version string) (bool, error) {
	if w.disposition != events.Updated {
		return false, nil
	}
	if w.stood == nil {
		w.stood = make(map[name]bool)
		content, err := e.contentBefore(w)
		if err != nil || content == nil {
			return false, err
		}
		before, err := w.item.dialect.Read(content)
		if err != nil {
			return false, &poisoned{w.item, "the content of the version before: " + err.Error()}
		}
		for _, mention := range before.Mentions(key.Tenant, nil) {
			w.stood[name{mention.Key, mention.Version}], w.stood[name{mention.Key, ""}] = true, true
		}
		before.Release()
	}
	return w.stood[name{key, version}], nil
}

// integrity holds that what a change refers to is there (after the whole event), unless the version before has referred to it, too.
func (e *decidingEvent) integrity(n int, w *work) error {
	if e.item.event.AllowDangling || !w.writes() {
		return nil
	}
	for i := range w.mentions {
		mention := &w.mentions[i]
		if mention.Link >= 0 { // link has looked
			continue
		}
		target, err := e.current(mention.Key)
		if err != nil {
			return err
		}
		if isAlive(target.version) {
			continue
		}
		if stood, err := e.stood(w, mention.Key, ""); err != nil {
			return err
		} else if !stood {
			return refuseMention(n, w, mention, "refers to %s/%s, which does not exist; write it first, or in the same transaction", mention.Type, mention.ID)
		}
	}
	return nil
}

// versioned holds that the versions that a change refers to are there, once it is known which updates of the event make none.
func (e *decidingEvent) versioned(n int, w *work) error {
	if e.item.event.AllowDangling || !w.writes() {
		return nil
	}
	for i := range w.mentions {
		mention := &w.mentions[i]
		if mention.Version == "" {
			continue
		}
		key := mention.Key
		if mention.Link >= 0 {
			key.Tenant = e.item.event.Tenant
			key.Type, key.ID, _ = strings.Cut(w.targets[mention.Link], "/")
		}
		target, err := e.current(key)
		if err != nil {
			return err
		}
		number, err := strconv.ParseInt(mention.Version, 10, 64)
		last := target.version.Number
		if err == nil && number >= 1 && number <= last && strconv.FormatInt(number, 10) == mention.Version {
			continue
		}
		if stood, err := e.stood(w, key, mention.Version); err != nil {
			return err
		} else if !stood {
			return refuseMention(n, w, mention, "refers to version %s of %s/%s, which does not exist: there are 1 to %d", mention.Version, key.Type, key.ID, last)
		}
	}
	return nil
}

// refuseMention is the refusal of a change for what it mentions.
func refuseMention(n int, w *work, mention *projections.Mention, format string, args ...any) error {
	path := w.read.Content.Path(mention.Place)
	err := refuse(events.Conflict, n, w, "%s %s", path, fmt.Sprintf(format, args...))
	if no := (*refused)(nil); errors.As(err, &no) && no.Expression == "" {
		no.Expression = path
	}
	return err
}
