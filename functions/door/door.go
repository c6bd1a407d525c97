package door

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/functions"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir/form"
)

// Writer asks for what an event holds, at the log; package write has it. Its errors are those of write.Writer.
type Writer interface {
	// Handle appends an event and waits for what became of it.
	Handle(ctx context.Context, event events.Event) (events.Outcome, error)
	// Send appends an event and returns what waits for its outcome. unclaimed: nothing stands under the event's
	// idempotency key.
	Send(ctx context.Context, event events.Event, unclaimed bool) (outcome func(context.Context) (events.Outcome,
		error), err error)
	// Append appends an event and returns its position, or that of the event that it repeats.
	Append(ctx context.Context, event events.Event) (position events.Position, repeats bool, err error)
	// Unclaimed tells whether an idempotency key is known to stand for nothing.
	Unclaimed(ctx context.Context, tenant, key string) bool
}

// Config is what a door needs. All fields but those that say so must be set.
type Config struct {
	Write    Writer
	Blobs    projections.Blobs
	Catalog  *catalog.Catalog
	Now      func() time.Time
	NewID    func() string // a new UUID, version 7, for events and resources
	Base     string        // path of the FHIR root, "/fhir"
	Tenant   string        // the ledger of requests that name none
	Limits   Limits
	Deletes  Deletes
	Dangling bool // literal references need not lead to something, whatever a request says
	// brings back a blob that is missing when its content is to be answered; nil: the answer has none
	Heal   *functions.Heal
	Logger *slog.Logger // nil: slog.Default()
	Left   func()       // called when a client did not wait for the answer to its write; nil: nobody counts
}

// Limits of a door; a zero value stands for the default.
type Limits struct {
	BodyBytes int64 // one request's body, after decompression; default 64 MiB
	// all bodies in flight; default 256 MiB, and room for one of BodyBytes at the least. Serving one takes up to four
	// times its size
	BodiesBytes int64
	BudgetWait  time.Duration // how long a request waits for its share of BodiesBytes; default 5 s
	Entries     int           // entries of one bundle; default 100,000
	BatchFlight int           // writing entries of one batch bundle that are in flight at once; default 128
	AnswerBytes int64         // resources in the answer to one bundle, all together; default twice BodyBytes
	KeyWindow   time.Duration // how long an idempotency key stands for its request, whole seconds; default 24 h
}

func (l Limits) withDefaults() Limits {
	functions.Default(&l.BodyBytes, 64<<20)
	functions.Default(&l.BodiesBytes, 256<<20)
	l.BodiesBytes = max(l.BodiesBytes, l.BodyBytes)
	functions.Default(&l.BudgetWait, 5*time.Second)
	functions.Default(&l.Entries, 100_000)
	functions.Default(&l.BatchFlight, 128)
	functions.Default(&l.AnswerBytes, 2*l.BodyBytes)
	functions.Default(&l.KeyWindow, 24*time.Hour)
	l.KeyWindow = max(time.Second, l.KeyWindow.Truncate(time.Second))
	return l
}

// Door is the HTTP side of writing. It is safe for concurrent use.
type Door struct {
	Config
	table      *rest.Table // of what the node offers
	reads      rest.Reads  // answers the GET entries of bundles; nil: they are refused
	budget     *budget
	keys       keysInFlight
	left       left
	turnedAway turnedAway
	documents  fhir.Pool
	conditions *catalog.Conditions
}

// door is the door as one request sees it.
type door struct {
	*Door
	ask      *rest.Ask
	header   http.Header
	tenant   string // the ledger of the request
	key      string // its idempotency key
	dangling bool   // its references need not lead to something
	// where the document of a bundle came from; nil: it came as JSON
	source *form.Source
	// tells of what each of its events writes, without its targets; nil: nothing does
	provenance *events.Change
}

// New makes the door.
func New(config Config) *Door {
	d := &Door{Config: config, conditions: catalog.NewConditions(config.Catalog)}
	d.Base, d.Limits = strings.TrimSuffix(d.Base, "/"), d.Limits.withDefaults()
	d.budget = newBudget(d.Limits.BodiesBytes, d.Limits.BodyBytes, d.Limits.BudgetWait)
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	d.table = rest.NewTable(config.Catalog.Known, d.Rows()...)
	return d
}

// Within tells the door what else the node offers, and who answers the GET entries of bundles. It is to be called
// before the first request.
func (d *Door) Within(table *rest.Table, reads rest.Reads) { d.table, d.reads = table, reads }

// Names of the interactions that stand in the table.
const (
	create            = "create"
	update            = "update"
	updateConditional = "update-conditional"
	remove            = "delete"
	removeConditional = "delete-conditional"
	patches           = "patch"
	patchConditional  = "patch-conditional"
)

// Rows are the lines that the door has in the table of what the node offers.
func (d *Door) Rows() []rest.Row {
	return []rest.Row{
		{Name: create, Codes: []string{"create"}, Method: http.MethodPost, Path: "/:type", Long: true,
			Serve: d.served((*door).create)},
		{Name: update, Codes: []string{"update"}, Method: http.MethodPut, Path: "/:type/:id", Long: true,
			Serve: d.served((*door).update)},
		{Name: remove, Codes: []string{"delete"}, Method: http.MethodDelete, Path: "/:type/:id", Long: true,
			Serve: d.served((*door).delete)},
		{Name: patches, Codes: []string{"patch"}, Method: http.MethodPatch, Path: "/:type/:id", Long: true,
			Serve: d.served((*door).patch)},
		{Name: patchConditional, Method: http.MethodPatch, Path: "/:type", Long: true, Serve: d.served((*door).patch)},
		{Name: updateConditional, Method: http.MethodPut, Path: "/:type", Long: true, Serve: d.served((*door).update)},
		{Name: removeConditional, Method: http.MethodDelete, Path: "/:type", Long: true,
			Many: d.Deletes.Many > 0, Serve: d.served((*door).delete)},
		{Name: "bundle", Codes: []string{"transaction", "batch"}, Method: http.MethodPost, Path: "", Long: true,
			Serve: d.served((*door).bundle)},
	}
}

// interaction answers a request, or returns why it can't.
type interaction func(d *door, rw http.ResponseWriter, r *http.Request) error

// served makes the function of a row. It answers errors, too.
func (d *Door) served(answer interaction) func(http.ResponseWriter, *http.Request, *rest.Ask) error {
	return func(rw http.ResponseWriter, r *http.Request, ask *rest.Ask) error {
		one := &door{Door: d, ask: ask, header: r.Header, tenant: cmp.Or(ask.Tenant, d.Tenant)}
		one.dangling = d.Dangling || strings.EqualFold(r.Header.Get(rest.HeaderAllowDangling), "true")
		if err := one.once(rw, r, answer); err != nil {
			one.fail(rw, r, err)
		}
		return nil
	}
}

// withProvenance reads the Provenance that came with a request, if there is one; see told.
func (d *door) withProvenance(header http.Header, full map[string]target) error {
	if len(header[rest.HeaderProvenance]) == 0 {
		return nil
	}
	return d.told(header, full)
}

// once keeps requests apart that come with the same idempotency key.
func (d *door) once(rw http.ResponseWriter, r *http.Request, answer interaction) error {
	if lines, found := r.Header["Idempotency-Key"]; found {
		var err error
		if d.key, err = readKey(lines); err != nil {
			return err
		}
		leave, err := d.keys.enter(d.tenant, d.key)
		if err != nil {
			return err
		}
		defer leave()
	}
	return answer(d, rw, r)
}

func invalid(format string, args ...any) *events.Error {
	return events.Errorf(events.Invalid, "door.Door", format, args...)
}
