package walks

import (
	"fmt"
	"path/filepath"
	"strings"

	"binnacle/infra/walks/entered"
)

// Walk is the way of one request through the project's files.
type Walk struct {
	Visits []Visit
	Files  int // different ones
	Again  int // visits of a file that the walk had left before
	Climbs int // visits of a file with a function that is still under way: it is called from below
}

// Visit is an entry into a file from another one.
type Visit struct {
	File, Func string
	From       string // the file of the caller
	Again      bool
	Climb      bool
}

// Count follows the entries that are part of a walk, in their order. part tells whether a goroutine's first entry that was noted begins one: what
// that goroutine and those that it starts enter from then on is the walk. It ends where a file is entered that last names; "" for none.
func Count(root string, entries []entered.Entry, begins func(entered.Entry) bool, last string) Walk {
	var w Walk
	on, seen := map[int]bool{}, map[string]bool{}
	for _, e := range entries {
		if !on[e.Goroutine] && !on[e.Parent] && !begins(e) {
			continue
		}
		on[e.Goroutine] = true
		to := inside(root, e.Stack[0].File)
		if last != "" && strings.HasPrefix(to, last) {
			break
		}
		caller := e.Starter
		if len(e.Stack) > 1 {
			caller = e.Stack[1]
		}
		from := inside(root, caller.File)
		if from == to {
			continue
		}
		v := Visit{File: to, Func: e.Stack[0].Func, From: from, Again: seen[to]}
		for _, under := range e.Stack[1:] {
			v.Climb = v.Climb || inside(root, under.File) == to
		}
		w.add(v)
		seen[to] = true
	}
	w.Files = len(seen)
	return w
}

func (w *Walk) add(v Visit) {
	w.Visits = append(w.Visits, v)
	if v.Again {
		w.Again++
	}
	if v.Climb {
		w.Climbs++
	}
}

func inside(root, file string) string {
	if below, err := filepath.Rel(root, file); err == nil && !strings.HasPrefix(below, "..") {
		return filepath.ToSlash(below)
	}
	return file
}

// String lists the visits in their order.
func (w Walk) String() string {
	var text strings.Builder
	for _, v := range w.Visits {
		note := ""
		switch {
		case v.Climb:
			note = " (called from below)"
		case v.Again:
			note = " (again)"
		}
		fmt.Fprintf(&text, "%s: %s, from %s%s\n", v.File, v.Func[strings.LastIndexByte(v.Func, '/')+1:], v.From, note)
	}
	return text.String()
}
