package clients

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// tap is what a program printed: the Test Anything Protocol, as far as our programs speak it. A line is "ok NAME",
// "not ok NAME" with the reasons in lines "# …" behind it, or at the end the plan "1..N". Other lines "# …" are notes.
type tap struct {
	passed   int
	failures []failure
	notes    []string
	strange  []string // lines of another form
	planned  int      // -1: the program did not come to its end
}

type failure struct {
	name string
	why  []string
}

// readTAP reads a program's lines to their end. It calls often with the number of checks done, but once an interval.
func readTAP(from io.Reader, often func(done int)) (tap, error) {
	result := tap{planned: -1}
	failing := false
	told := time.Now()
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if text, is := strings.CutPrefix(line, "ok "); is && text != "" {
			result.passed++
			failing = false
		} else if text, is := strings.CutPrefix(line, "not ok "); is {
			result.failures = append(result.failures, failure{name: text})
			failing = true
		} else if text, is := strings.CutPrefix(line, "# "); is && failing {
			last := &result.failures[len(result.failures)-1]
			last.why = append(last.why, text)
		} else if is {
			result.notes = append(result.notes, text)
		} else if text, is := strings.CutPrefix(line, "1.."); is {
			planned, err := strconv.Atoi(text)
			if err != nil {
				return result, fmt.Errorf("the plan %q is no number: %w", line, err)
			}
			result.planned = planned
		} else {
			result.strange = append(result.strange, line)
		}
		if time.Since(told) > progressInterval {
			told = time.Now()
			often(result.done())
		}
	}
	return result, lines.Err()
}

func (t tap) done() int { return t.passed + len(t.failures) }

// incomplete tells why a program did not do what it planned, or "".
func (t tap) incomplete(ended error) string {
	switch {
	case len(t.strange) > 0:
		return fmt.Sprintf("it printed %q, which is no line of TAP", t.strange[0])
	case t.planned < 0 && ended != nil:
		return fmt.Sprintf("it ended before its end: %v", ended)
	case t.planned < 0:
		return "it ended without its plan"
	case t.planned != t.done() || t.planned == 0:
		return fmt.Sprintf("it planned %d checks and did %d", t.planned, t.done())
	case ended != nil && len(t.failures) == 0:
		return fmt.Sprintf("its checks passed, and it ended with %v", ended)
	}
	return ""
}
