package project

import (
	"fmt"
	"strings"

	"binnacle/events"
)

// refused ends the deciding of one event; it is no failure of the chunk.
type refused struct{ events.Refusal }

func (r *refused) Error() string { return r.Text }

// place is where what is refused stands: in the request of an entry, or in its content.
type place string

// The places in the request of an entry (FHIR R4, bundle.html).
const (
	inURL         place = "request.url"
	inIfMatch     place = "request.ifMatch"
	inIfNoneMatch place = "request.ifNoneMatch"
	inIfNoneExist place = "request.ifNoneExist"
	inResource    place = "resource"
	inEntry       place = "" // nowhere in particular
)

// inContent is a place in the content of a change, as its dialect names it: "Patient.link[0].other".
func inContent(path string) place {
	if _, below, found := strings.Cut(path, "."); found {
		return inResource + "." + place(below)
	}
	return inResource
}

// ofCondition is where the condition of a change stands.
func ofCondition(w *work) place {
	if w.Operation == events.Create {
		return inIfNoneExist
	}
	return inURL
}

// inLink is where a link stands in the content of a change; a patch has none in it.
func inLink(w *work, link events.Link) place {
	if w.Operation == events.Patch {
		return inResource
	}
	return inContent(w.read.Content.LinkPath(link))
}

// refuse makes the refusal of a change. It names the entry of a bundle with the place in it, or of a request that
// stands alone the place in its content.
func refuse(kind events.Kind, change int, w *work, at place, format string, args ...any) error {
	r := &refused{events.Refusal{Kind: kind, Change: change, Text: fmt.Sprintf(format, args...)}}
	below, inside := strings.CutPrefix(string(at), string(inResource)+".")
	if inside && w.Entry >= 0 && w.Operation == events.Patch { // the entry has the patch, and not what it makes
		at = inResource
	}
	switch {
	case w.Entry >= 0 && at == inEntry:
		r.Expression = fmt.Sprintf("Bundle.entry[%d]", w.Entry)
	case w.Entry >= 0:
		r.Expression = fmt.Sprintf("Bundle.entry[%d].%s", w.Entry, at)
	case inside:
		r.Expression = w.Type + "." + below
	}
	return r
}
