package verify_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/functions/functionstest"
	"binnacle/functions/verify"
	"binnacle/projections"
)

// termsOfAllKinds is a node with terms of all kinds in seven versions: an update, a deletion, and references that were
// resolved in a transaction.
func termsOfAllKinds(t testing.TB) *functionstest.Served {
	s := functionstest.NewServed(t)
	s.Send(t, 201, "PUT", "/Patient/p",
		`{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:s","value":"1"}],"name":[{"family":"Chalmers"}],"birthDate":"1974-12-25"}`)
	s.Send(t, 201, "PUT", "/Patient/q", functionstest.Patient("q", "2"))
	s.Send(t, 200, "PUT", "/Patient/q", functionstest.Patient("q", "3"))
	s.Send(t, 204, "DELETE", "/Patient/q", "")
	s.Send(t, 200, "POST", "", `{"resourceType":"Bundle","type":"transaction","entry":[
		{"fullUrl":"urn:uuid:2b4bd1ce-3b4a-4b7a-9c6c-111111111111","request":{"method":"POST","url":"Encounter"},"resource":{"resourceType":"Encounter","status":"finished",
			"class":{"code":"AMB"},"subject":{"reference":"Patient?identifier=urn:s|1"},"period":{"start":"2020-01-01","end":"2020-03-01"}}},
		{"request":{"method":"POST","url":"Observation"},"resource":{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8302-2"}]},
			"subject":{"reference":"Patient/p"},"encounter":{"reference":"urn:uuid:2b4bd1ce-3b4a-4b7a-9c6c-111111111111"},"effectiveDateTime":"2020-01-01T10:00:00Z",
			"valueQuantity":{"value":180.5,"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}}]}`)
	s.Send(t, 201, "PUT", "/Patient/r", functionstest.Patient("r", "4"))
	return s
}

func TestVerifyTellsOfEachTermRowThatIsAlteredMissingOrAdded(t *testing.T) {
	s := termsOfAllKinds(t)
	if r := s.Verify(t, verify.Options{Deep: true}); !r.OK || r.TermsCompared != 7 || r.TermsDiffer != 0 {
		t.Fatalf("before anything is changed:\n%s", strings.Join(r.Lines(), "\n"))
	}
	const sid = "ref >> 2"
	for name, c := range map[string]struct {
		change string
		of     []string // what each problem names
	}{
		"an altered token": {"update g1_term set key = key + 1 where (key, sort, ref) in (select " +
			"key, sort, ref from g1_term where " + sid + " = 7 limit 1)", []string{"Patient/r version 1"}},
		"a missing string": {"delete from g1_text where " + sid + " = 1 and raw = x'" +
			fmt.Sprintf("%x", "Chalmers") + "'", []string{"Patient/p version 1"}},
		"an altered string": {"update g1_text set head = x'61' where " + sid + " = 1",
			[]string{"Patient/p version 1"}},
		"a missing range": {"delete from g1_span where " + sid + " = 6", []string{"Observation/"}},
		"an altered range": {"update g1_span set high = high + 1 where " + sid + " = 5",
			[]string{"Encounter/"}},
		"a missing reference": {"update g1_version set keys = null where sid = 6",
			[]string{"Observation/"}},
		"an added token": {"insert into g1_term values (5, 5, 7 << 2)",
			[]string{"Patient/r version 1"}},
		"a superseded version's term": {"delete from g1_term where " + sid + " = 2",
			[]string{"Patient/q version 1"}},
		"a term of a deletion": {"insert into g1_term values (5, 5, 4 << 2)",
			[]string{"Patient/q version 3"}},
		"another main date": {"update g1_version set main = main + 1 where sid = 1",
			[]string{"Patient/p version 1"}},
		"another version superseded": {"update g1_version set supersedes = 1 where sid = 3",
			[]string{"Patient/q version 2"}},
		"all term rows of several versions": {"delete from g1_term where " + sid + " in (1, 3)",
			[]string{"Patient/p version 1", "Patient/q version 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := termsOfAllKinds(t)
			done, err := s.File.Write.ExecContext(t.Context(), c.change)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := done.RowsAffected(); err != nil || n == 0 {
				t.Fatalf("%q changed %d rows, %v", c.change, n, err)
			}
			if plain := s.Verify(t, verify.Options{}); !plain.OK || plain.TermsCompared != 0 {
				t.Errorf("without --deep terms are not looked at:\n%s", strings.Join(plain.Lines(), "\n"))
			}
			report := s.Verify(t, verify.Options{Deep: true})
			if report.OK || report.TermsDiffer != int64(len(c.of)) || len(report.Problems) != len(c.of) {
				t.Fatalf("want %d differences:\n%s", len(c.of), strings.Join(report.Lines(), "\n"))
			}
			for i, of := range c.of {
				if p := report.Problems[i]; !strings.Contains(p, of) || !strings.Contains(p, "partition 0, sid ") ||
					!strings.Contains(p, "record 0:") {
					t.Errorf("the problem is %q, want one about %s with its place", p, of)
				}
			}
		})
	}
}

// strictBlobs give nothing in place of what is damaged, as the stores on disks do.
type strictBlobs struct{ projections.Blobs }

func (b strictBlobs) Get(ctx context.Context, hashes []events.Hash) ([][]byte, error) {
	contents, err := b.Blobs.Get(ctx, hashes)
	for i := range contents {
		if sha256.Sum256(contents[i]) != hashes[i] {
			contents[i] = nil
		}
	}
	return contents, err
}

func TestVerifyTellsADamagedContentFromAMissingOne(t *testing.T) {
	s := termsOfAllKinds(t)
	current, err := s.Live.Current(t.Context(), []projections.Key{{Tenant: "main", Type: "Patient", ID: "p"},
		{Tenant: "main", Type: "Patient", ID: "r"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Blobs.Delete(t.Context(), []events.Hash{current[0].Hash, current[1].Hash}); err != nil {
		t.Fatal(err)
	}
	if err := s.Blobs.Put(t.Context(), []projections.Blob{{Hash: current[0].Hash,
		Content: []byte("damaged")}}); err != nil {
		t.Fatal(err)
	}
	storage := &verify.Storage{Log: s.Log, Index: s.Live, Blobs: strictBlobs{s.Blobs},
		Dialects: functionstest.Dialects()}
	for _, c := range []struct {
		options                  verify.Options
		missing, wrong, repaired int64
	}{{verify.Options{}, 1, 1, 0}, {verify.Options{Repair: true}, 1, 1, 2}, {verify.Options{}, 0, 0, 0}} {
		report, err := storage.Handle(t.Context(), c.options, func(int64, int64) {})
		if err != nil || report.Missing != c.missing || report.Wrong != c.wrong || report.Repaired != c.repaired ||
			report.OK != (c.missing+c.wrong == c.repaired) {
			t.Errorf("%+v: %v, got\n%s", c, err, strings.Join(report.Lines(), "\n"))
		}
	}
}

func TestVerifyTellsOfWrongCountersAndOfWhatTheIndexLacks(t *testing.T) {
	for name, c := range map[string]struct {
		change []string
		of     []string // what each problem has in it
	}{
		"a counter that is too high": {[]string{"update g1_counter set living = living + 5 where ledger = " +
			"(select key from g1_ledger where type = 'Patient')"},
			[]string{`counts 7 resources of type Patient of tenant "main", and has 2`}},
		"a counter that is missing": {[]string{"delete from g1_counter where ledger = (select key from " +
			"g1_ledger where type = 'Encounter')"}, []string{"counts 0 resources of type Encounter"}},
		"a counter of nothing": {[]string{"insert into g1_ledger values (5, 'other', 'Basic')",
			"insert into g1_counter values (5, 3)"},
			[]string{`counts 3 resources of type Basic of tenant "other", and has 0`}},
		"an index that was dropped": {[]string{"drop index g1_span_key", "drop index g1_version_id"},
			[]string{"lacks the index g1_version_id", "lacks the index g1_span_key"}},
		"an index with other columns": {[]string{"drop index g1_text_key",
			"create index g1_text_key on g1_text (key)"}, []string{"lacks the index g1_text_key"}},
		"a primary key that was dropped": {[]string{"create table kept as select * from g1_claim",
			"drop table g1_claim", "alter table kept rename to g1_claim"}, []string{"lacks the table g1_claim"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := termsOfAllKinds(t)
			for _, change := range c.change {
				if _, err := s.File.Write.ExecContext(t.Context(), change); err != nil {
					t.Fatal(err)
				}
			}
			report := s.Verify(t, verify.Options{})
			if report.OK || len(report.Problems) != len(c.of) {
				t.Fatalf("want %d problems:\n%s", len(c.of), strings.Join(report.Lines(), "\n"))
			}
			for i, of := range c.of {
				if p := report.Problems[i]; !strings.Contains(p, of) || !strings.Contains(p, "binnacle rebuild") {
					t.Errorf("the problem is %q, want %q and what to do", p, of)
				}
			}
		})
	}
}

func TestVerifyTakesTermsFromTheLogWhereTheContentIsLost(t *testing.T) {
	s := termsOfAllKinds(t)
	var hashes []events.Hash
	if err := s.Live.Scan(t.Context(), 0, func(v projections.Version, _ events.Hash) error {
		if !v.Deleted {
			hashes = append(hashes, v.Hash)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Blobs.Delete(t.Context(), hashes); err != nil {
		t.Fatal(err)
	}
	if r := s.Verify(t, verify.Options{Deep: true}); r.OK || r.Missing != 6 || r.TermsCompared != 7 ||
		r.TermsDiffer != 0 {
		t.Errorf("with all contents lost:\n%s", strings.Join(r.Lines(), "\n"))
	}
	if r := s.Verify(t, verify.Options{Deep: true, Repair: true}); !r.OK || r.Repaired != 6 || r.TermsCompared != 7 ||
		r.TermsDiffer != 0 {
		t.Errorf("with repair:\n%s", strings.Join(r.Lines(), "\n"))
	}
}

func TestVerifyDoesNotCompareTermsThatAnotherReadingOfTheParametersHasMade(t *testing.T) {
	s := termsOfAllKinds(t)
	if _, err := s.File.Write.ExecContext(t.Context(), "delete from g1_text"); err != nil {
		t.Fatal(err)
	}
	storage := &verify.Storage{Log: s.Log, Index: s.Live, Blobs: s.Blobs, Dialects: functionstest.Dialects(),
		OtherReading: true}
	report, err := storage.Handle(t.Context(), verify.Options{Deep: true}, func(int64, int64) {})
	if err != nil || !report.OK || !report.TermsSkipped ||
		!strings.Contains(strings.Join(report.Lines(), "\n"), "WARNING: search terms were not compared") {
		t.Errorf("%v\n%s", err, strings.Join(report.Lines(), "\n"))
	}
}

func TestVerifyBesideAWriterRaisesNoFalseAlarm(t *testing.T) {
	s := termsOfAllKinds(t)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			r := httptest.NewRequest("PUT", fmt.Sprintf("%s/Patient/w%d", functionstest.Base, n%5),
				strings.NewReader(functionstest.Patient(fmt.Sprintf("w%d", n%5), fmt.Sprint(n))))
			r.Header.Set("Content-Type", "application/fhir+json")
			rw := httptest.NewRecorder()
			if s.Door.ServeHTTP(rw, r); rw.Code != 200 && rw.Code != 201 {
				t.Errorf("write %d: %d %s", n, rw.Code, rw.Body)
				return
			}
		}
	}()
	for range 5 {
		if r := s.Verify(t, verify.Options{Deep: true}); !r.OK || r.TermsCompared != r.Versions {
			t.Errorf("beside a writer:\n%s", strings.Join(r.Lines(), "\n"))
		}
	}
	close(stop)
	<-done
}

func TestVerifyCanBeInterrupted(t *testing.T) {
	s := termsOfAllKinds(t)
	ctx, cancel := context.WithCancel(t.Context())
	storage := &verify.Storage{Log: s.Log, Index: s.Live, Blobs: s.Blobs, Dialects: functionstest.Dialects()}
	told := 0
	_, err := storage.Handle(ctx, verify.Options{Deep: true}, func(done, all int64) {
		if told++; done < 1 || all != 7 {
			t.Errorf("progress: %d of %d", done, all)
		}
		cancel()
	})
	if err == nil || told == 0 || !errors.Is(err, context.Canceled) && events.KindOf(err) != events.Transient {
		t.Errorf("got %v after %d reports of progress; want the end of the context", err, told)
	}
}

func TestVerifyNamesWhatWasChangedAfterARecordInQuarantineThatWasToChangeItToo(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	n.Must(201, "PUT", "/Patient/before", functionstest.Patient("before", "0"))
	both := functionstest.Put("p", "lost")
	both.Changes = append(both.Changes, functionstest.Put("q", "lost").Changes[0],
		functionstest.Put("before", "lost").Changes[0], functionstest.Put("never", "lost").Changes[0])
	foreign := n.Poisoned(both)
	wrong := functionstest.Put("p", "lost")
	wrong.Changes[0].Content = []byte(`{"resourceType":"Observation","id":"p"}`)
	positions, err := n.Log.Append(t.Context(), []events.Event{wrong})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Log.AppendRaw(events.RawRecord{Key: []byte("main"), Value: []byte{1, 2, 3}}); err != nil {
		t.Fatal(err)
	}
	if r := n.Verified(); len(r.Dependents) != 0 || r.Open != 3 {
		t.Fatalf("nothing was changed since, but: %+v, %d open", r.Dependents, r.Open)
	}
	n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	n.Must(201, "PUT", "/Patient/q", functionstest.Patient("q", "1"))
	n.Must(204, "DELETE", "/Patient/q", "")
	n.Must(201, "PUT", "/Patient/other", functionstest.Patient("other", "1"))
	report := n.Verified() // a warning is no corruption
	want := []verify.Dependent{
		{Record: foreign.String(), Tenant: "main", Type: "Patient", ID: "p", Version: 2, Position: "0:5"},
		{Record: foreign.String(), Tenant: "main", Type: "Patient", ID: "q", Version: 2, Position: "0:7"},
		{Record: positions[0].String(), Tenant: "main", Type: "Patient", ID: "p", Version: 2, Position: "0:5"},
	}
	if fmt.Sprint(report.Dependents) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", report.Dependents, want)
	}
	if lines := strings.Join(report.Lines(), "\n"); !strings.Contains(lines,
		"WARNING: Patient/q of tenant main was changed at 0:7") ||
		!strings.Contains(lines, "binnacle quarantine show "+foreign.String()) {
		t.Errorf("the lines don't tell what to do:\n%s", lines)
	}
	if data, err := json.Marshal(report); err != nil ||
		!strings.Contains(string(data),
			`"dependents":[{"record":"`+foreign.String()+`","tenant":"main","type":"Patient","id":"p","version":2,"position":"0:5"}`) {
		t.Errorf("as JSON: %v, %s", err, data)
	}
	if _, err := n.Quarantine().Discard(t.Context(), n.QuarantinedAt(foreign),
		"the later changes are right"); err != nil {
		t.Fatal(err)
	}
	if report = n.Verified(); len(report.Dependents) != 1 || report.Dependents[0].Record != positions[0].String() ||
		report.Open != 2 || report.Quarantined != 3 {
		t.Errorf("when one was handled: %+v, %d of %d open", report.Dependents, report.Open, report.Quarantined)
	}
}
