package histories

import (
	"context"
	"slices"
	"strconv"

	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/readapi/fhir/pages"
)

// Door answers histories of one tenant.
type Door struct {
	Tenant       string
	Partition    int32 // of the tenant
	Reader       projections.Reader
	Contents     pages.Contents
	Catalog      *catalog.Catalog
	DefaultCount int // versions on a page when _count is not given
	MaxCount     int // versions on a page at the most
	MaxListed    int // resources of a List at the most
}

// Found is a page with the content of its versions.
type Found struct {
	versions []projections.Past
	contents [][]byte // of the versions; nil for a deletion
	before   bool     // there are versions before these
	behind   bool     // there are versions behind these
}

// Shown are the versions on the page.
func (f *Found) Shown() []projections.Version {
	shown := make([]projections.Version, len(f.versions))
	for i := range f.versions {
		shown[i] = f.versions[i].Version
	}
	return shown
}

// Find fetches a page.
func (d Door) Find(ctx context.Context, r *Request) (Found, error) {
	if r.list != "" {
		if err := d.readList(ctx, r); err != nil {
			return Found{}, err
		}
	}
	page, err := d.Reader.Versions(ctx, r.page())
	if err != nil {
		return Found{}, err
	}
	if !r.paged {
		r.place.Snapshot, r.place.Total = page.Before, page.Total
	}
	if len(page.Versions) == 0 {
		if r.span.Key != (projections.Key{}) && !page.More {
			err = d.known(ctx, r.span.Key)
		}
		return Found{}, err
	}
	if r.place.Back {
		slices.Reverse(page.Versions)
	}
	found := Found{versions: page.Versions}
	if found.contents, err = d.Contents.Page(ctx, found.Shown(), r.place.Back); err != nil {
		return Found{}, err
	}
	shown := len(found.contents)
	more := page.More || shown < len(page.Versions)
	if r.place.Back {
		found.versions = page.Versions[len(page.Versions)-shown:]
		found.before, found.behind = more, true
	} else {
		found.versions = page.Versions[:shown]
		found.before, found.behind = r.place.Edge != "", more
	}
	return found, nil
}

// page is the span of the page that is asked for.
func (r *Request) page() projections.Span {
	span := r.span
	span.Before, span.Limit, span.Count = r.place.Snapshot, r.count, !r.paged
	if r.place.Back {
		span.Oldest = !span.Oldest
	}
	switch {
	case r.edge == 0:
	case span.Oldest:
		span.From = r.edge + 1
	default:
		span.To = r.edge
	}
	return span
}

// known fails with kind NotFound when the resource never existed.
func (d Door) known(ctx context.Context, key projections.Key) error {
	versions, err := d.Reader.Current(ctx, []projections.Key{key})
	if err == nil && versions[0].Number == 0 {
		return pages.UnknownID(key.Type, key.ID)
	}
	return err
}

// links makes the links of a page.
func (r *Request) links(found Found) []pages.Link {
	plain := pages.With(r.path, pages.Encode(r.used), "", "")
	at := func(p pages.Place) string {
		return pages.With(r.path, pages.Encode(r.used), pages.Param, p.Open(r.identity()))
	}
	edge := func(version projections.Past) string {
		if r.list == "" {
			return strconv.FormatInt(version.Sid, 10)
		}
		return strconv.FormatInt(version.Sid, 10) + "." + strconv.FormatInt(r.listed, 10)
	}
	links := []pages.Link{{Relation: "self", URL: plain}, {Relation: "first", URL: plain}}
	if r.paged {
		links[0].URL = at(r.place)
	}
	if found.before {
		links = append(links, pages.Link{Relation: "previous", URL: at(r.place.Before(edge(found.versions[0])))})
	}
	if found.behind {
		last := found.versions[len(found.versions)-1]
		links = append(links, pages.Link{Relation: "next", URL: at(r.place.At(edge(last)))})
	}
	return links
}
