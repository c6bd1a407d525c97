package door

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections/fhir/form"
)

// told reads the Provenance that stands in the header X-Provenance of a write (FHIR R4, provenance.html#header), and
// makes it a change of each event that is made of the request. full are the targets of a transaction; nil outside of
// one. What it is about the server knows: the versions that the event makes.
func (d *door) told(header http.Header, full map[string]target) error {
	lines := header.Values(rest.HeaderProvenance)
	if len(lines) > 1 {
		return invalid("%s stands %d times in the request; send one Provenance", rest.HeaderProvenance, len(lines))
	}
	data, err := form.JSON([]byte(strings.TrimSpace(lines[0])))
	if err != nil {
		return ofHeader(err)
	}
	resource, err := fhir.ParseResource(data)
	if err != nil {
		return ofHeader(err)
	}
	if resource.Type != "Provenance" {
		return invalid("%s holds a %s; send a Provenance, as JSON in one line", rest.HeaderProvenance, resource.Type)
	}
	if target := resource.Node.Get("target"); target.Exists() || resource.Node.Get("_target").Exists() {
		return invalid("the Provenance in %s has a target; leave it out: it is about what is written, and the server "+
			"writes that into it", rest.HeaderProvenance).At("Provenance.target")
	}
	change := events.Change{Operation: events.Create, Type: "Provenance", Entry: -1}
	if err := d.Catalog.Check(resource.Node); err != nil {
		return ofHeader(err)
	}
	if err := d.linker(full).link(&change, resource.Node, nil, ""); err != nil {
		return ofHeader(err)
	}
	d.provenance = &change
	return nil
}

// ofHeader tells that an error is about the Provenance in the header.
func ofHeader(err error) error {
	told := events.Errorf(events.KindOf(err), "door.Door", "the Provenance in %s: %s", rest.HeaderProvenance,
		events.TextOf(err))
	if of := (*events.Error)(nil); errors.As(err, &of) {
		told.Expression = of.Expression
	}
	return told
}

// telling adds the Provenance of the request to the changes of an event. It names the version that each of them makes.
func (d *door) telling(changes []events.Change) []events.Change {
	told := *d.provenance
	told.ID = d.NewID()
	told.Links = append(make([]events.Link, 0, len(told.Links)+len(changes)), told.Links...)
	document := bytes.TrimRight(told.Content, " \t\r\n")
	content := append(make([]byte, 0, len(document)+32*len(changes)), document[:len(document)-1]...)
	content = append(content, `,"target":[`...)
	for n := range changes {
		if n > 0 {
			content = append(content, ',')
		}
		content = append(content, `{"reference":"`...)
		start := len(content)
		content = append(content, changes[n].Type...)
		told.Links = append(told.Links, events.Link{Start: start, End: len(content), Change: n, Version: true})
		content = append(content, `"}`...)
	}
	content = append(content, "]}"...)
	told.Content = content
	return append(changes[:len(changes):len(changes)], told)
}

// tellProvenance names in a header the Provenance that a request's event has made; results are those of the event.
func (d *door) tellProvenance(rw http.ResponseWriter, results []events.Result) {
	if len(results) == 0 {
		return
	}
	if made := results[len(results)-1]; made.Type == "Provenance" && made.Version > 0 {
		rw.Header().Set(rest.HeaderProvenanceMade, d.ask.Root+"/"+location(made))
	}
}
