package testrun

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// event is one line of go test -json (go doc test2json).
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64 // s
}

// timed is how long a package or a test took.
type timed struct {
	name string
	took time.Duration
}

// report is what has been learnt of all runs so far.
type report struct {
	out                     io.Writer
	packages, tests         []timed
	pending                 []timed // tests of packages that have not ended
	passed, failed, skipped int
	failures                []string
	skips                   map[string]bool // skipped in one run; false: another run has passed it
}

func newReport(out io.Writer) *report { return &report{out: out, skips: map[string]bool{}} }

// read takes the lines of one go test -json. It prints a line for each package when it ends, and all that a failed test
// printed.
func (r *report) read(lines io.Reader) error {
	output := map[string][]string{}
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, 64<<20)
	for scanner.Scan() {
		var e event
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			fmt.Fprintln(r.out, scanner.Text()) // not of a test: what go itself has to say
			continue
		}
		r.take(e, output)
	}
	return scanner.Err()
}

func (r *report) take(e event, output map[string][]string) {
	key := e.Package + " " + e.Test
	took := time.Duration(e.Elapsed * float64(time.Second))
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		output[key] = append(output[key], e.Output)
	case "pass", "fail", "skip":
		printed := output[key]
		delete(output, key)
		if e.Test == "" {
			if e.Action == "fail" { // what tests printed that never ended, as when time ran out
				for _, key := range slices.Sorted(maps.Keys(output)) {
					if strings.HasPrefix(key, e.Package+" ") {
						fmt.Fprint(r.out, strings.Join(output[key], ""))
					}
				}
			}
			r.endPackage(e, took, printed)
			return
		}
		if e.Action == "fail" {
			fmt.Fprint(r.out, strings.Join(printed, ""))
		}
		if !strings.Contains(e.Test, "/") {
			r.endTest(e, took)
		}
	}
}

func (r *report) endTest(e event, took time.Duration) {
	name := strings.TrimPrefix(e.Package, module+"/") + " " + e.Test
	switch e.Action {
	case "pass":
		r.passed++
		r.skips[name] = false
	case "fail":
		r.failed++
		r.failures = append(r.failures, name)
	case "skip":
		r.skipped++
		if _, known := r.skips[name]; !known {
			r.skips[name] = true
		}
	}
	r.pending = append(r.pending, timed{name, took})
}

func (r *report) endPackage(e event, took time.Duration, printed []string) {
	name := strings.TrimPrefix(e.Package, module+"/")
	// Go repeats what a package has printed when nothing that it depends on has changed: that took no time now.
	cached := slices.ContainsFunc(printed, func(line string) bool { return strings.Contains(line, "(cached)") })
	r.pending = slices.DeleteFunc(r.pending, func(t timed) bool {
		own := strings.HasPrefix(t.name, name+" ")
		if own && !cached {
			r.tests = append(r.tests, t)
		}
		return own
	})
	switch {
	case cached:
		fmt.Fprintf(r.out, "ok    %-36s    cached\n", name)
	case e.Action == "pass":
		fmt.Fprintf(r.out, "ok    %-36s %7.1f s\n", name, took.Seconds())
		r.packages = append(r.packages, timed{name, took})
	case e.Action == "fail":
		fmt.Fprintf(r.out, "%sFAIL  %-36s %7.1f s\n", strings.Join(printed, ""), name, took.Seconds())
		r.packages = append(r.packages, timed{name, took})
		if !slices.ContainsFunc(r.failures, func(f string) bool { return strings.HasPrefix(f, name+" ") }) {
			r.failed++
			r.failures = append(r.failures, name)
		}
	}
}

// slowest is how many of the slowest packages and tests are told at the end.
const slowest = 10

// end prints what took longest, what failed, what no run has passed, and the counts.
func (r *report) end() {
	r.list("The slowest packages", r.packages)
	r.list("The slowest tests", r.tests)
	var never []string
	for name, skipped := range r.skips {
		if skipped {
			never = append(never, name)
		}
	}
	slices.Sort(never)
	for _, name := range never {
		fmt.Fprintf(r.out, "skipped: %s\n", name)
	}
	for _, name := range r.failures {
		fmt.Fprintf(r.out, "failed: %s\n", name)
	}
	fmt.Fprintf(r.out, "\n%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
}

func (r *report) list(title string, all []timed) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b timed) int { return cmp.Compare(b.took, a.took) })
	fmt.Fprintf(r.out, "\n%s:\n", title)
	for _, t := range all[:min(slowest, len(all))] {
		fmt.Fprintf(r.out, "%8.1f s  %s\n", t.took.Seconds(), t.name)
	}
}
