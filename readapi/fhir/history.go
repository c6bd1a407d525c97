package fhir

import (
	"cmp"
	"context"

	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/readapi/fhir/histories"
)

// histories answers histories of the door's tenant.
func (d *Door) histories() histories.Door {
	return histories.Door{Tenant: d.Tenant, Partition: d.Partition, Reader: d.Reader, Contents: d.contents,
		Catalog: d.Catalog, DefaultCount: d.Limits.DefaultCount, MaxCount: d.Limits.MaxCount,
		MaxListed: cmp.Or(max(0, d.Limits.MaxValues), catalog.MaxValues)}
}

// History answers GET and HEAD [base]/Type/id/_history, [base]/Type/_history and [base]/_history: the versions of one
// resource, of a type or of all, newest first, deletions among them (FHIR R4 http, 3.1.0.13). 404 for a resource that
// never was; a span without versions is an empty bundle.
func (d *Door) History(ctx context.Context, ask *rest.Ask, answer *rest.Answer) error {
	door := d.histories()
	asked, err := door.Form(ask)
	if err != nil || ask.FormOnly {
		return err
	}
	if err := d.reach(ctx, ask); err != nil {
		return err
	}
	if ask.Later {
		ctx = projections.WithSearchTime(ctx, d.Limits.LaterTime)
		rest.ProgressOf(ctx).Say("reading versions")
	}
	reached := d.progress.next(ctx)
	found, err := door.Find(ctx, asked)
	if err != nil {
		return err
	}
	d.stamp(answer, reached, found.Shown()...)
	return door.Write(ctx, answer, asked, found)
}

// historyForm reads what is asked of a history.
func (d *Door) historyForm(ask *rest.Ask) (*histories.Request, error) { return d.histories().Form(ask) }
