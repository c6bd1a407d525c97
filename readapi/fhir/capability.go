package fhir

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/projections/catalog/extract"
	"binnacle/projections/fhir/form"
	"binnacle/readapi/fhir/pages"
)

// capability is the CapabilityStatement, made once: neither configuration nor catalog change while a node runs.
type capability struct {
	body     []byte
	etag     string // of everything but the date, so that all nodes of one configuration have the same
	modified time.Time
	inXML    func() ([]byte, error) // the body, mapped when it is asked for first
}

// The elements of a CapabilityStatement (FHIR R4 capabilitystatement) that are used, in their order.
type capabilityStatement struct {
	ResourceType   string         `json:"resourceType"`
	Status         string         `json:"status"`
	Date           string         `json:"date"`
	Kind           string         `json:"kind"`
	Software       software       `json:"software"`
	Implementation implementation `json:"implementation"`
	FHIRVersion    string         `json:"fhirVersion"`
	Format         []string       `json:"format"`
	PatchFormat    []string       `json:"patchFormat,omitempty"`
	Rest           []restMode     `json:"rest"`
}

type software struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type implementation struct {
	Description string `json:"description"`
	URL         string `json:"url,omitempty"`
}

type restMode struct {
	Mode          string             `json:"mode"`
	Documentation string             `json:"documentation,omitempty"`
	Resource      []resourceOffer    `json:"resource,omitempty"`
	Interaction   []interactionOffer `json:"interaction,omitempty"`
	SearchParam   []searchParamOffer `json:"searchParam,omitempty"`
	Operation     []operationOffer   `json:"operation,omitempty"`
	Compartment   []string           `json:"compartment,omitempty"`
}

type resourceOffer struct {
	Type              string             `json:"type"`
	Interaction       []interactionOffer `json:"interaction"`
	Versioning        string             `json:"versioning"`
	ReadHistory       bool               `json:"readHistory"`
	UpdateCreate      bool               `json:"updateCreate"`
	ConditionalCreate bool               `json:"conditionalCreate"`
	ConditionalRead   string             `json:"conditionalRead,omitempty"`
	ConditionalUpdate bool               `json:"conditionalUpdate"`
	ConditionalDelete string             `json:"conditionalDelete"`
	ReferencePolicy   []string           `json:"referencePolicy,omitempty"`
	SearchInclude     []string           `json:"searchInclude,omitempty"`
	SearchRevInclude  []string           `json:"searchRevInclude,omitempty"`
	SearchParam       []searchParamOffer `json:"searchParam,omitempty"`
	Operation         []operationOffer   `json:"operation,omitempty"`
}

type interactionOffer struct {
	Code          string `json:"code"`
	Documentation string `json:"documentation,omitempty"`
}

type operationOffer struct {
	Name       string `json:"name"`
	Definition string `json:"definition"`
}

type searchParamOffer struct {
	Name          string `json:"name"`
	Definition    string `json:"definition,omitempty"`
	Type          string `json:"type"`
	Documentation string `json:"documentation,omitempty"`
}

// newCapability tells of the node as it is configured: what it does not answer is not in it.
func newCapability(config Config, table *rest.Table) (*capability, error) {
	statement := capabilityStatement{
		ResourceType: "CapabilityStatement", Status: "active", Kind: "instance", FHIRVersion: "4.0.1",
		Software:       software{Name: "Binnacle", Version: config.Version},
		Implementation: implementation{Description: "Binnacle, a log-first FHIR R4 server", URL: config.PublicURL},
		Format: []string{"application/fhir+json", "application/json", "json", "application/fhir+xml", "application/xml",
			"xml"},
		Rest: []restMode{restOf(config, table)},
	}
	if table.Has("patch") {
		statement.PatchFormat = rest.PatchTypes
	}
	undated, err := json.Marshal(statement)
	if err != nil {
		return nil, events.Wrap(events.Internal, "fhir.New", err, "the capability statement cannot be written")
	}
	sum := sha256.Sum256(undated)
	made := time.Now().UTC().Truncate(time.Second)
	statement.Date = made.Format(time.RFC3339)
	body, err := json.Marshal(statement)
	if err != nil {
		return nil, events.Wrap(events.Internal, "fhir.New", err, "the capability statement cannot be written")
	}
	return &capability{body: body, etag: `W/"` + hex.EncodeToString(sum[:8]) + `"`, modified: made,
		inXML: sync.OnceValues(func() ([]byte, error) { return form.XML(body) })}, nil
}

func restOf(config Config, table *rest.Table) restMode {
	told := restMode{
		Mode: "server",
		Documentation: "A search is answered at the state of its first page, however much is written while it is " +
			"paged through. " +
			"Reference parameters can be chained (subject.name, subject:Patient.organization.name) and reversed " +
			"(_has:Observation:patient:code), to any depth. " +
			"A chain looks into contained resources, too, over up to three references. " +
			"Answers carry " + rest.HeaderPosition + "; a request that sends it back as " +
			rest.HeaderMinPosition + " reads at least what that answer knew. " +
			"Requests that may take long are answered later when the client sends Prefer: respond-async.",
	}
	if config.Reader != nil {
		told.SearchParam = systemParams(config.Catalog)
		for _, name := range config.Catalog.Compartments() {
			told.Compartment = append(told.Compartment,
				"http://hl7.org/fhir/CompartmentDefinition/"+strings.ToLower(name[:1])+name[1:])
		}
	}
	told.Interaction, told.Operation = offersOf(table, "")
	reverse := reverseIncludes(config.Catalog)
	for _, resourceType := range config.Catalog.Types() {
		resource := resourceOffer{
			Type: resourceType, Versioning: "versioned", ReadHistory: table.Has("vread"),
			UpdateCreate:      table.Has("update"),
			ConditionalCreate: table.Has("create"), ConditionalUpdate: table.Has("update-conditional"),
			ConditionalDelete: "not-supported",
		}
		if resource.Interaction, resource.Operation = offersOf(table, resourceType); resource.Interaction == nil {
			continue
		}
		if table.Has("delete-conditional") {
			resource.ConditionalDelete = "single"
			if table.Many("delete-conditional") {
				resource.ConditionalDelete = "multiple"
			}
		}
		if table.Has("update") {
			resource.ReferencePolicy = referencePolicy(config, resourceType)
		}
		if table.Has("read") {
			resource.ConditionalRead = "full-support"
		}
		if table.Has("search-type") {
			resource.SearchParam = searchParams(config.Catalog, resourceType)
			resource.SearchRevInclude = reverse[resourceType]
			resource.SearchInclude = []string{"*"}
			for _, code := range config.Catalog.References(resourceType, "") {
				resource.SearchInclude = append(resource.SearchInclude, resourceType+":"+code)
			}
		}
		told.Resource = append(told.Resource, resource)
	}
	return told
}

// systemHints tell how interactions of the whole system are used.
var systemHints = map[string]string{"search-system": "_type names the types; the newest come first"}

// offersOf tells what the table has for a type, or for "" of the system.
func offersOf(table *rest.Table, resourceType string) (interactions []interactionOffer, operations []operationOffer) {
	for _, row := range table.Rows() {
		ofType := strings.HasPrefix(row.Path, "/:type")
		if ofType != (resourceType != "") || ofType && row.Types != nil && !slices.Contains(row.Types, resourceType) {
			continue
		}
		for _, code := range row.Codes {
			hint := ""
			if !ofType {
				hint = systemHints[code]
			}
			interactions = append(interactions, interactionOffer{Code: code, Documentation: hint})
		}
		offered := operationOffer{Name: row.Path[strings.LastIndexByte(row.Path, '$')+1:], Definition: row.Definition}
		// an operation may have a row for GET and one for POST
		if row.Definition != "" && !slices.Contains(operations, offered) {
			operations = append(operations, offered)
		}
	}
	return interactions, operations
}

// referencePolicy tells how references in resources of a type are treated. What a Bundle holds belongs to it: nothing
// is enforced there.
func referencePolicy(config Config, resourceType string) []string {
	policy := []string{"literal", "logical"}
	if !config.Dangling && !config.Catalog.Shape(resourceType).Opaque {
		policy = append(policy, "enforced")
	}
	return policy
}

// reverseIncludes lists for each type what refers to it, as _revinclude names it.
func reverseIncludes(known *catalog.Catalog) map[string][]string {
	reverse := map[string][]string{}
	for _, target := range known.Types() {
		reverse[target] = []string{"*"}
		for _, source := range known.Types() {
			for _, code := range known.References(source, target) {
				reverse[target] = append(reverse[target], source+":"+code)
			}
		}
	}
	return reverse
}

// systemParams are those that every type has from its base.
func systemParams(known *catalog.Catalog) []searchParamOffer {
	types := known.Types()
	return slices.DeleteFunc(searchParams(known, types[0]), func(offer searchParamOffer) bool {
		param, _ := known.Param(types[0], offer.Name)
		return param.Type != "Resource"
	})
}

func searchParams(known *catalog.Catalog, resourceType string) []searchParamOffer {
	var offers []searchParamOffer
	for _, param := range known.Params(resourceType) {
		if param.Searchable() {
			offers = append(offers, searchParamOffer{Name: param.Code, Definition: param.URL, Type: param.Kind.String(),
				Documentation: usageOf(param)})
		}
	}
	return offers
}

// usageOf names the modifiers that a parameter takes, and how its values are written where that isn't plain.
func usageOf(param *extract.Param) string {
	var parts []string
	if names := catalog.Modifiers(param); len(names) > 0 {
		list := "Modifiers: " + strings.Join(names, ", ")
		if param.Kind == projections.Reference {
			list += ", and the name of a type"
		}
		parts = append(parts, list)
	}
	switch param.Kind {
	case projections.Composite:
		names := make([]string, len(param.Components))
		for i, part := range param.Components {
			names[i] = part.Code
		}
		parts = append(parts, "Values: "+strings.Join(names, "$"))
	case projections.Date, projections.Number, projections.Quantity:
		parts = append(parts, "Prefixes: eq, ne, gt, lt, ge, le, sa, eb, ap")
	}
	return strings.Join(parts, ". ")
}

// headerLedger tells at the capability statement which ledger it is of: the same one under any address and after any
// rebuild, another one when the log was made anew. Who remembers what a ledger has taken knows by it that it is still
// the same.
const headerLedger = "Binnacle-Ledger"

// ledgerID names the ledger of a tenant in a log.
func ledgerID(log, tenant string) string {
	sum := sha256.Sum256([]byte(log + "\n" + tenant))
	return hex.EncodeToString(sum[:16])
}

// toldLedger tells in a header beside an answer which ledger it is of.
func (d *Door) toldLedger(serve func(http.ResponseWriter, *http.Request, *rest.Ask) error) func(http.ResponseWriter,
	*http.Request, *rest.Ask) error {
	if d.Log == "" {
		return serve
	}
	return func(w http.ResponseWriter, r *http.Request, ask *rest.Ask) error {
		w.Header().Set(headerLedger, ledgerID(d.Log, cmp.Or(ask.Tenant, d.Config.Tenant)))
		return serve(w, r, ask)
	}
}

// Metadata answers GET and HEAD [base]/metadata (FHIR R4 http, 3.1.0.8).
func (d *Door) Metadata(_ context.Context, ask *rest.Ask, answer *rest.Answer) error {
	wanted, err := d.metadataForm(ask)
	if err != nil {
		return err
	}
	told := d.capability
	if d.Tenant != d.Config.Tenant && d.PublicURL != "" { // the address is another one
		config := d.Config
		config.PublicURL = ask.Root
		if told, err = newCapability(config, d.Table); err != nil {
			return err
		}
		told.modified = d.capability.modified
	}
	answer.ETag, answer.Modified = told.etag, told.modified
	if ask.Copy.IsGood(told.etag, told.modified) {
		answer.NotModified()
		return nil
	}
	var body []byte
	if wanted == nil && ask.XML() {
		body, err = told.inXML()
	} else {
		body, err = new(pages.Cutter).Subset(wanted, told.body)
	}
	if err == nil {
		answer.Whole(body)
	}
	return err
}

// metadataForm reads which part of the capability statement is wanted; nil: all of it.
func (d *Door) metadataForm(ask *rest.Ask) (*catalog.Subset, error) {
	if mode, _, _ := rest.Param(ask.Query, "mode"); mode != "" && mode != "full" {
		return nil, events.Errorf(events.Unsupported, "fhir.Metadata",
			"mode: %.40q is not offered; leave it out, or give full, for the capability statement", mode)
	}
	return d.Catalog.ParseSubset("CapabilityStatement", ask.Query)
}
