package fhir

import (
	"context"
	"strconv"
	"time"

	"binnacle/events"
	documents "binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir/form"
	"binnacle/readapi/fhir/pages"
)

// Read answers GET and HEAD [base]/Type/id with the current version: 200, 304, 404 for what was never known, 410 for
// what is deleted (FHIR R4 http, 3.1.0.2).
func (d *Door) Read(ctx context.Context, ask *rest.Ask, answer *rest.Answer) error {
	one, err := d.current(ctx, ask, answer)
	if err != nil {
		return err
	}
	return d.writeVersion(ctx, answer, one)
}

// aRead is the version that is read.
type aRead struct {
	version projections.Version
	wanted  *catalog.Subset // of the resource; nil: all of it
	good    bool            // the client's copy is good
	form    form.Form       // of the answer
}

// current finds the version that a read asks for, and puts what is known of it into the answer.
func (d *Door) current(ctx context.Context, ask *rest.Ask, answer *rest.Answer) (one aRead, err error) {
	if one.wanted, err = d.readForm(ask); err != nil {
		return one, err
	}
	if err := d.reach(ctx, ask); err != nil {
		return one, err
	}
	reached := d.progress.next(ctx)
	keys := [1]projections.Key{{Tenant: d.Tenant, Type: ask.Type, ID: ask.ID}}
	versions, err := d.Reader.Current(ctx, keys[:])
	if err != nil {
		return one, err
	}
	one.version, one.form = versions[0], form.Asked(ask.XML())
	d.stamp(answer, reached, one.version)
	if one.version.Number == 0 {
		return one, pages.UnknownID(ask.Type, ask.ID)
	}
	one.good, err = d.copyIsGood(ctx, &ask.Copy, rest.ETagOf(one.version.Number), one.version)
	return one, err
}

// VRead answers GET and HEAD [base]/Type/id/_history/number with one version (FHIR R4 http, 3.1.0.3).
func (d *Door) VRead(ctx context.Context, ask *rest.Ask, answer *rest.Answer) error {
	one, err := d.numbered(ctx, ask, answer)
	if err != nil {
		return err
	}
	return d.writeVersion(ctx, answer, one)
}

// numbered is current for the read of a version by its number.
func (d *Door) numbered(ctx context.Context, ask *rest.Ask, answer *rest.Answer) (one aRead, err error) {
	asked, err := d.versionForm(ask)
	if err != nil {
		return one, err
	}
	one.wanted = asked.wanted
	if err := d.reach(ctx, ask); err != nil {
		return one, err
	}
	reached := d.progress.next(ctx)
	version, err := d.Reader.Version(ctx, projections.Key{Tenant: d.Tenant, Type: ask.Type, ID: ask.ID}, asked.number)
	if err != nil {
		return one, err
	}
	d.stamp(answer, reached, version)
	if version.Number == 0 {
		return one, events.Errorf(events.NotFound, "fhir.VRead", "%s/%s has no version %d", ask.Type, ask.ID,
			asked.number)
	}
	one.version, one.form = version, form.Asked(ask.XML())
	one.good = ask.Copy.IsGood(rest.ETagOf(version.Number), version.Time)
	return one, nil
}

// copyIsGood tells whether the client's copy of what is current is still good. Last-Modified names a second: where
// the version before is of the same one, If-Modified-Since doesn't tell which of the two the client has.
func (d *Door) copyIsGood(ctx context.Context, copied *rest.Copy, etag string, version projections.Version) (bool,
	error) {
	if !copied.IsGood(etag, version.Time) {
		return false, nil
	}
	if version.Number == 1 || len(copied.Tags) > 0 || copied.Exact || copied.Since.After(version.Time) {
		return true, nil
	}
	before, err := d.Reader.Version(ctx, version.Key, version.Number-1)
	if err != nil || before.Number == 0 {
		return false, err
	}
	return before.Time.Truncate(time.Second).Before(version.Time.Truncate(time.Second)), nil
}

// readForm checks the form of a read, and tells which part of the resource is wanted; nil: all of it. Nothing but the
// form of an answer can be asked of a read; what else stands there is passed over, unless the client wants it
// refused.
func (d *Door) readForm(ask *rest.Ask) (*catalog.Subset, error) {
	if documents.CheckID(ask.ID) != nil {
		return nil, pages.UnknownID(ask.Type, ask.ID)
	}
	if ask.Query == "" {
		return nil, nil
	}
	if _, asked, _ := rest.Param(ask.Query, "_asOf"); asked {
		return nil, events.Errorf(events.Invalid, "fhir.Read",
			"_asOf is a parameter of searches; read a version by its number ([type]/[id]/_history/[version]), or "+
				"search with _id and _asOf")
	}
	if ask.Prefer.Handling == rest.Strict {
		params, err := rest.Params(ask.Query)
		if err != nil {
			return nil, err
		}
		for name := range params {
			if !rest.IsOfAnswer(name) {
				return nil, events.Errorf(events.Invalid, "fhir.Read",
					"the parameter %.60q has no meaning on a read; leave it out", name)
			}
		}
	}
	return d.Catalog.ParseSubset(ask.Type, ask.Query)
}

// oneVersion is what is asked of a version.
type oneVersion struct {
	number int64
	wanted *catalog.Subset // nil: all of it
}

// versionForm checks the form of the read of a version.
func (d *Door) versionForm(ask *rest.Ask) (one oneVersion, err error) {
	if one.wanted, err = d.readForm(ask); err != nil {
		return one, err
	}
	one.number, err = strconv.ParseInt(ask.Version, 10, 64)
	if err != nil || one.number < 1 || strconv.FormatInt(one.number, 10) != ask.Version {
		return one, events.Errorf(events.NotFound, "fhir.VRead", "%s/%s has no version %.40q; versions count 1, 2, 3 …",
			ask.Type, ask.ID, ask.Version)
	}
	return one, nil
}

// writeVersion answers with one version that exists, or with a part of it, or says that the client's copy is good.
func (d *Door) writeVersion(ctx context.Context, answer *rest.Answer, one aRead) error {
	content, err := d.contentOf(ctx, answer, one)
	if err != nil || content == nil {
		return err
	}
	return d.writeResource(answer, content, one)
}

// writeResource answers with the resource of a content, or with a part of it.
func (d *Door) writeResource(answer *rest.Answer, content []byte, one aRead) (err error) {
	version := one.version
	if form.Of(content) == form.Raw && one.wanted == nil && one.form == form.InJSON {
		return writeRaw(answer, content, version)
	}
	if one.wanted != nil {
		if content, err = new(pages.Cutter).Subset(one.wanted, content); err != nil {
			return err
		}
	}
	buffer, _ := d.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	body, err := form.Stamp((*buffer)[:0], content, one.form, version.ID, version.Number, version.Time)
	if err == nil {
		answer.Whole(body)
		*buffer = body
	}
	if cap(*buffer) <= keptBuffer {
		d.buffers.Put(buffer)
	}
	if err != nil {
		return rest.Unshown(err)
	}
	return nil
}

// contentOf returns the content of the version that is read; nil without an error: the answer is that the client's copy
// is good.
func (d *Door) contentOf(ctx context.Context, answer *rest.Answer, one aRead) ([]byte, error) {
	version := one.version
	answer.ETag, answer.Modified = rest.ETagOf(version.Number), version.Time
	if version.Deleted {
		return nil, events.Errorf(events.Gone, "fhir.Read", "%s/%s was deleted with version %d at %s", version.Type,
			version.ID, version.Number, version.Time.UTC().Format(time.RFC3339))
	}
	if one.good {
		answer.NotModified()
		return nil, nil
	}
	return d.contents.One(ctx, version)
}

// keptBuffer is the largest buffer that is kept for other answers, bytes.
const keptBuffer = 256 << 10
