package project

import "binnacle/events"

// sketchesKept is how many sketches are kept at the least, once so many were made; twice as many at the most, of some
// 60 bytes each.
const sketchesKept = 40_000

// sketches remembers the sketches of contents that were decided lately ([projections.Content.Sketch]). An update whose
// sketch is another one needs no look at the content before. What is not remembered is looked at: what comes out is the
// same.
type sketches struct{ young, old map[events.Hash]uint64 }

// put remembers the sketch of what a change has made. With links the content is not the one that was read.
func (s *sketches) put(w *work) {
	if !w.writes() || !w.sealed || w.read.Content == nil || w.read.Exact || len(w.Links) > 0 {
		return
	}
	if s.young == nil || len(s.young) >= sketchesKept {
		s.young, s.old = make(map[events.Hash]uint64), s.young
	}
	s.young[w.hash] = w.read.Content.Sketch()
}

// differs tells whether a change is known to say something else than a content does.
func (s *sketches) differs(w *work, before events.Hash) bool {
	if len(w.Links) > 0 || w.read.Content == nil {
		return false
	}
	sketch, known := s.young[before]
	if !known {
		sketch, known = s.old[before]
	}
	return known && sketch != w.read.Content.Sketch()
}
