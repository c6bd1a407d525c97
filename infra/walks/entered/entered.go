// Package entered notes which functions of the program are entered. Only the program that [binnacle/infra/walks]
// instruments calls it: there every function begins with [In], and main with [Serve].
package entered

import (
	"encoding/json"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// Listen is the variable of the environment that holds the address where GET /begin forgets what was noted, and GET
// /end returns it as a JSON array of [Entry].
const Listen = "BINNACLE_WALKS_LISTEN"

// Entry is a function that was entered.
type Entry struct {
	Goroutine int
	Parent    int     // the goroutine that started this one
	Stack     []Place // the function itself, then those that called it, as far as they are the program's
	Starter   Place   // of the goroutine
	Served    bool    // the goroutine serves requests of HTTP
}

// Place is a function of the program.
type Place struct {
	Func string
	File string
}

var notes struct {
	mu      sync.Mutex
	on      bool
	entries []Entry
}

// Serve opens the door to the notes: main begins with it.
func Serve() {
	address := os.Getenv(Listen)
	if address == "" {
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/begin", func(http.ResponseWriter, *http.Request) { take(true) })
	mux.HandleFunc("/end", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(take(false)) })
	go func() { panic(http.ListenAndServe(address, mux)) }() //nolint:gosec // of a test
}

// take returns what was noted, and goes on with nothing, or stops.
func take(on bool) []Entry {
	notes.mu.Lock()
	defer notes.mu.Unlock()
	entries := notes.entries
	notes.on, notes.entries = on, nil
	return entries
}

// deepest is how many frames of a stack are looked at.
const deepest = 200

// In notes that its caller was entered.
func In() {
	notes.mu.Lock()
	on := notes.on
	notes.mu.Unlock()
	if !on {
		return
	}
	var entry Entry
	var counters [deepest]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(2, counters[:])])
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if isOurs(frame.Function) {
			entry.Stack = append(entry.Stack, Place{frame.Function, frame.File})
		}
		entry.Served = entry.Served || strings.HasPrefix(frame.Function, "net/http.(*conn).serve")
	}
	entry.readOrigin()
	notes.mu.Lock()
	defer notes.mu.Unlock()
	if notes.on {
		notes.entries = append(notes.entries, entry)
	}
}

func isOurs(function string) bool {
	return strings.HasPrefix(function, "binnacle/") || strings.HasPrefix(function, "main.")
}

// readOrigin reads who runs here from the text of the stack, which alone tells: "goroutine 7 [running]:" at its
// beginning, and at its end "created by binnacle/x.f in goroutine 3" with the file below it.
func (e *Entry) readOrigin() {
	text := make([]byte, 64<<10)
	stack := string(text[:runtime.Stack(text, false)])
	e.Goroutine = number(strings.TrimPrefix(stack, "goroutine "))
	_, origin, found := strings.Cut(stack, "\ncreated by ")
	if !found {
		return
	}
	line, below, _ := strings.Cut(origin, "\n")
	name, id, _ := strings.Cut(line, " in goroutine ")
	file, _, _ := strings.Cut(strings.TrimSpace(below), ":")
	e.Parent = number(id)
	e.Starter = Place{name, file}
}

func number(text string) int {
	end := strings.IndexFunc(text, func(c rune) bool { return c < '0' || c > '9' })
	if end >= 0 {
		text = text[:end]
	}
	n, _ := strconv.Atoi(text) // what is no number is no goroutine
	return n
}
