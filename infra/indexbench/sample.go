package indexbench

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"binnacle/events/fhir"
)

// sampleSize is how many resources of each type are kept to ask for.
const sampleSize = 200

// Sample keeps some resources of each type, drawn evenly, and counts the codes of observations. It is safe for
// concurrent use.
type Sample struct {
	mu    sync.Mutex
	kept  map[string][]sampled
	seen  map[string]int
	codes map[string]int // system|code of observations
}

type sampled struct {
	ID      string          `json:"id"`
	Content json.RawMessage `json:"content"`
}

// writtenSample is the written form of a Sample.
type writtenSample struct {
	Kept  map[string][]sampled `json:"kept"`
	Codes map[string]int       `json:"codes"`
}

// MarshalJSON writes a sample that takes nothing more.
func (s *Sample) MarshalJSON() ([]byte, error) { return json.Marshal(writtenSample{s.kept, s.codes}) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Sample) UnmarshalJSON(text []byte) error {
	var w writtenSample
	err := json.Unmarshal(text, &w)
	s.kept, s.codes, s.seen = w.Kept, w.Codes, map[string]int{}
	return err
}

// NewSample returns an empty sample.
func NewSample() *Sample {
	return &Sample{kept: map[string][]sampled{}, seen: map[string]int{}, codes: map[string]int{}}
}

func (s *Sample) offer(kind, id string, doc *fhir.Document, random *rand.Rand) {
	code := ""
	if kind == "Observation" {
		code = coding(doc.Root().Get("code"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if code != "" {
		s.codes[strings.Clone(code)]++
	}
	s.seen[kind]++
	keep := sampled{id, nil}
	if list := s.kept[kind]; len(list) < sampleSize {
		keep.Content = bytes.Clone(doc.Bytes())
		s.kept[strings.Clone(kind)] = append(list, keep)
	} else if at := random.IntN(s.seen[kind]); at < sampleSize {
		keep.Content = bytes.Clone(doc.Bytes())
		list[at] = keep
	}
}

// coding is the first coding of a CodeableConcept as a search value.
func coding(concept fhir.Node) string {
	for c := range concept.Get("coding").Items() {
		return c.Get("system").Text() + "|" + c.Get("code").Text()
	}
	return ""
}

// byCount returns the codes of observations, the most common first.
func (s *Sample) byCount() []string {
	codes := make([]string, 0, len(s.codes))
	for c := range s.codes {
		codes = append(codes, c)
	}
	slices.SortFunc(codes, func(a, b string) int {
		if s.codes[a] != s.codes[b] {
			return s.codes[b] - s.codes[a]
		}
		return strings.Compare(a, b)
	})
	return codes
}

// draw returns a resource of a type that ok takes; the zero Node when there is none.
func (s *Sample) draw(random *rand.Rand, kind string, ok func(fhir.Node) bool) fhir.Node {
	list := s.kept[kind]
	if len(list) == 0 {
		return fhir.Node{}
	}
	from := random.IntN(len(list))
	for i := range list {
		doc, err := fhir.Parse(list[(from+i)%len(list)].Content)
		if err == nil && (ok == nil || ok(doc.Root())) {
			return doc.Root()
		}
	}
	return fhir.Node{}
}
