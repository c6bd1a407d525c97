package fhir

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"binnacle/events"
)

var stampInstant = time.Date(2026, 11, 21, 3, 3, 4, 5_999_999, time.FixedZone("", 3600))

const stampText = `"2026-11-21T02:03:04.005Z"`

func TestStampPutsThreeValuesAndLeavesTheRest(t *testing.T) {
	for _, c := range []struct{ name, content, want string }{
		{"nothing is there",
			`{"resourceType":"Patient"}`,
			`{"resourceType":"Patient","id":"p1","meta":{"versionId":"3","lastUpdated":T}}`},
		{"nothing is there, with white space and members",
			"{ \"a\" : 255.0,\n  \"resourceType\" : \"Patient\" ,\n  \"b\": [ {} ] }\n",
			"{ \"a\" : 255.0,\n  \"resourceType\" : \"Patient\",\"id\":\"p1\",\"meta\":{\"versionId\":\"3\",\"lastUpdated\":T} ,\n  \"b\": [ {} ] }\n"},
		{"an id", `{"id":"old" ,"resourceType":"Patient"}`,
			`{"id":"p1","meta":{"versionId":"3","lastUpdated":T} ,"resourceType":"Patient"}`},
		{"an id of its own at the end", `{"resourceType":"Patient","x":{"id":"stays"},"id":"p1"}`,
			`{"resourceType":"Patient","x":{"id":"stays"},"id":"p1","meta":{"versionId":"3","lastUpdated":T}}`},
		{"an empty meta", `{"resourceType":"Patient","meta":{ }}`,
			`{"resourceType":"Patient","id":"p1","meta":{"versionId":"3","lastUpdated":T }}`},
		{"a null meta", `{"meta":null,"resourceType":"Patient"}`,
			`{"meta":{"versionId":"3","lastUpdated":T},"resourceType":"Patient","id":"p1"}`},
		{"a meta with other members", `{"resourceType":"Patient","id":"x","meta":{ "profile":["p"]}}`,
			`{"resourceType":"Patient","id":"p1","meta":{"versionId":"3","lastUpdated":T, "profile":["p"]}}`},
		{"a versionId", `{"meta":{"source":"s","versionId":9},"resourceType":"Patient","id":"x"}`,
			`{"meta":{"lastUpdated":T,"source":"s","versionId":"3"},"resourceType":"Patient","id":"p1"}`},
		{"a lastUpdated", `{"meta":{"lastUpdated":null,"source":"s"},"resourceType":"Patient","id":"x"}`,
			`{"meta":{"versionId":"3","lastUpdated":T,"source":"s"},"resourceType":"Patient","id":"p1"}`},
		{"both, in the other order, with spaces",
			`{"meta": { "lastUpdated" : "2001" , "versionId" : "77" } ,"resourceType":"Patient","id":"x"}`,
			`{"meta": { "lastUpdated" : T , "versionId" : "3" } ,"resourceType":"Patient","id":"p1"}`},
		{"keys with escapes",
			`{"resourceType":"Patient","\u0069d":"x","m\u0065ta":{"version\u0049d":"1","lastUpdated":""}}`,
			`{"resourceType":"Patient","\u0069d":"p1","m\u0065ta":{"version\u0049d":"3","lastUpdated":T}}`},
		{"keys that begin alike", `{"resourceType":"Patient","identifier":"x","i\u0064x":1,"metadata":{},"_id":{}}`,
			`{"resourceType":"Patient","id":"p1","meta":{"versionId":"3","lastUpdated":T},"identifier":"x","i\u0064x":1,"metadata":{},"_id":{}}`},
		{"brackets and quotes inside strings", `{"text":{"div":"}]\"{[\\"},"resourceType":"Patient"}`,
			`{"text":{"div":"}]\"{[\\"},"resourceType":"Patient","id":"p1","meta":{"versionId":"3","lastUpdated":T}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := strings.ReplaceAll(c.want, "T}", stampText+"}")
			want = strings.ReplaceAll(strings.ReplaceAll(want, "T,", stampText+","), "T ", stampText+" ")
			got, err := Stamp([]byte("before:"), []byte(c.content), "p1", 3, stampInstant)
			if err != nil || string(got) != "before:"+want {
				t.Errorf("got  %s %v\nwant %s", got, err, want)
			}
			if _, err := Parse([]byte(want)); err != nil {
				t.Errorf("it is no JSON: %v", err)
			}
			if !Same([]byte(c.content), []byte(want)) || !Same([]byte(want), []byte(c.content)) {
				t.Error("the stamped content is not the same as the content")
			}
		})
	}
}

func TestStampRefusesWhatIsNoResource(t *testing.T) {
	for _, content := range []string{
		``, ` `, `[]`, `null`, `{`, `{}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":,}`, `{"a" 1}`, `{"a":1 "b":2}`, `{a:1}`, `{"a`, `{"a":"b`, `{"a":[`, `{"a":["]`, `{"id":"x"`,
		`{"a":1}`, `{"meta":{}}`, `{"resourceType":"Patient","meta":[]}`, `{"resourceType":"Patient","id":"1","meta":"m"}`, `{"resourceType":"Patient","id":"1","meta":{1}}`, `{"\u00zz":1}`, `{"i\u00":1`,
	} {
		got, err := Stamp(nil, []byte(content), "x", 1, stampInstant)
		if events.KindOf(err) != events.Internal || err == nil {
			t.Errorf("%q: got %q, %v; want an internal error", content, got, err)
		}
		if Same([]byte(content), []byte(`{"resourceType":"Patient"}`)) ||
			Same([]byte(`{"resourceType":"Patient"}`), []byte(content)) {
			t.Errorf("%q is the same as a Patient", content)
		}
	}
}

func TestSameSeesEveryOtherChange(t *testing.T) {
	for _, c := range []struct {
		name, stored, sent string
		want               bool
	}{
		{"other id, version and time", `{"resourceType":"A","id":"1","meta":{"versionId":"1","lastUpdated":"a"}}`,
			`{"resourceType":"A","id":"2","meta":{"versionId":"12","lastUpdated":"bcd"}}`, true},
		{"nothing", `{"resourceType":"A","a":1}`, `{"resourceType":"A","a":1}`, true},
		{"white space", `{"resourceType":"A","id":"1","a":[1,{"b":"c d"}]}`,
			"{ \"resourceType\":\"A\" ,\n\"id\":\"1\",\"a\"\t: [ 1, { \"b\" : \"c d\" } ] }", true},
		{"a final new line", `{"resourceType":"A","id":"1"}`, "{\"resourceType\":\"A\",\"id\":\"1\"}\n", true},
		{"white space in a string", `{"resourceType":"A","a":"b c"}`, `{"resourceType":"A","a":"b  c"}`, false},
		{"another order", `{"resourceType":"A","a":1,"b":2}`, `{"resourceType":"A","b":2,"a":1}`, false},
		{"another number of the same value", `{"resourceType":"A","a":1.0}`, `{"resourceType":"A","a":1.00}`, false},
		{"an exponent", `{"resourceType":"A","a":[10]}`, `{"resourceType":"A","a":[1e1]}`, false},
		{"a number and its text", `{"resourceType":"A","a":1}`, `{"resourceType":"A","a":"1"}`, false},
		{"numbers that only together are the same", `{"resourceType":"A","a":[1,2]}`, `{"resourceType":"A","a":[12]}`,
			false},
		{"an escape", `{"resourceType":"A","a":"é"}`, `{"resourceType":"A","a":"\u00e9"}`, false},
		{"an escape in a key", `{"resourceType":"A","a":1}`, `{"resourceType":"A","\u0061":1}`, false},
		{"another profile", `{"resourceType":"A","meta":{"profile":["a"]}}`,
			`{"resourceType":"A","meta":{"profile":["b"]}}`, false},
		{"no profile any more", `{"resourceType":"A","meta":{"profile":["a"]}}`,
			`{"resourceType":"A","meta":{"versionId":"1"}}`, false},
		{"the id in another place", `{"resourceType":"A","a":1,"id":"1"}`, `{"resourceType":"A","id":"1","a":1}`, true},
		{"versionId and lastUpdated swapped", `{"resourceType":"A","meta":{"versionId":"","lastUpdated":""}}`,
			`{"resourceType":"A","meta":{"lastUpdated":"","versionId":""}}`, true},
		{"a meta of the server's at the end", `{"resourceType":"A","id":"1","a":1}`,
			`{"resourceType":"A","id":"1","a":1,"meta":{"versionId":"1","lastUpdated":"x"}}`, true},
		{"an empty and a null meta", `{"resourceType":"A","meta":{ },"a":1}`, `{"meta":null,"resourceType":"A","a":1}`,
			true},
		{"a meta with more in another place", `{"resourceType":"A","meta":{"source":"s"},"a":1}`,
			`{"resourceType":"A","a":1,"meta":{"source":"s"}}`, false},
		{"the server's values in the middle of a meta", `{"resourceType":"A","meta":{"source":"s","profile":["p"]}}`,
			`{"resourceType":"A","meta":{"source": "s","lastUpdated":"x","profile":["p"],"versionId":"3"}}`, true},
		{"what the server says has a twin", `{"resourceType":"A","meta":{"_lastUpdated":{"id":"x"}}}`,
			`{"resourceType":"A"}`, false},
		{"an id inside", `{"resourceType":"A","a":{"id":"1"}}`, `{"resourceType":"A","a":{"id":"2"}}`, false},
		{"a meta inside", `{"resourceType":"A","contained":[{"meta":{"versionId":"1"}}]}`,
			`{"resourceType":"A","contained":[{"meta":{"versionId":"2"}}]}`, false},
		{"a member more", `{"resourceType":"A","a":1}`, `{"resourceType":"A","a":1,"b":2}`, false},
	} {
		if got := Same([]byte(c.stored), []byte(c.sent)); got != c.want {
			t.Errorf("%s: Same(%s, %s) is %v", c.name, c.stored, c.sent, got)
		}
		if got := Same([]byte(c.sent), []byte(c.stored)); got != c.want {
			t.Errorf("%s: Same(%s, %s) is %v", c.name, c.sent, c.stored, got)
		}
		if got := sketchOf(t, []byte(c.stored)) == sketchOf(t, []byte(c.sent)); got != c.want {
			t.Errorf("%s: that %s and %s have one sketch is %v", c.name, c.stored, c.sent, got)
		}
	}
}

// randomResource writes a resource with or without each of the three values, in any order, with any white space.
func randomResource(r *rand.Rand) []byte {
	space := func() string { return [...]string{"", "", " ", "\n  ", "\t"}[r.IntN(5)] }
	object := func(members []string) string {
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		var b strings.Builder
		b.WriteString("{" + space())
		for i, m := range members {
			if i > 0 {
				b.WriteString("," + space())
			}
			key, value, _ := strings.Cut(m, "=")
			b.WriteString(`"` + key + `"` + space() + ":" + space() + value + space())
		}
		return b.String() + "}"
	}
	some := func(members ...string) (kept []string) {
		for _, m := range members {
			if r.IntN(2) == 0 {
				kept = append(kept, m)
			}
		}
		return kept
	}
	meta := object(some(`versionId="`+strconv.Itoa(r.IntN(200))+`"`, `lastUpdated="2020-01-01T00:00:00Z"`,
		`profile=["http://x"]`, `source="s"`))
	if r.IntN(8) == 0 {
		meta = "null"
	}
	members := append(some(`id="abc"`, `meta=`+meta, `text={"div":"<a href=\"}{\">"}`,
		`x=[1.0,{"id":"i","meta":{"versionId":"v"}},[[]]]`, `n=255.0`, `b=true`, `s="\ud83d\ude00\\"`),
		`resourceType="Basic"`)
	return []byte(space() + object(members) + space())
}

func TestStampedRandomResourcesAreTheSameAndAnyOtherChangeIsNot(t *testing.T) {
	for seed := range uint64(3_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		content := randomResource(r)
		checkStamp(t, content)
		stamped, _ := Stamp(nil, content, "z", 7, stampInstant)
		places, _ := findPlaces(stamped)
		for range 20 {
			at := r.IntN(len(stamped))
			inside := false
			for _, p := range places.list[:places.n] {
				inside = inside || p.start <= at && at < p.end
			}
			if inside {
				continue
			}
			changed := bytes.Clone(stamped)
			changed[at] ^= 1
			if json.Valid(changed) && Same(content, changed) {
				t.Fatalf("seed %d: %q and %q are the same", seed, content, changed)
			}
			without := slices.Concat(stamped[:at], stamped[at+1:])
			if got, want := Same(content, without), bytes.Equal(compact(without), compact(stamped)); got != want {
				t.Fatalf("seed %d: that %q is the same without byte %d: got %v, want %v", seed, stamped, at, got, want)
			} else if got && sketchOf(t, content) != sketchOf(t, without) {
				t.Fatalf("seed %d: %q has another sketch without byte %d", seed, stamped, at)
			}
		}
	}
}

// sketchOf is the sketch of a document.
func sketchOf(t *testing.T, content []byte) uint64 {
	t.Helper()
	d, err := Parse(content)
	if err != nil {
		t.Fatalf("%q: %v", content, err)
	}
	return d.Sketch()
}

// compact is a document without white space; nil when it is none.
func compact(document []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, document) != nil {
		return nil
	}
	return b.Bytes()
}

// checkStamp holds what Stamp promises for any resource.
func checkStamp(t *testing.T, content []byte) {
	t.Helper()
	stamped, err := Stamp(nil, content, "new-1", 42, stampInstant)
	if err != nil {
		t.Fatalf("Stamp(%q): %v", content, err)
	}
	res, err := ParseResource(stamped)
	if err != nil {
		t.Fatalf("%q became %q: %v", content, stamped, err)
	}
	if res.ID != "new-1" || string(res.Meta.Get("versionId").Raw()) != `"42"` ||
		string(res.Meta.Get("lastUpdated").Raw()) != stampText {
		t.Errorf("%q became %q", content, stamped)
	}
	if got, want := rest(t, stamped), rest(t, content); !reflect.DeepEqual(got, want) {
		t.Errorf("the rest of %q is %v; want %v", content, got, want)
	}
	other, _ := Stamp(nil, content, "x", 1, time.Time{})
	again, _ := Stamp(nil, other, "new-1", 42, stampInstant)
	if !bytes.Equal(again, stamped) {
		t.Errorf("stamped twice it is %q; want %q", again, stamped)
	}
	if !Same(content, stamped) || !Same(stamped, content) || !Same(stamped, other) {
		t.Errorf("%q and %q are not the same", content, stamped)
	}
	if sketch := sketchOf(t, content); sketchOf(t, stamped) != sketch || sketchOf(t, other) != sketch ||
		sketchOf(t, compact(other)) != sketch {
		t.Errorf("%q and %q have different sketches", content, stamped)
	}
}

// rest reads a resource without what Stamp puts in.
func rest(t *testing.T, content []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var m map[string]any
	if err := decoder.Decode(&m); err != nil {
		t.Fatal(err)
	}
	delete(m, "id")
	meta, _ := m["meta"].(map[string]any)
	delete(meta, "versionId")
	delete(meta, "lastUpdated")
	if len(meta) == 0 {
		delete(m, "meta")
	}
	return m
}

func TestSamplesCanBeStamped(t *testing.T) {
	for _, content := range samples(t) {
		checkStamp(t, content)
	}
}

func FuzzStamp(f *testing.F) {
	for _, content := range samples(f) {
		f.Add(content)
	}
	for seed := range uint64(20) {
		f.Add(randomResource(rand.New(rand.NewPCG(seed, 2))))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if _, err := ParseResource(content); err == nil {
			checkStamp(t, content)
		} else {
			_, _ = Stamp(nil, content, "x", 1, stampInstant) // it must come back
		}
	})
}

func BenchmarkStamp(b *testing.B) {
	for name, content := range samples(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				var err error
				if dst, err = Stamp(dst[:0], content, "0000-1111", 3, stampInstant); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSketch(b *testing.B) {
	for name, content := range samples(b) {
		d, err := Parse(content)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				d.Sketch()
			}
		})
	}
}

func BenchmarkSame(b *testing.B) {
	for name, content := range samples(b) {
		stamped, _ := Stamp(nil, content, "0000-1111", 3, stampInstant)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				if !Same(content, stamped) {
					b.Fatal("not the same")
				}
			}
		})
	}
}
