package form_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"binnacle/projections/fhir/form"
)

// unzipped returns the files of an archive by their names.
func unzipped(t testing.TB, archive string) map[string][]byte {
	t.Helper()
	reader, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	files := map[string][]byte{}
	for _, file := range reader.File {
		stream, err := file.Open()
		if err == nil {
			files[file.Name], err = io.ReadAll(stream)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(files) == 0 {
		t.Fatalf("%s is empty", archive)
	}
	return files
}

// valueOf reads JSON with the digits of its numbers.
func valueOf(t *testing.T, document []byte) (value any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v in %.300s", err, document)
	}
	return value
}

func TestHL7sExamplesStayTheSameInTheOtherFormAndBack(t *testing.T) {
	for name, example := range unzipped(t, "testdata/r4-examples.zip") {
		document, err := form.JSON(form.Trim(example))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		written, err := form.XML(document)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		back, err := form.JSON(written)
		if err != nil {
			t.Errorf("%s as XML: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(valueOf(t, document), valueOf(t, back)) {
			t.Errorf("%s: got %.2000s, want %.2000s", name, back, document)
		}
		if again, err := form.XML(back); err != nil || !bytes.Equal(again, written) {
			t.Errorf("%s: its XML becomes %.2000s, %v, want %.2000s", name, again, err, written)
		}
	}
}

// TestHAPISaysTheSameOfHL7sExamples holds the mapping against what HAPI's parser made of the examples
// (testdata/Golden.java).
func TestHAPISaysTheSameOfHL7sExamples(t *testing.T) {
	examples := unzipped(t, "testdata/r4-examples.zip")
	for name, theirs := range unzipped(t, "testdata/hapi.zip") {
		original, toXML := strings.CutSuffix(name, ".xml")
		if !toXML {
			original = strings.TrimSuffix(name, ".json")
		}
		example := form.Trim(examples[original])
		if toXML {
			ours, err := form.XML(example)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got, want := tokensOf(t, ours), tokensOf(t, theirs)
			if original == "observation-decimal.json" { // HAPI writes the digits of large and small decimals anew
				equal := func(got, want string) bool { return got == want || decimalOf(got) == decimalOf(want) }
				if slices.EqualFunc(got, want, equal) {
					continue
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s", name, difference(got, want))
			}
			continue
		}
		ours, err := form.JSON(example)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, want := plain(t, valueOf(t, ours)), plain(t, valueOf(t, theirs)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %.3000s, want %.3000s", name, ours, theirs)
		}
	}
}

// decimalOf is the number in the token of an element with a value alone.
func decimalOf(token string) string {
	_, digits, _ := strings.Cut(token, " value value=")
	number, is := new(big.Rat).SetString(digits)
	if !is {
		return token
	}
	return number.RatString()
}

func difference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("got %.200s, want %.200s after %s", got[i], want[i], got[max(0, i-3):i])
		}
	}
	return fmt.Sprintf("got %d tokens, want %d", len(got), len(want))
}

// plain makes the divs in a value comparable: HAPI writes them anew.
func plain(t *testing.T, value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			if text, is := member.(string); is && key == "div" {
				value[key] = strings.Join(tokensOf(t, []byte(text)), "\n")
				continue
			}
			value[key] = plain(t, member)
		}
	case []any:
		for i := range value {
			value[i] = plain(t, value[i])
		}
	}
	return value
}

// tokensOf reads XML with another reader: elements with their attributes in the order of their names, and texts with
// their white space made one space.
func tokensOf(t *testing.T, document []byte) (tokens []string) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(document))
	decoder.Entity = xml.HTMLEntity
	text := ""
	flush := func() {
		if words := strings.Fields(text); len(words) > 0 {
			tokens = append(tokens, strings.Join(words, " "))
		}
		text = ""
	}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return tokens
		}
		if err != nil {
			t.Fatalf("%v in %.500s", err, document)
		}
		switch token := token.(type) {
		case xml.StartElement:
			flush()
			attributes := []string{}
			for _, a := range token.Attr {
				if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
					attributes = append(attributes, a.Name.Local+"="+a.Value)
				}
			}
			slices.Sort(attributes)
			tokens = append(tokens, "<"+token.Name.Space+" "+token.Name.Local+" "+strings.Join(attributes, " "))
		case xml.EndElement:
			flush()
			tokens = append(tokens, ">"+token.Name.Local)
		case xml.CharData:
			text += string(token)
		}
	}
}
