package walks

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"binnacle/infra/walks/entered"
)

// Walk is the way of one request through the project's files, in its order.
type Walk []Visit

// Visit is an entry into a file from another one.
type Visit struct {
	File, Func string
	From       string // the file of the caller
	Climbs     bool   // the file has a function under way: what it called calls it
}

// Count follows the entries that are part of a walk. begins tells whether an entry begins it: what its goroutine
// enters from then on, and those goroutines that this one starts, is the walk. It ends where it enters a file below a
// folder that last names; "" for none.
func Count(root string, entries []entered.Entry, begins func(entered.Entry) bool, last string) Walk {
	var w Walk
	for _, e := range partOf(entries, begins) {
		to := inside(root, e.Stack[0].File)
		if last != "" && strings.HasPrefix(to, last+"/") {
			break
		}
		caller := e.Starter
		if len(e.Stack) > 1 {
			caller = e.Stack[1]
		}
		if from := inside(root, caller.File); from != to {
			climbs := slices.ContainsFunc(e.Stack[1:], func(p entered.Place) bool { return inside(root, p.File) == to })
			w = append(w, Visit{File: to, Func: e.Stack[0].Func, From: from, Climbs: climbs})
		}
	}
	return w
}

// partOf returns the entries of a walk, those of each goroutine together: goroutines take turns as they like.
func partOf(entries []entered.Entry, begins func(entered.Entry) bool) (part []entered.Entry) {
	of := map[int][]entered.Entry{}
	var order []int
	for _, e := range entries {
		if of[e.Goroutine] == nil {
			if of[e.Parent] == nil && !begins(e) {
				continue
			}
			order = append(order, e.Goroutine)
		}
		of[e.Goroutine] = append(of[e.Goroutine], e)
	}
	for _, goroutine := range order {
		part = append(part, of[goroutine]...)
	}
	return part
}

func inside(root, file string) string {
	if below, err := filepath.Rel(root, file); err == nil && !strings.HasPrefix(below, "..") {
		return filepath.ToSlash(below)
	}
	return file
}

// Within is what of a walk is in some rooms: folders of the project.
func (w Walk) Within(rooms ...string) (within Walk) {
	for _, v := range w {
		if slices.Contains(rooms, path.Dir(v.File)) {
			within = append(within, v)
		}
	}
	return within
}

// Files are the files of a walk, each once, in the order in which they are entered first.
func (w Walk) Files() (files []string) {
	for _, v := range w {
		if !slices.Contains(files, v.File) {
			files = append(files, v.File)
		}
	}
	return files
}

// Returns are the visits of a file that the walk had left for another one.
func (w Walk) Returns() (returns Walk) {
	seen, at := map[string]bool{}, ""
	for _, v := range w {
		if seen[v.File] && v.File != at {
			returns = append(returns, v)
		}
		seen[v.File], at = true, v.File
	}
	return returns
}

// String lists the visits in their order.
func (w Walk) String() string {
	var text strings.Builder
	seen := map[string]bool{}
	for _, v := range w {
		note := ""
		switch {
		case v.Climbs:
			note = ", which it was called by"
		case seen[v.File]:
			note = ", again"
		}
		seen[v.File] = true
		fmt.Fprintf(&text, "%s (%s), from %s%s\n", v.File, v.Func[strings.LastIndexByte(v.Func, '/')+1:], v.From, note)
	}
	return text.String()
}
