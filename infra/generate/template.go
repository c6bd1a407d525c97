package generate

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
)

// A template is the text of a bundle in which the places that differ from copy to copy are fields. A field begins with
// the byte mark, which no JSON text holds unescaped, then its kind and what the kind says.
const mark = 0x01

const (
	fieldUUID     = 'u' // 16 bytes: an id
	fieldDate     = 'd' // 10 bytes: YYYY-MM-DD
	fieldDigits   = 'n' // length, text whose digits are turned
	fieldFraction = 'f' // length, digits after a decimal point that are drawn anew
	fieldShared   = 's' // length (2 bytes), a conditional reference: Type?identifier=system|value
	fieldBegin    = 'b' // a resource begins
	fieldEnd      = 'e' // and ends
)

// source is one patient as a template.
type source struct {
	name       string
	resources  int
	compressed []byte // the template, zstd
}

// writer makes a template.
type writer struct {
	out   []byte
	types map[string]string // the type behind each urn:uuid of the bundle
}

// patientTemplate makes the template of a transaction: every entry becomes an update under its own id, so that sending
// it again changes nothing.
func patientTemplate(root fhir.Node) ([]byte, int, error) {
	w := &writer{types: map[string]string{}}
	for entry := range root.Get("entry").Items() {
		w.types[entry.Get("fullUrl").Text()] = entry.Get("resource").Get("resourceType").Text()
	}
	w.text(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	count := 0
	for entry := range root.Get("entry").Items() {
		full := entry.Get("fullUrl").Text()
		id, found := parseUUID(strings.TrimPrefix(full, "urn:uuid:"))
		if !found || !strings.HasPrefix(full, "urn:uuid:") {
			return nil, 0, events.Errorf(events.Invalid, "generate.New", "entry %d has the fullUrl %.80q in place of urn:uuid: and a UUID; only bundles as Synthea writes them can be copied", count, full)
		}
		if count > 0 {
			w.text(",")
		}
		count++
		w.text(`{"fullUrl":"urn:uuid:`)
		w.uuid(id)
		w.text(`","resource":`)
		w.field(fieldBegin)
		if err := w.resource(entry.Get("resource")); err != nil {
			return nil, 0, err
		}
		w.field(fieldEnd)
		w.text(`,"request":{"method":"` + http.MethodPut + `","url":"` + w.types[full] + "/")
		w.uuid(id)
		w.text(`"}}`)
	}
	w.text(`]}`)
	return w.out, count, nil
}

func (w *writer) text(s string)   { w.out = append(w.out, s...) }
func (w *writer) field(kind byte) { w.out = append(w.out, mark, kind) }

func (w *writer) uuid(id [16]byte) {
	w.field(fieldUUID)
	w.out = append(w.out, id[:]...)
}

// resource writes a resource without white space and finds its fields, string by string.
func (w *writer) resource(n fhir.Node) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, n.Raw()); err != nil {
		return events.Wrap(events.Internal, "generate.New", err, "a resource cannot be compacted")
	}
	text := compact.Bytes()
	key := "" // of the value at hand
	for i := 0; i < len(text); {
		if text[i] != '"' {
			i = w.plain(text, i, key)
			continue
		}
		end := i + 1
		for text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		inside := string(text[i+1 : end])
		w.text(`"`)
		if end+1 < len(text) && text[end+1] == ':' {
			key = inside
			w.text(inside)
		} else {
			w.value(key, inside)
		}
		w.text(`"`)
		i = end + 1
	}
	return nil
}

// plain copies up to the next string. The fraction of a measured value becomes a field.
func (w *writer) plain(text []byte, i int, key string) int {
	for ; i < len(text) && text[i] != '"'; i++ {
		w.out = append(w.out, text[i])
		if text[i] != '.' || key != "value" {
			continue
		}
		end := i + 1
		for end < len(text) && '0' <= text[end] && text[end] <= '9' {
			end++
		}
		if width := min(end-i-1, 3); width > 0 { // more would be noise
			w.short(fieldFraction, string(text[i+1:i+1+width]))
		}
		i = end - 1
	}
	return i
}

func (w *writer) short(kind byte, s string) {
	w.field(kind)
	w.out = append(w.out, byte(len(s)))
	w.text(s)
}

// value writes the inside of a string.
func (w *writer) value(key, s string) {
	if resource, known := w.types[s]; known && key == "reference" {
		w.text(resource + "/")
		id, _ := parseUUID(strings.TrimPrefix(s, "urn:uuid:")) // a fullUrl, checked
		w.uuid(id)
		return
	}
	if key == "reference" && strings.Contains(s, "?identifier=") && len(s) < 1<<16 {
		w.field(fieldShared)
		w.out = append(w.out, byte(len(s)>>8), byte(len(s)))
		w.text(s)
		return
	}
	if id, found := parseUUID(strings.TrimPrefix(s, "urn:uuid:")); found {
		w.text(s[:len(s)-36])
		w.uuid(id)
		return
	}
	if isDate(s) {
		w.field(fieldDate)
		w.text(s[:10])
		w.text(s[10:])
		return
	}
	if len(s) < 256 && (key == "value" && isNumbered(s) || isName(key) && strings.ContainsAny(s, "0123456789") && !strings.HasPrefix(s, "Dr. ")) {
		w.short(fieldDigits, s)
		return
	}
	w.text(s)
}

// isDate tells whether a string begins with a whole date, and is that or a time.
func isDate(s string) bool {
	if len(s) < 10 || len(s) > 10 && s[10] != 'T' {
		return false
	}
	for i := range 10 {
		if digit := '0' <= s[i] && s[i] <= '9'; digit == (i == 4 || i == 7) || !digit && s[i] != '-' {
			return false
		}
	}
	return true
}

// isNumbered tells whether a string is a number of a document or of a telephone: digits, capitals and hyphens.
func isNumbered(s string) bool {
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case c != '-' && (c < 'A' || c > 'Z'):
			return false
		}
	}
	return digits >= 5
}

// isName tells whether a string under this key may be a person's name.
func isName(key string) bool { return key == "family" || key == "given" }

func parseUUID(s string) (id [16]byte, found bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:]))
	return id, err == nil && s == strings.ToLower(s)
}
