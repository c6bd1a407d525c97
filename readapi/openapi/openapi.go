// Package openapi writes the OpenAPI 3.1 document of what a node offers: of the one table of rows and of the catalog,
// so that it tells of a new row, and of another search parameter, by itself (ADR 85).
package openapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections/catalog"
)

// ContentType is that of the document. Browsers and generators know it; the registered one (openapi+json) few do.
const ContentType = "application/json; charset=utf-8"

// itself is what a row gives that gives this document.
const itself = "OpenAPI"

// Config is what a document is made of.
type Config struct {
	Rows    []rest.Row
	Catalog *catalog.Catalog
	Version string // of the software
}

// Document is one that was made, but for the address of its server. It is safe for concurrent use.
type Document struct {
	before, after []byte // of the address
	sum           [sha256.Size]byte
	Made          time.Time // whole seconds
}

// New makes the document.
func New(config Config) (*Document, error) {
	w := newWriter(config)
	paths := w.paths()
	body, err := json.Marshal(document{
		Info: info{Title: "Binnacle", Version: orUnknown(config.Version), Summary: "A log-first FHIR R4 server",
			Description: "The REST interface of FHIR R4 (4.0.1), as this server offers it. " +
				"metadata has the same as a CapabilityStatement."},
		Tags: w.tags(), Paths: paths,
		Components: components{Schemas: schemas(config.Catalog), Parameters: w.parameters,
			Bodies: w.bodies, Responses: w.responses(),
			Headers: answerHeaders()},
	})
	if err != nil {
		return nil, events.Wrap(events.Internal, "openapi.New", err, "the OpenAPI document cannot be written")
	}
	return &Document{before: []byte(`{"openapi":"3.1.0","servers":[{"url":`), after: append([]byte(`}],`), body[1:]...),
		sum: sha256.Sum256(body), Made: time.Now().UTC().Truncate(time.Second)}, nil
}

// At returns the document of a server whose FHIR root is at an address, and its ETag: all nodes of one configuration
// have the same.
func (d *Document) At(root string) (body []byte, etag string, err error) {
	address, err := json.Marshal(root)
	if err != nil {
		return nil, "", events.Wrap(events.Internal, "openapi.At", err, "the address cannot be written")
	}
	sum := sha256.Sum256(append(d.sum[:], address...))
	body = make([]byte, 0, len(d.before)+len(address)+len(d.after))
	body = append(append(append(body, d.before...), address...), d.after...)
	return body, `W/"` + hex.EncodeToString(sum[:8]) + `"`, nil
}

func orUnknown(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}

// The objects of OpenAPI 3.1.0 that are used, in their order.
type (
	document struct {
		Info       info            `json:"info"`
		Tags       []tag           `json:"tags"`
		Paths      map[string]path `json:"paths"`
		Components components      `json:"components"`
	}
	info struct {
		Title       string `json:"title"`
		Summary     string `json:"summary"`
		Description string `json:"description"`
		Version     string `json:"version"`
	}
	tag struct {
		Name        string `json:"name"`
		Description string `json:"description,omitempty"`
	}
	components struct {
		Schemas    map[string]schema      `json:"schemas"`
		Parameters map[string]parameter   `json:"parameters"`
		Bodies     map[string]requestBody `json:"requestBodies"`
		Responses  map[string]response    `json:"responses"`
		Headers    map[string]header      `json:"headers"`
	}
	// path has operations by their methods, and the parameters that all of them have
	path      map[string]any
	operation struct {
		Tags        []string          `json:"tags"`
		Summary     string            `json:"summary"`
		ID          string            `json:"operationId"`
		Parameters  []any             `json:"parameters,omitempty"` // of parameter and reference
		RequestBody *reference        `json:"requestBody,omitempty"`
		Responses   map[string]answer `json:"responses"`
	}
	// answer is a response, or the reference to one
	answer struct {
		Ref string `json:"$ref,omitempty"`
		*response
	}
	reference struct {
		Ref string `json:"$ref"`
	}
	parameter struct {
		Name        string `json:"name"`
		In          string `json:"in"`
		Description string `json:"description,omitempty"`
		Required    bool   `json:"required,omitempty"`
		Schema      schema `json:"schema"`
		Style       string `json:"style,omitempty"`
		Explode     *bool  `json:"explode,omitempty"`
	}
	requestBody struct {
		Required bool             `json:"required"`
		Content  map[string]media `json:"content"`
	}
	response struct {
		Description string            `json:"description"`
		Headers     map[string]header `json:"headers,omitempty"`
		Content     map[string]media  `json:"content,omitempty"`
	}
	// header is one, or the reference to one
	header struct {
		Ref         string  `json:"$ref,omitempty"`
		Description string  `json:"description,omitempty"`
		Schema      *schema `json:"schema,omitempty"`
	}
	media struct {
		Schema *schema `json:"schema,omitempty"`
	}
	schema map[string]any
)
