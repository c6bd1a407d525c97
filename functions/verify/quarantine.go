package verify

import (
	"context"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// Dependent is a resource that was changed after a record that is in quarantine and was to change it, too: the later
// change may lack what the record says. Positions are "partition:offset".
type Dependent struct {
	Record   string `json:"record"` // position of the record in quarantine
	Tenant   string `json:"tenant"`
	Type     string `json:"type"`
	ID       string `json:"id"`
	Version  int64  `json:"version"`  // the current one
	Position string `json:"position"` // of the event that made it
}

// quarantine counts the records in quarantine, and looks which resources were changed after one that nobody has
// handled.
func (v *verifying) quarantine(ctx context.Context) error {
	sizes, err := v.Index.Sizes(ctx)
	if err != nil {
		return err
	}
	v.report.Quarantined = sizes.Quarantined
	q := functions.Quarantine{Index: v.Index}
	return q.Each(ctx, false, func(found projections.Quarantined) error {
		v.report.Open++
		return v.dependents(ctx, found.Record)
	})
}

// mayBe tells whether there may be a resource of a key that a record's bytes tell of, which may be any.
func (v *verifying) mayBe(key projections.Key) bool {
	dialect, err := v.Dialects.OfType(key.Type)
	if err == nil {
		_, err = dialect.Prepare(&events.Change{Operation: events.Delete, Type: key.Type, ID: key.ID})
	}
	return err == nil
}

// dependents tells of the resources whose current version is younger than a record that was to change them. A resource
// that a condition would have selected is not known.
func (v *verifying) dependents(ctx context.Context, record events.RawRecord) error {
	tenant, changes := events.Peek(record)
	var keys []projections.Key
	seen := make(map[projections.Key]bool)
	for _, change := range changes {
		key := projections.Key{Tenant: tenant, Type: change.Type, ID: change.ID}
		if !seen[key] && v.mayBe(key) {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	for len(keys) > 0 {
		some := keys[:min(len(keys), keysAtOnce)]
		keys = keys[len(some):]
		versions, err := v.Index.Current(ctx, some)
		if err != nil {
			return err
		}
		for _, version := range versions {
			if version.Number == 0 || version.Position.Partition != record.Position.Partition ||
				version.Position.Offset <= record.Position.Offset {
				continue
			}
			if len(v.report.Dependents) == problemsTold {
				v.report.MoreDependents++
				continue
			}
			v.report.Dependents = append(v.report.Dependents,
				Dependent{Record: record.Position.String(), Tenant: version.Tenant, Type: version.Type, ID: version.ID,
					Version: version.Number, Position: version.Position.String()})
		}
	}
	return nil
}
