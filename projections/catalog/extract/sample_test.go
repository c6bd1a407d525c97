package extract

import (
	"bytes"
	"compress/bzip2"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"binnacle/events/fhir"
)

// sampleFiles are the bundles of the sample.
func sampleFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../testdata/synthea/*.bz2")
	if err != nil || len(files) != 113 {
		t.Fatalf("the sample has %d bundles, %v; want 113", len(files), err)
	}
	return files
}

// smallFiles are the few bundles of the sample that take no minutes under the race detector.
func smallFiles(t testing.TB) []string {
	t.Helper()
	return slices.DeleteFunc(sampleFiles(t), func(name string) bool {
		info, err := os.Stat(name)
		return err != nil || info.Size() > 25_000
	})
}

// bundleResources returns the documents of a bundle's resources, with references inside the bundle as the door resolves
// them: Type/id in place of urn:uuid.
func bundleResources(file string) ([]*fhir.Document, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(bzip2.NewReader(f))
	if err != nil {
		return nil, err
	}
	bundle, err := fhir.Parse(data)
	if err != nil {
		return nil, err
	}
	targets := map[string]string{}
	for entry := range bundle.Root().Get("entry").Items() {
		resource := entry.Get("resource")
		targets[entry.Get("fullUrl").Text()] = resource.Get("resourceType").Text() + "/" + resource.Get("id").Text()
	}
	var documents []*fhir.Document
	for entry := range bundle.Root().Get("entry").Items() {
		doc, err := fhir.Parse(resolved(entry.Get("resource").Raw(), targets))
		if err != nil {
			return nil, err
		}
		documents = append(documents, doc)
	}
	return documents, nil
}

func resolved(raw []byte, targets map[string]string) []byte {
	out := make([]byte, 0, len(raw))
	for {
		i := bytes.Index(raw, []byte(`"urn:uuid:`))
		if i < 0 {
			return append(out, raw...)
		}
		end := i + 1 + bytes.IndexByte(raw[i+1:], '"')
		out = append(out, raw[:i+1]...)
		if target, ok := targets[string(raw[i+1:end])]; ok {
			out = append(out, target...)
		} else {
			out = append(out, raw[i+1:end]...)
		}
		raw = raw[end:]
	}
}

func TestCheckAgreesWithExtractFromManyGoroutines(t *testing.T) {
	c := compiled(t)
	files := smallFiles(t)
	documents, err := bundleResources(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for _, doc := range documents {
				e, err := c.Extract(doc)
				if err != nil || len(e.Terms) == 0 {
					t.Errorf("%d terms, %v", len(e.Terms), err)
				}
				if err := c.Check(doc.Root()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkExtract(b *testing.B) {
	c := compiled(b)
	var documents []*fhir.Document
	bytes := 0
	for _, file := range sampleFiles(b)[2:8] {
		more, err := bundleResources(file)
		if err != nil {
			b.Fatal(err)
		}
		documents = append(documents, more...)
	}
	for _, doc := range documents {
		bytes += len(doc.Bytes())
	}
	b.Run("Extract", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(bytes / len(documents)))
		for i := 0; b.Loop(); i++ {
			if _, err := c.Extract(documents[i%len(documents)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Check", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(bytes / len(documents)))
		for i := 0; b.Loop(); i++ {
			if err := c.Check(documents[i%len(documents)].Root()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
