package fhir

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzAnIndenterWritesWhatJSONIndentDoes(f *testing.F) {
	for _, seed := range []string{`{}`, `[]`, `{"a":[1,2.50,{"b":"x,\"y: {\\"}],"c":{},"d":[ ],"e":[[]],"f":null}`,
		"{ \"a\" :\n true }", `"x"`, `[{"é":"\u0000"},{}]`} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		if !json.Valid(data) {
			return
		}
		var plain, want, got bytes.Buffer
		_ = json.Compact(&plain, data) // it is valid
		_ = json.Indent(&want, plain.Bytes(), "", "  ")
		indent := NewIndenter(&got)
		for rest := data; len(rest) > 0; { // it comes in parts
			n := min(len(rest), max(1, size%7))
			if _, err := indent.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if got.String() != want.String() {
			t.Errorf("%q: got\n%s\nwant\n%s", data, got.String(), want.String())
		}
	})
}
