// Package indexbench measures an index driver by itself: generated patients go through the catalog's extraction
// straight into commits, without HTTP, log or blobs, and then every shape of search is asked. What it measures is one
// index on one machine; the load is the same for the same sources, seed and size.
package indexbench

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/infra/generate"
	"binnacle/projections"
	"binnacle/projections/catalog"
)

// Tenant is the ledger that everything is written to.
const Tenant = "main"

// began is the append time of the first record.
var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant that Go can't write as one

// Feed makes the rows of generated patients, on all cores, in the order of their numbers.
type Feed struct {
	Generator *generate.Generator
	Catalog   *catalog.Catalog
	Sample    *Sample // takes resources to ask for later; nil: none are
	Update    float64 // 0: everything is new; else the part of the resources, of those patients, that come as a second version
	Firsts    []int64 // with Update: the Sid of each patient's first resource
}

// Record is what one patient becomes. Sids are given by the loader.
type Record struct {
	patient int64 // -1: what patients share
	rows    []projections.Row
	at      []int // with Update: which of the patient's resources the rows are
}

// Records sends the records of the patients in [first,end), and before them what they share when first is 0 and nothing
// is updated.
func (f *Feed) Records(ctx context.Context, first, end uint64, visit func(Record) error) error {
	group, ctx := errgroup.WithContext(ctx)
	ordered := make(chan chan Record, 2*runtime.GOMAXPROCS(0)) // how many patients are ahead: memory is bounded by them
	group.Go(func() error {
		defer close(ordered)
		make1 := func(build func() (Record, error)) error {
			made := make(chan Record, 1)
			select {
			case ordered <- made:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error {
				r, err := build()
				if err == nil {
					made <- r
				}
				return err
			})
			return nil
		}
		if first == 0 && f.Update == 0 {
			if err := make1(func() (Record, error) {
				resources, err := f.Generator.SharedResources()
				if err != nil {
					return Record{}, err
				}
				return f.rows(-1, resources)
			}); err != nil {
				return err
			}
		}
		for number := first; number < end; number++ {
			if err := make1(func() (Record, error) {
				resources, err := f.Generator.Patient(number).All()
				if err != nil {
					return Record{}, err
				}
				return f.rows(int64(number), resources)
			}); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		for made := range ordered {
			select {
			case r := <-made:
				if err := visit(r); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// rows extracts the terms of a patient's resources.
func (f *Feed) rows(patient int64, resources []generate.Resource) (Record, error) {
	r := Record{patient: patient, rows: make([]projections.Row, 0, len(resources))}
	random := rand.New(rand.NewPCG(uint64(patient), 99))
	for i := range resources {
		resource := &resources[i]
		if f.Update > 0 {
			if random.Float64() >= f.Update {
				continue
			}
			r.at = append(r.at, i)
		}
		doc, err := fhir.Parse(resource.Content)
		if err != nil {
			return r, err
		}
		extracted, err := f.Catalog.Extract(doc)
		if err != nil {
			return r, err
		}
		if f.Sample != nil && patient >= 0 {
			f.Sample.offer(resource.Type, resource.ID, doc, random)
		}
		row := projections.Row{Terms: extracted.Terms, MainDate: extracted.MainDate}
		row.Key = projections.Key{Tenant: Tenant, Type: resource.Type, ID: resource.ID}
		row.Hash, row.Number = sha256.Sum256(resource.Content), 1
		if f.Update > 0 {
			row.Number, row.Supersedes = 2, f.Firsts[patient]+int64(i)
		}
		r.rows = append(r.rows, row)
	}
	return r, nil
}

// eventID names the event of a record as a server would.
func eventID(position int64) string {
	sum := sha256.Sum256([]byte(strconv.FormatInt(position, 10)))
	const digits = "0123456789abcdef"
	id := make([]byte, 0, 36)
	for i, b := range sum[:16] {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			id = append(id, '-')
		}
		id = append(id, digits[b>>4], digits[b&15])
	}
	return string(id)
}

// outcomeOf is the outcome of a record, as the projector would commit it.
func outcomeOf(rows []projections.Row, at events.Position, when time.Time) events.Outcome {
	o := events.Outcome{EventID: eventID(at.Offset), Tenant: Tenant, Position: at, Time: when, Results: make([]events.Result, len(rows))}
	for i := range rows {
		disposition := events.Created
		if rows[i].Number > 1 {
			disposition = events.Updated
		}
		o.Results[i] = events.Result{Disposition: disposition, Type: rows[i].Type, ID: rows[i].ID, Version: rows[i].Number, Hash: rows[i].Hash, Time: when}
	}
	return o
}
