package clients

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// recorder stands between the programs and a node. It keeps each answer that holds a resource in a file, and writes a
// line about it to files: the path of the file, a tab, and what was asked. Answers that differ in ids, times and
// numbers alone are kept once.
type recorder struct {
	root  string // its own address
	files *os.File

	told   *os.File // the other end of files
	folder string
	server *http.Server
	once   sync.Once
	mu     sync.Mutex
	seen   map[[sha256.Size]byte]bool
}

// newRecorder starts a recorder in front of a node.
func newRecorder(node, folder string) (*recorder, error) {
	target, err := url.Parse(node)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	files, told, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	r := &recorder{root: "http://" + listener.Addr().String(), files: files, told: told, folder: folder,
		seen: map[[sha256.Size]byte]bool{}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host // the node's links lead through here
		},
		ModifyResponse: r.record,
	}
	r.server = &http.Server{Handler: proxy}
	go func() { _ = r.server.Serve(listener) }()
	return r, nil
}

// close ends the recorder, and with it the lines that the validator reads.
func (r *recorder) close() {
	r.once.Do(func() {
		_ = r.server.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		_ = r.told.Close()
	})
}

// changing is what differs between two answers that are otherwise the same: ids, times, versions, tokens of pages.
var changing = regexp.MustCompile(`_page=[^&"]*|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]+`)

// token is the token of a page in an address.
var token = regexp.MustCompile(`_page=[^&"]*`)

func (r *recorder) record(answer *http.Response) error {
	body, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if answer.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return err
		}
		if body, err = io.ReadAll(unpacked); err != nil {
			return err
		}
	}
	ending, is := resource(body)
	if !is || answer.Request.Method == http.MethodHead {
		return nil
	}
	sum := sha256.Sum256(changing.ReplaceAll(body, []byte("#")))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[sum] {
		return nil
	}
	r.seen[sum] = true
	file := filepath.Join(r.folder, fmt.Sprintf("%04d%s", len(r.seen), ending))
	if err := os.WriteFile(file, body, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.told, "%s\t%s %s is answered with %d\n", file, answer.Request.Method,
		token.ReplaceAllString(answer.Request.URL.RequestURI(), "_page=…"), answer.StatusCode)
	return err
}

// resource tells whether a body holds a resource, and how the name of a file with it ends.
func resource(body []byte) (ending string, is bool) {
	text := strings.TrimSpace(string(body[:min(len(body), 300)]))
	switch {
	case strings.HasPrefix(text, "{") && strings.Contains(string(body), `"resourceType"`):
		return ".json", true
	case strings.HasPrefix(text, "<") && strings.Contains(text, `xmlns="http://hl7.org/fhir"`):
		return ".xml", true
	}
	return "", false
}
