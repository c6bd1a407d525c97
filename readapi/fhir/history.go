package fhir

import (
	"context"

	"binnacle/events/fhir/rest"
	"binnacle/readapi/fhir/histories"
)

// histories answers histories of the door's tenant.
func (d *Door) histories() histories.Door {
	return histories.Door{Tenant: d.Tenant, Reader: d.Reader, Contents: d.contents,
		DefaultCount: d.Limits.DefaultCount, MaxCount: d.Limits.MaxCount}
}

// History answers GET and HEAD [base]/Type/id/_history: the versions of one resource, newest first, deletions among
// them (FHIR R4 http, 3.1.0.13). 404 for what was never known; a span without versions is an empty bundle.
func (d *Door) History(ctx context.Context, ask *rest.Ask, answer *rest.Answer) error {
	door := d.histories()
	asked, err := door.Form(ask)
	if err != nil {
		return err
	}
	if err := d.reach(ctx, ask); err != nil {
		return err
	}
	reached := d.progress.next(ctx)
	found, err := door.Find(ctx, asked)
	if err != nil {
		return err
	}
	d.stamp(answer, reached, found.Versions...)
	return door.Write(ctx, answer, asked, found)
}

// historyForm reads what is asked of a history.
func (d *Door) historyForm(ask *rest.Ask) (*histories.Request, error) { return d.histories().Form(ask) }
