package form_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"binnacle/events/fhir"
	"binnacle/projections/fhir/form"
)

// read reads all of a Binary, and pieces of it at random places, which must be the same bytes.
func read(t *testing.T, content []byte) (*form.Binary, []byte) {
	t.Helper()
	b, err := form.ReadBinary(content)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(b.Bytes())
	if err != nil || int64(len(all)) != b.Size {
		t.Fatalf("read %d bytes of %d: %v", len(all), b.Size, err)
	}
	for range 50 {
		from := rand.IntN(len(all) + 1)
		to := from + rand.IntN(len(all)-from+1)
		reader, part := b.Bytes(), make([]byte, to-from)
		if _, err := reader.Seek(int64(from), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(reader, part); err != nil || !bytes.Equal(part, all[from:to]) {
			t.Fatalf("bytes %d to %d are others: %v", from, to, err)
		}
	}
	return b, all
}

func TestABinaryHoldsTheSameBytesInEachForm(t *testing.T) {
	for _, size := range []int{0, 1, 2, 3, 4, 100, 24 << 10, 24<<10 + 1, 100_000} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rand.Uint32())
		}
		raw := append(form.RawHead("image/png", "Patient/1"), data...)
		b, got := read(t, raw)
		if !bytes.Equal(got, data) || b.ContentType != "image/png" || b.SecurityContext != "Patient/1" {
			t.Errorf("%d bytes, raw: got %d bytes, %q, %q", size, len(got), b.ContentType, b.SecurityContext)
		}
		document, err := form.JSON(raw)
		if err != nil {
			t.Fatal(err)
		}
		b, got = read(t, document)
		if !bytes.Equal(got, data) || b.ContentType != "image/png" || b.SecurityContext != "Patient/1" {
			t.Errorf("%d bytes, JSON: got %d bytes, %q, %q", size, len(got), b.ContentType, b.SecurityContext)
		}
		at := time.UnixMilli(1_700_000_000_000)
		stamped, err := fhir.Stamp(nil, document, "a", 3, at)
		if err != nil {
			t.Fatal(err)
		}
		b, _ = read(t, raw)
		length, write, err := b.Document("a", 3, at)
		var streamed bytes.Buffer
		if err != nil || write(&streamed) != nil || length != streamed.Len() || !bytes.Equal(streamed.Bytes(), stamped) {
			t.Errorf("%d bytes: the resource is written as %d bytes, and its length told as %d (%v)", size,
				streamed.Len(), length, err)
		}
	}
}

func TestTheDataOfABinaryIsReadWithItsWhiteSpaceAndEscapes(t *testing.T) {
	text := base64.StdEncoding.EncodeToString([]byte("some bytes???>>>"))
	for _, written := range []string{text, strings.ReplaceAll(text, "/", `\/`), " " + text[:4] + `\n  ` + text[4:] + `\r\n`} {
		_, got := read(t, []byte(`{"resourceType":"Binary","contentType":"text/plain","data":"`+written+`"}`))
		if string(got) != "some bytes???>>>" {
			t.Errorf("%s: got %q", written, got)
		}
	}
}

func TestDataThatIsNoBase64IsRefused(t *testing.T) {
	for _, data := range []string{`"a"`, `"abcde"`, `"ab=c"`, `"abc="  `, `"ab==abcd"`, `"äbcd"`, `5`, `["abcd"]`,
		`"` + strings.Repeat("abcd", 8<<10) + `ab==` + strings.Repeat("abcd", 8<<10) + `"`} {
		content := []byte(`{"resourceType":"Binary","data":` + data + `}`)
		_, err := form.ReadBinary(content)
		if good := data == `"abc="  `; good != (err == nil) {
			t.Errorf("%.40s: got %v", data, err)
		}
		resource, parsed := fhir.ParseResource(content)
		if parsed != nil || (form.CheckBinary(resource.Node) == nil) != (err == nil) {
			t.Errorf("%.40s: the check says otherwise (%v)", data, parsed)
		}
	}
	for _, content := range []string{"\x01", "\x01\x05abc", "\x01\x01a\x80", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if _, err := form.ReadBinary([]byte(content)); err == nil {
			t.Errorf("%q is a Binary", content)
		}
		if _, err := form.JSON([]byte(content)); err == nil {
			t.Errorf("%q is a document", content)
		}
	}
}

func FuzzABinaryIsReadOrRefused(f *testing.F) {
	f.Add([]byte("\x01\x01a\x00data"))
	f.Add([]byte(`{"resourceType":"Binary","data":"YWJj"}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		if form.Of(content) == form.InXML {
			return
		}
		b, err := form.ReadBinary(content)
		if err != nil {
			return
		}
		if n, err := io.Copy(io.Discard, b.Bytes()); err != nil || n != b.Size {
			t.Errorf("read %d bytes of %d: %v", n, b.Size, err)
		}
	})
}
