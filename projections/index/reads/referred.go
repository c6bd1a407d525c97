package reads

import (
	"strings"
	"sync"

	"binnacle/projections"
	"binnacle/projections/index/rows"
)

// Referred remembers by which parameters types were ever referred to, for one generation. That a parameter refers to a
// type holds for ever: nothing takes it back, and to name one too many is allowed. That none else does holds for as
// long as nobody else writes: what this process writes is noted before it is committed, and when somebody else may have
// written, all that is asked for is read again.
//
// So its owner calls Note before a commit, and Doubt when a commit has failed, or when the stored position of a
// partition is another one than its own last commit has left. Whoever decides on an answer of before somebody else's
// commit finds the position moved: its own commit fails. A nil Referred remembers nothing. Its methods are safe for
// concurrent use.
type Referred struct {
	mu     sync.Mutex
	doubts int // how often it was doubted
	by     map[reference]struct{}
	known  map[typeOf]int // types of which by has all, with the number of parameters that were asked for
}

// referredKept bounds what is remembered; beyond it all is read again.
const referredKept = 1 << 16

// reference is a type by its name in the dictionary of codings, and the key of a parameter that refers to it.
type reference struct {
	name  string
	param int64
}

// NewReferred remembers nothing yet.
func NewReferred() *Referred {
	return &Referred{by: map[reference]struct{}{}, known: map[typeOf]int{}}
}

// Note takes over what a commit to come says.
func (f *Referred) Note(codings []rows.CodingRow) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range codings {
		if c := &codings[i]; c.Code == "" && c.System != "" && c.Key == 0 {
			f.add(reference{strings.Clone(c.System), c.Param})
		}
	}
}

func (f *Referred) add(r reference) {
	if len(f.by) >= referredKept || len(f.known) >= referredKept {
		f.doubts++
		clear(f.by)
		clear(f.known)
	}
	f.by[r] = struct{}{}
}

// Doubt says that somebody else may have written.
func (f *Referred) Doubt() {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.doubts++
	clear(f.known)
}

// asking is called before the parameters of a type are asked for; its result goes with the answer.
func (f *Referred) asking() int {
	if f == nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.doubts
}

// answered takes over which of the parameters of a type were found.
func (f *Referred) answered(asking int, t typeOf, params []int64, found []int) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	name := strings.Clone(projections.OrderCode(t.name))
	for _, n := range found {
		f.add(reference{name, params[n]})
	}
	if asking == f.doubts {
		f.known[typeOf{strings.Clone(t.tenant), strings.Clone(t.name)}] = len(params)
	}
}

// of returns the places of the parameters that refer to a type, ascending; false when it has to be asked.
func (f *Referred) of(t typeOf, params []int64) (places []int, known bool) {
	if f == nil {
		return nil, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n, asked := f.known[t]; !asked || n != len(params) {
		return nil, false
	}
	for i, param := range params {
		if _, refers := f.by[reference{projections.OrderCode(t.name), param}]; refers {
			places = append(places, i)
		}
	}
	return places, true
}
