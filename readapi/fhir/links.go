package fhir

import (
	"context"

	"binnacle/readapi/fhir/pages"
)

// links makes the links of a page. The first page of a search by GET is the search itself, and so shows what is
// committed when it is followed; that of a search by POST is the first page as it was.
func (d *Door) links(ctx context.Context, s *search, found found) ([]pages.Link, error) {
	if _, more := s.next(found); s.form && (more || s.paged) { // a page of a search by GET may be asked for by POST
		if err := d.keep(ctx, s); err != nil {
			return nil, err
		}
	}
	plain := pages.With(s.path, pages.Encode(s.parsed.Used), "", "")
	var links []pages.Link
	var failure error
	add := func(relation string, p pages.Place) {
		token, err := d.tokenOf(s, p)
		if err != nil {
			failure = err
			return
		}
		query := ""
		if !s.form {
			query = pages.Encode(s.parsed.Used)
		}
		links = append(links, pages.Link{Relation: relation, URL: pages.With(s.path, query, pages.Param, token)})
	}
	if s.paged {
		add("self", s.place)
	} else {
		links = append(links, pages.Link{Relation: "self", URL: plain, Private: s.form})
	}
	switch {
	case !s.form:
		links = append(links, pages.Link{Relation: "first", URL: plain})
	case s.kept != nil:
		add("first", s.place.At(""))
	}
	if previous, ok := s.previous(found); ok {
		add("previous", previous)
	}
	if next, ok := s.next(found); ok {
		add("next", next)
	}
	return links, failure
}

// next is the place of the page that follows: the rest of what is included with these matches, or the matches behind
// them.
func (s *search) next(found found) (pages.Place, bool) {
	if found.included.more {
		return s.place.Among(found.page.After, len(found.page.Versions), found.included.to, false), true
	}
	return s.place.At(found.page.Next), found.page.Next != ""
}

// previous is the place of the page before.
func (s *search) previous(found found) (pages.Place, bool) {
	if found.included.from > 0 {
		return s.place.Among(found.page.After, len(found.page.Versions), found.included.from, true), true
	}
	return s.place.Before(found.page.After), found.page.After != ""
}

func (d *Door) tokenOf(s *search, p pages.Place) (string, error) {
	if s.form {
		return p.Seal(s.kept.id, s.kept.Secret)
	}
	return p.Open(s.identity(d.Tenant)), nil
}
