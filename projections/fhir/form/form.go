package form

import (
	"bytes"
)

// Form is how a stored content is written.
type Form uint8

// The forms. A content tells its own by its first byte.
const (
	Other  Form = iota // none of those below: nothing that was ever accepted
	InJSON             // the JSON document that was sent
	InXML              // the XML document that was sent
	Raw                // the bytes of a Binary behind a header; see raw.go
)

// rawByte is the first byte of a content in the form Raw. No document begins with it.
const rawByte = 0x01

// Of tells the form of a content by its first byte.
func Of(content []byte) Form {
	if len(content) == 0 {
		return Other
	}
	switch content[0] {
	case '{', ' ', '\t', '\n', '\r':
		return InJSON
	case '<':
		return InXML
	case rawByte:
		return Raw
	}
	return Other
}

// Asked is the form of an answer that is to be XML, or else JSON.
func Asked(xml bool) Form {
	if xml {
		return InXML
	}
	return InJSON
}

// JSON returns the JSON document that a content of any form is read as: the content itself when that is its form, else
// new bytes. What is in none of the forms comes back as it is, for the parser to refuse.
//
// Kind Invalid: it is XML that is no resource of FHIR R4, or the head of a raw content is broken.
func JSON(content []byte) ([]byte, error) {
	switch Of(content) {
	case InXML:
		document, _, err := fromXML(content, false)
		return document, err
	case Raw:
		r, err := readRaw(content)
		if err != nil {
			return nil, err
		}
		return r.document(), nil
	}
	return content, nil
}

// Parsed returns what [JSON] does, and where what came from XML came from; a nil Source for JSON.
func Parsed(content []byte) ([]byte, *Source, error) {
	if Of(content) == InXML {
		return fromXML(content, true)
	}
	document, err := JSON(content)
	return document, nil, err
}

// Trim takes white space and a byte order mark off the beginning of XML that has no form yet, so that it tells its
// form by its first byte.
func Trim(document []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(document, []byte("\xef\xbb\xbf")), " \t\r\n")
}

// Ordered returns a document of JSON as it is read from XML: with its keys in the order of the definitions, and without
// white space and escapes that need not be. The errors are those of [XML].
func Ordered(document []byte) ([]byte, error) {
	written, err := XML(document)
	if err != nil {
		return nil, err
	}
	return JSON(written)
}
