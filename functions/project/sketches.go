package project

import (
	"binnacle/events"
	"binnacle/functions"
)

// sketchesKept is how many sketches are kept at the least, once so many were made; twice as many at the most, of some
// 60 bytes each.
const sketchesKept = 40_000

// sketches remembers the sketches of contents that were decided lately ([projections.Content.Sketch]). An update whose
// sketch is another one needs no look at the content before. What is not remembered is looked at: what comes out is the
// same.
type sketches struct {
	known functions.Recent[events.Hash, uint64]
}

func newSketches() sketches {
	return sketches{functions.Recent[events.Hash, uint64]{Least: sketchesKept}}
}

// put remembers the sketch of what a change has made. With links the content is not the one that was read.
func (s *sketches) put(w *work) {
	if !w.writes() || !w.sealed || w.read.Content == nil || w.read.Exact || len(w.Links) > 0 {
		return
	}
	if sketch := w.read.Content.Sketch(); sketch != 0 {
		s.known.Set(w.hash, sketch)
	}
}

// differs tells whether a change is known to say something else than a content does.
func (s *sketches) differs(w *work, before events.Hash) bool {
	if len(w.Links) > 0 || w.read.Content == nil {
		return false
	}
	sketch, known := s.known.Get(before)
	if !known {
		return false
	}
	is := w.read.Content.Sketch()
	return is != 0 && sketch != is
}
