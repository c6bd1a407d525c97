package functionstest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"binnacle/events"
	"binnacle/projections/fhir/form"
	"binnacle/projections/projectionstest"
)

// RandomRecords makes records of random changes on few resources, so that they meet: conditions, preconditions,
// references, links, deletions, bytes, Provenances, repetitions and poison. Some are of a second dialect.
func RandomRecords(t *testing.T, seed uint64, count int) []events.RawRecord {
	t.Helper()
	random, more := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 1))
	id := func() string { return fmt.Sprintf("%c", 'a'+random.IntN(6)) }
	content := func(own string) ([]byte, []events.Link) {
		head := fmt.Sprintf(`{"resourceType":"Patient",%s"identifier":[{"system":"urn:s","value":"%d"}]`, own,
			random.IntN(5))
		switch random.IntN(4) {
		case 0:
			return []byte(head + fmt.Sprintf(`,"link":[{"other":{"reference":"Patient/%s"},"type":"refer"}]}`, id())),
				nil
		case 1:
			head += `,"link":[{"other":{"reference":"`
			query := fmt.Sprintf("identifier=urn:s|%d", random.IntN(5))
			reference := "Patient?" + query
			return []byte(head + reference + `"},"type":"refer"}]}`), []events.Link{{Start: len(head),
				End: len(head) + len(reference), Change: -1, Type: "Patient", Query: query}}
		}
		return []byte(head + "}"), nil
	}
	// patch changes identifiers, which conditions ask for, and links, which integrity is about.
	patch := func() ([]byte, []events.Link) {
		switch random.IntN(5) {
		case 0:
			return fmt.Appendf(nil, `[{"op":"replace","path":"/identifier/0/value","value":"%d"}]`, random.IntN(5)), nil
		case 1:
			return fmt.Appendf(nil, `[{"op":"add","path":"/identifier/-","value":{"system":"urn:s","value":"%d"}}]`,
				random.IntN(5)), nil
		case 2:
			return fmt.Appendf(nil, `[{"op":"test","path":"/identifier/0/value","value":"%d"},`+
				`{"op":"remove","path":"/link"}]`, random.IntN(5)), nil
		case 3:
			return fmt.Appendf(nil, `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[`+
				`{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.identifier[0].value"},`+
				`{"name":"value","valueString":"%d"}]}]}`, random.IntN(5)), nil
		}
		head := `[{"op":"add","path":"/link","value":[{"type":"refer","other":{"reference":"`
		query := fmt.Sprintf("identifier=urn:s|%d", random.IntN(5))
		reference := "Patient?" + query
		return []byte(head + reference + `"}}]}]`), []events.Link{{Start: len(head), End: len(head) + len(reference),
			Change: -1, Type: "Patient", Query: query}}
	}
	change := func(entry int) events.Change {
		c := events.Change{Type: "Patient", Entry: entry, Operation: events.Operation(1 + random.IntN(4))}
		if random.IntN(3) == 0 {
			c.Condition = fmt.Sprintf("identifier=urn:s|%d", random.IntN(5))
		}
		if random.IntN(5) == 0 {
			c.IfMatch = int64(random.IntN(5)) - 1
			if c.IfMatch > 0 && random.IntN(2) == 0 {
				c.IfMatchOr = []int64{int64(1 + random.IntN(4)), 5}
			}
		}
		c.IfNoneMatch = random.IntN(12) == 0
		switch {
		case c.Operation == events.Create:
			c.ID = fmt.Sprintf("%x", random.Uint64())
			c.Content, c.Links = content("")
		case c.Operation == events.Update && c.Condition == "":
			c.ID = id()
			c.Content, c.Links = content(fmt.Sprintf(`"id":%q,`, c.ID))
		case c.Operation == events.Update:
			c.ID = fmt.Sprintf("%x", random.Uint64())
			c.Content, c.Links = content("")
		case c.Condition == "":
			c.ID = id()
		}
		if c.Operation == events.Delete && random.IntN(2) == 0 {
			c.Cascade = 1 + random.IntN(6)
		}
		if c.Operation == events.Delete && random.IntN(2) == 0 {
			c.Many, c.IfMatch, c.IfMatchOr, c.IfNoneMatch = 1+random.IntN(4), 0, nil, false
			if c.ID = ""; random.IntN(4) == 0 {
				c.Condition = ""
			}
		}
		if c.Operation == events.Patch {
			c.Content, c.Links = patch()
		}
		return c
	}
	at := time.UnixMilli(1_700_000_000_000)
	var records []events.RawRecord
	var earlier []events.Event
	for offset := range count {
		at = at.Add(time.Duration(random.IntN(5)-1) * 100 * time.Millisecond)
		event := events.Event{ID: NewID(), Tenant: "main", AllowDangling: random.IntN(2) == 0}
		if random.IntN(4) == 0 {
			event.IdempotencyKey = fmt.Sprint("key ", random.IntN(4))
			event.Repeat = events.Repeat{Request: events.Hash{byte(random.IntN(2))}, Part: random.IntN(3),
				Window: time.Duration(1+random.IntN(3)) * time.Second}
		}
		opaque := random.IntN(6) == 0
		for n := range 1 + random.IntN(4)*random.IntN(2) {
			c := change(n)
			if opaque {
				c.Condition, c.Many, c.Links, c.ID = "", 0, nil, projectionstest.OpaqueID([]byte{byte(random.IntN(6))})
				if c.Operation == events.Patch {
					c.Content = fmt.Appendf(nil, "+%d", random.IntN(10))
				}
			}
			event.Changes = append(event.Changes, c)
		}
		if opaque {
			of := projectionstest.OpaqueEvent(event.ID, event.Tenant, event.Changes...)
			event.Dialect, event.Changes = of.Dialect, of.Changes
		} else {
			event.Changes = beside(more, event.Changes)
		}
		if random.IntN(20) == 0 && len(earlier) > 0 {
			event = earlier[random.IntN(len(earlier))]
		}
		earlier = append(earlier, event)
		headers, value, err := events.Encode(event)
		if err != nil {
			t.Fatal(err)
		}
		if random.IntN(30) == 0 {
			value = value[:len(value)/2]
		}
		records = append(records, events.RawRecord{Position: events.Position{Offset: int64(offset)}, Time: at,
			Key: []byte("main"), Headers: headers, Value: value})
	}
	return records
}

// beside adds to changes, now and then, the bytes of a Binary, and the Provenance of all of them.
func beside(random *rand.Rand, changes []events.Change) []events.Change {
	if random.IntN(6) == 0 {
		context := ""
		if random.IntN(4) == 0 {
			context = "Patient/a"
		}
		raw := fmt.Appendf(form.RawHead("text/plain", context), "%d", random.IntN(3))
		changes = append(changes, events.Change{Operation: events.Update, Type: "Binary",
			ID: fmt.Sprint(random.IntN(6)), Content: raw, Entry: len(changes)})
	}
	if random.IntN(5) == 0 {
		changes = append(changes, toldOf(changes))
	}
	return changes
}

// toldOf is the Provenance of what changes make.
func toldOf(changes []events.Change) events.Change {
	told := events.Change{Operation: events.Create, Type: "Provenance", ID: NewID(), Entry: -1,
		Content: []byte(`{"resourceType":"Provenance","target":[`)}
	for n := range changes {
		if n > 0 {
			told.Content = append(told.Content, ',')
		}
		told.Content = append(told.Content, `{"reference":"`...)
		start := len(told.Content)
		told.Content = append(told.Content, changes[n].Type...)
		told.Links = append(told.Links, events.Link{Start: start, End: len(told.Content), Change: n, Version: true})
		told.Content = append(told.Content, `"}`...)
	}
	told.Content = append(told.Content, "]}"...)
	return told
}

// Batch makes the message of records.
func Batch(records ...events.RawRecord) *message.Message { return events.NewMessage(records) }
