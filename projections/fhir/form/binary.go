package form

import (
	"bytes"
	"encoding/base64"
	"io"
	"time"

	"binnacle/events"
	"binnacle/events/fhir"
)

// Binary is the content of a Binary as the bytes that it holds.
type Binary struct {
	ContentType     string // as it was sent; "": none was
	SecurityContext string // a reference; "": there is none
	Size            int64  // of the bytes
	bytes           io.ReaderAt
	raw             *raw // nil: it is a document
}

const opBinary = "form.Binary"

// ReadBinary reads the content of a Binary in any form. It keeps the content.
//
// Kind Invalid: it is no Binary, or its data is no base64.
func ReadBinary(content []byte) (*Binary, error) {
	if Of(content) == Raw {
		r, err := readRaw(content)
		if err != nil {
			return nil, err
		}
		return &Binary{ContentType: r.contentType, SecurityContext: r.securityContext, Size: int64(len(r.data)),
			bytes: bytes.NewReader(r.data), raw: &r}, nil
	}
	document, err := JSON(content)
	if err != nil {
		return nil, err
	}
	resource, err := fhir.ParseResource(document)
	if err != nil {
		return nil, err
	}
	data, err := dataOf(resource.Node)
	if err != nil {
		return nil, err
	}
	return &Binary{ContentType: resource.Node.Get("contentType").Text(),
		SecurityContext: resource.Node.Get("securityContext").Get("reference").Text(), Size: data.size(),
		bytes: data}, nil
}

// Bytes reads the bytes of the Binary. They are decoded as they are read.
func (b *Binary) Bytes() io.ReadSeeker { return io.NewSectionReader(b.bytes, 0, b.Size) }

// IsRaw tells whether the content is in the form Raw, so that [Binary.Document] writes its resource.
func (b *Binary) IsRaw() bool { return b.raw != nil }

// Document returns what writes the resource of a raw content with what the server says of it, and how many bytes that
// are. The data is encoded as it is written.
func (b *Binary) Document(id string, version int64, lastUpdated time.Time) (length int, write func(io.Writer) error,
	err error) {
	head, err := fhir.Stamp(nil, append(b.raw.head(), '}'), id, version, lastUpdated)
	if err != nil {
		return 0, nil, err
	}
	if len(b.raw.data) == 0 {
		return len(head), func(w io.Writer) error {
			_, err := w.Write(head)
			return err
		}, nil
	}
	head = append(head[:len(head)-1], beforeData...)
	const tail = behindData + "}"
	length = len(head) + base64.StdEncoding.EncodedLen(len(b.raw.data)) + len(tail)
	return length, func(w io.Writer) error {
		if _, err := w.Write(head); err != nil {
			return err
		}
		buffer := make([]byte, 0, base64.StdEncoding.EncodedLen(piece))
		for rest := b.raw.data; len(rest) > 0; {
			n := min(piece, len(rest))
			if _, err := w.Write(base64.StdEncoding.AppendEncode(buffer, rest[:n])); err != nil {
				return err
			}
			rest = rest[n:]
		}
		_, err := io.WriteString(w, tail)
		return err
	}, nil
}

// piece is how many bytes are encoded or decoded at a time: a multiple of three.
const piece = 24 << 10

// CheckBinary refuses a Binary whose data is no base64 (FHIR R4, datatypes.html#base64Binary): nobody could read it as
// the bytes that it is to hold. Other resources pass. An error is of kind Invalid.
func CheckBinary(resource fhir.Node) error {
	if resource.Get("resourceType").Text() != "Binary" {
		return nil
	}
	_, err := dataOf(resource)
	return err
}

// Data are the bytes of a Binary's resource. An error is that of [CheckBinary].
func Data(binary fhir.Node) ([]byte, error) {
	data, err := dataOf(binary)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(data, 0, data.size()))
}

// encoded is base64 without white space, whose bytes are decoded where they are read.
type encoded []byte

// dataOf finds the data of a Binary.
func dataOf(resource fhir.Node) (encoded, error) {
	node := resource.Get("data")
	if !node.Exists() || node.Kind() == fhir.Null {
		return nil, nil
	}
	fail := func() (encoded, error) {
		return nil, events.Errorf(events.Invalid, opBinary, "the data is no base64").At("Binary.data")
	}
	if node.Kind() != fhir.String {
		return fail()
	}
	text := node.Raw()
	text = text[1 : len(text)-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		text = []byte(node.Text())
	}
	if bytes.ContainsAny(text, " \t\r\n") {
		text = bytes.Join(bytes.Fields(text), nil)
	}
	data := encoded(text)
	buffer := make([]byte, piece)
	for rest := text; len(rest) > 0; {
		n := min(len(rest), base64.StdEncoding.EncodedLen(piece))
		decoded, err := base64.StdEncoding.Decode(buffer, rest[:n])
		if err != nil || n < len(rest) && decoded != piece { // padding stands at the end alone
			return fail()
		}
		rest = rest[n:]
	}
	return data, nil
}

func (e encoded) size() int64 {
	size := int64(len(e) / 4 * 3)
	for n := len(e); n > 0 && e[n-1] == '='; n-- {
		size--
	}
	return size
}

// ReadAt decodes the bytes from one place on.
func (e encoded) ReadAt(into []byte, from int64) (n int, err error) {
	buffer := make([]byte, min(piece, len(into)/3*3+6))
	for n < len(into) {
		group, inside := int(from/3), int(from%3)
		if group*4 >= len(e) {
			return n, io.EOF
		}
		decoded, err := base64.StdEncoding.Decode(buffer, e[group*4:min(len(e), (group+len(buffer)/3)*4)])
		if err != nil {
			return n, events.Wrap(events.Internal, opBinary, err, "the data is no base64")
		}
		if inside >= decoded {
			return n, io.EOF
		}
		read := copy(into[n:], buffer[inside:decoded])
		n, from = n+read, from+int64(read)
	}
	return n, nil
}
