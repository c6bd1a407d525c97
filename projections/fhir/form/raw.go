package form

import (
	"encoding/base64"
	"encoding/binary"

	"binnacle/events"
	"binnacle/events/fhir"
)

// A content in the form Raw is the byte 0x01, the content type and the security context, each behind its length in
// bytes (an unsigned varint), and then the bytes of the Binary as they were sent.

// RawHead begins a content in the form Raw: the bytes of the Binary follow it. securityContext is a reference; "":
// there is none.
func RawHead(contentType, securityContext string) []byte {
	head := make([]byte, 1, 1+2*binary.MaxVarintLen64+len(contentType)+len(securityContext))
	head[0] = rawByte
	for _, text := range [...]string{contentType, securityContext} {
		head = binary.AppendUvarint(head, uint64(len(text)))
		head = append(head, text...)
	}
	return head
}

// raw is a content in the form Raw, taken apart.
type raw struct {
	contentType, securityContext string
	data                         []byte // of the content
}

const opRaw = "form.Raw"

// readRaw takes a content in the form Raw apart. An error is of kind Invalid.
func readRaw(content []byte) (r raw, err error) {
	rest := content[1:]
	for _, text := range [...]*string{&r.contentType, &r.securityContext} {
		length, n := binary.Uvarint(rest)
		if n <= 0 || length > uint64(len(rest)-n) {
			return raw{}, events.Errorf(events.Invalid, opRaw, "the head of a raw content is cut off or too long")
		}
		*text = string(rest[n : n+int(length)])
		rest = rest[n+int(length):]
	}
	r.data = rest
	return r, nil
}

// head is the resource without its data, and without the brace that closes it.
func (r *raw) head() []byte {
	head := append([]byte(nil), `{"resourceType":"Binary","contentType":`...)
	head = fhir.AppendString(head, r.contentType)
	if r.securityContext != "" {
		head = append(head, `,"securityContext":{"reference":`...)
		head = append(fhir.AppendString(head, r.securityContext), '}')
	}
	return head
}

// Texts around the data of a Binary in JSON.
const (
	beforeData = `,"data":"`
	behindData = `"`
)

// document is the resource with its data.
func (r *raw) document() []byte {
	document := r.head()
	if len(r.data) > 0 {
		whole := make([]byte, len(document), len(document)+len(beforeData)+base64.StdEncoding.EncodedLen(len(r.data))+
			len(behindData)+1)
		copy(whole, document)
		whole = append(whole, beforeData...)
		whole = base64.StdEncoding.AppendEncode(whole, r.data)
		whole = append(whole, behindData...)
		document = whole
	}
	return append(document, '}')
}

// Terms is the content that search terms and references are read from: of a raw content the document without its data,
// which has none; else the content itself. A content whose head is broken comes back as it is: no document can be read
// from it.
func Terms(content []byte) []byte {
	if Of(content) != Raw {
		return content
	}
	r, err := readRaw(content)
	if err != nil {
		return content
	}
	return append(r.head(), '}')
}

// Document parses what search terms and references are read from; see [Terms]. The errors are those of [JSON] and of
// [fhir.Parse].
func Document(content []byte) (*fhir.Document, error) {
	document, err := JSON(Terms(content))
	if err != nil {
		return nil, err
	}
	return fhir.Parse(document)
}
