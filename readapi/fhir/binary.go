package fhir

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/fhir/form"
)

// BinaryType is the one type that is read as bytes, too (FHIR R4, binary.html).
const BinaryType = "Binary"

// noType is the content type of bytes whose own is none that could stand in a header.
const noType = "application/octet-stream"

// bytesToo makes a row of reads one that answers with the bytes of a Binary where the client wants them. In bundles it
// answers with resources.
func (d *Door) bytesToo(find func(*Door, context.Context, *rest.Ask, *rest.Answer) (aRead, error),
	row rest.Row) rest.Row {
	resource := row.Serve
	row.Serve = func(w http.ResponseWriter, r *http.Request, ask *rest.Ask) error {
		if ask.Type != BinaryType {
			return resource(w, r, ask)
		}
		return rest.ReadHTTP(w, r, ask, func(ctx context.Context, ask *rest.Ask, answer *rest.Answer) error {
			door := d.of(ask)
			one, err := find(door, ctx, ask, answer)
			if err != nil {
				return err
			}
			return door.writeBinary(ctx, w, r, ask, answer, one)
		})
	}
	return row
}

// writeBinary answers with a version of a Binary as its bytes or as a resource.
func (d *Door) writeBinary(ctx context.Context, w http.ResponseWriter, r *http.Request, ask *rest.Ask,
	answer *rest.Answer, one aRead) error {
	content, err := d.contentOf(ctx, answer, one)
	if err != nil || content == nil {
		return err
	}
	binary, broken := form.ReadBinary(content)
	contentType := noType
	if broken == nil && isMediaType(binary.ContentType) {
		contentType = binary.ContentType
	}
	asBytes, err := ask.Bytes(contentType)
	switch {
	case err != nil:
		return err
	case !asBytes:
		return d.writeResource(answer, content, one)
	case broken != nil: // it was stored before its data was looked at
		return rest.Refused(http.StatusNotAcceptable, events.Unsupported, "fhir.Read",
			"what Binary/%s holds is no base64, so it has no bytes: read the resource (_format=json)", one.version.ID)
	}
	answer.Head()
	header := w.Header()
	rest.Revalidate(header)
	header.Set("Content-Type", contentType)
	header.Set("Content-Disposition", `inline; filename="`+one.version.ID+`"`)
	if isHeaderText(binary.SecurityContext) {
		header.Set(rest.HeaderSecurityContext, binary.SecurityContext)
	}
	confine(header, contentType)
	serveBytes(w, r, one.version, binary.Size, binary.Bytes())
	return nil
}

// confine keeps what was stored from acting as a page of this origin: no type is guessed, and what is shown runs no
// script and sends no form. Browsers show no PDF in such a sandbox; what they show it with is one.
func confine(header http.Header, contentType string) {
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	if media, _, err := mime.ParseMediaType(contentType); err != nil || media != "application/pdf" {
		header.Set("Content-Security-Policy", "sandbox")
	}
}

// serveBytes writes bytes, or the ranges of them that are asked for (RFC 9110, section 14). Versions have weak entity
// tags, so If-Range holds for a date alone (13.1.5). Conditions were looked at before.
func serveBytes(w http.ResponseWriter, r *http.Request, version projections.Version, size int64,
	content io.ReadSeeker) {
	asked := &http.Request{Method: r.Method, Header: http.Header{}}
	if ranges := rangesOf(r.Header["Range"], size); r.Method == http.MethodGet && ranges != "" {
		asked.Header["Range"], asked.Header["If-Range"] = []string{ranges}, r.Header["If-Range"]
	}
	http.ServeContent(&ranged{ResponseWriter: w}, asked, "", version.Time.UTC(), content)
}

// ranged answers in FHIR that a range is not there.
type ranged struct {
	http.ResponseWriter
	refused bool
}

func (w *ranged) WriteHeader(status int) {
	if w.refused = status == http.StatusRequestedRangeNotSatisfiable; !w.refused {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	header := w.Header()
	for _, name := range []string{"Content-Disposition", "Content-Type", "Content-Security-Policy"} {
		header.Del(name)
	}
	rest.Refuse(w.ResponseWriter, rest.Refused(status, events.Unsupported, "fhir.Read",
		"the Binary has no such range of bytes; Content-Range tells how many there are"))
}

func (w *ranged) Write(data []byte) (int, error) {
	if w.refused { // the answer is made
		return len(data), nil
	}
	return w.ResponseWriter.Write(data)
}

// writeRaw answers with the resource of a raw content, whose data is encoded as it is written.
func writeRaw(answer *rest.Answer, content []byte, version projections.Version) error {
	binary, err := form.ReadBinary(content)
	if err != nil {
		return err
	}
	length, write, err := binary.Document(version.ID, version.Number, version.Time)
	if err != nil {
		return err
	}
	_ = write(answer.Begin(http.StatusOK, length)) // the client has gone: there is nobody left to tell
	return nil
}

// isMediaType tells whether a text may stand as a Content-Type.
func isMediaType(text string) bool {
	media, _, err := mime.ParseMediaType(text)
	return err == nil && strings.Contains(media, "/") && !strings.Contains(media, "*") && isHeaderText(text)
}

// isHeaderText tells whether a text may stand in a header, and is no empty one.
func isHeaderText(text string) bool {
	return text != "" && strings.IndexFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) < 0
}
