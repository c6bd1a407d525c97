package load

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"

	"binnacle/events/fhir"
)

// Unit is one request of an import.
type Unit struct {
	File      string
	Label     string // which part of the file: "" for the whole, "line 5", "entry 3"
	Method    string
	Path      string // below the base URL: "", "Patient", "Patient/1"
	Body      []byte
	Resources int64
}

// Name is how people know the unit.
func (u Unit) Name() string { return u.File + "#" + u.Label }

// Key tells the unit by what it asks for: content, name of the file and place in it. The folder and the file's
// compression are no part of it: a copy is the same, a changed content another unit.
func (u Unit) Key() (key unitKey) {
	sum := sha256.New()
	for _, text := range []string{compressed.ReplaceAllString(filepath.Base(u.File), ""), u.Label, u.Method, u.Path} {
		fmt.Fprintf(sum, "%d %s\n", len(text), text)
	}
	sum.Write(u.Body)
	copy(key[:], sum.Sum(nil))
	return key
}

// compressed matches the end of a compressed file's name.
var compressed = regexp.MustCompile(`\.(gz|bz2)$`)

// only makes the unit that sends some entries of a batch, or the whole unit when entries is nil.
func (u Unit) only(entries []int) (Unit, error) {
	if entries == nil {
		return u, nil
	}
	doc, err := fhir.Parse(u.Body)
	if err != nil {
		return Unit{}, err
	}
	batch := bytes.NewBufferString(`{"resourceType":"Bundle","type":"batch","entry":[`)
	i := 0
	for entry := range doc.Root().Get("entry").Items() {
		if slices.Contains(entries, i) {
			if i != entries[0] {
				batch.WriteByte(',')
			}
			batch.Write(entry.Raw())
		}
		i++
	}
	batch.WriteString(`]}`)
	u.Body, u.Resources = batch.Bytes(), int64(len(entries))
	return u, nil
}

// resourceFile matches the names of files that an import reads.
var resourceFile = regexp.MustCompile(`\.(json|ndjson)(\.gz|\.bz2)?$`)

var xmlFile = regexp.MustCompile(`\.xml(\.gz|\.bz2)?$`)

// Files lists the files of an import, folders read recursively, each folder in the order of its names.
func Files(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("can't read %s: %w", path, errors.Unwrap(err))
		}
		if !info.IsDir() && xmlFile.MatchString(path) {
			return nil, fmt.Errorf("%s: files of XML are not taken; send them to the server one by one, or make them JSON",
				path)
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && resourceFile.MatchString(d.Name()) {
				files = append(files, p)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// leading matches the names of files that others refer to: numbered ones, and those that Synthea writes.
var leading = regexp.MustCompile(`^(\d+-|hospitalInformation|practitionerInformation)`)

func SplitPhases(files []string) (first, rest []string) {
	for _, file := range files {
		if leading.MatchString(filepath.Base(file)) {
			first = append(first, file)
		} else {
			rest = append(rest, file)
		}
	}
	slices.SortFunc(first, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	return first, rest
}

// OpenFile opens a file and undoes its compression.
func OpenFile(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(f, 1<<18)
	switch {
	case strings.HasSuffix(path, ".gz"):
		z, err := gzip.NewReader(in)
		if err != nil {
			_ = f.Close() // only read
			return nil, fmt.Errorf("not a gzip file: %w", err)
		}
		return struct {
			io.Reader
			io.Closer
		}{z, f}, nil
	case strings.HasSuffix(path, ".bz2"):
		return struct {
			io.Reader
			io.Closer
		}{bzip2.NewReader(in), f}, nil
	}
	return struct {
		io.Reader
		io.Closer
	}{in, f}, nil
}

// ReadUnits calls yield with the units of a file, in the file's order.
func ReadUnits(path string, yield func(Unit) error) error {
	in, err := OpenFile(path)
	if err != nil {
		return err
	}
	defer in.Close()
	if strings.Contains(filepath.Base(path), ".ndjson") {
		return readLines(path, in, yield)
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	doc, err := fhir.Parse(body)
	if err != nil {
		return err
	}
	root := doc.Root()
	if root.Get("resourceType").Text() != "Bundle" {
		u, err := resourceUnit(path, "", root)
		if err != nil {
			return err
		}
		return yield(u)
	}
	kind := root.Get("type").Text()
	if kind == "transaction" || kind == "batch" {
		return yield(Unit{File: path, Method: http.MethodPost, Body: body, Resources: int64(root.Get("entry").Len())})
	}
	entry := 0
	for item := range root.Get("entry").Items() {
		if resource := item.Get("resource"); resource.Exists() {
			u, err := resourceUnit(path, fmt.Sprintf("entry %d", entry), resource)
			if err != nil {
				return err
			}
			if err := yield(u); err != nil {
				return err
			}
		}
		entry++
	}
	return nil
}

// Sizes of the batch bundles into which the lines of an NDJSON file are gathered.
const (
	batchLines = 100
	batchSize  = 1 << 20 // bytes
)

func readLines(path string, in io.Reader, yield func(Unit) error) error {
	lines := bufio.NewReaderSize(in, 1<<20)
	var batch bytes.Buffer
	count, firstLine, line := 0, 1, 0
	flush := func() error {
		if count == 0 {
			return nil
		}
		batch.WriteString(`]}`)
		u := Unit{File: path, Label: fmt.Sprintf("lines %d-%d", firstLine, line), Method: http.MethodPost, Body: bytes.Clone(batch.Bytes()), Resources: int64(count)}
		batch.Reset()
		count, firstLine = 0, line+1
		return yield(u)
	}
	for {
		text, err := lines.ReadBytes('\n')
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return err
		}
		if len(text) > 0 {
			line++
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			doc, err := fhir.Parse(text)
			if err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
			u, err := resourceUnit(path, "", doc.Root())
			if err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
			if count == 0 {
				batch.WriteString(`{"resourceType":"Bundle","type":"batch","entry":[`)
			} else {
				batch.WriteByte(',')
			}
			fmt.Fprintf(&batch, `{"resource":%s,"request":{"method":%q,"url":%q}}`, text, u.Method, u.Path)
			count++
		}
		if last || count == batchLines || batch.Len() > batchSize {
			if err := flush(); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}

// resourceUnit is the request for one resource: an update where it has an id, else a create.
func resourceUnit(file, label string, resource fhir.Node) (Unit, error) {
	kind := resource.Get("resourceType").Text()
	if kind == "" {
		return Unit{}, errors.New(strings.TrimSpace(label + " holds no FHIR resource: resourceType is missing"))
	}
	u := Unit{File: file, Label: label, Method: http.MethodPost, Path: kind, Body: resource.Raw(), Resources: 1}
	if id := resource.Get("id").Text(); id != "" {
		u.Method, u.Path = http.MethodPut, kind+"/"+id
	}
	return u, nil
}
