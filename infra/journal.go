package infra

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// journal remembers which units of an import are done: a text file, the first line names the run, each other line one unit.
type journal struct {
	mu      sync.Mutex
	file    *os.File
	run     string
	done    map[string]bool
	resumed bool
}

func newRunID() string { return uuid.NewString() }

// openJournal reads a journal or starts a new one. A last line that was cut off by a crash is dropped; its unit is sent again,
// under the same idempotency key.
func openJournal(path string) (*journal, error) {
	j := &journal{done: map[string]bool{}}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the journal can't be read: %w", err)
	}
	text := string(data)
	text = text[:strings.LastIndexByte(text, '\n')+1]
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, isRun := strings.CutPrefix(lines.Text(), "run ")
		switch {
		case isRun && j.run == "":
			j.run, j.resumed = name, true
		case j.run == "":
			return nil, fmt.Errorf("%s is not a journal of an import; name another file with --journal", path)
		default:
			j.done[lines.Text()] = true
		}
	}
	if j.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644); err != nil {
		return nil, fmt.Errorf("the journal can't be written: %w", err)
	}
	if err := j.file.Truncate(int64(len(text))); err != nil {
		return nil, fmt.Errorf("the journal can't be written: %w", err)
	}
	if j.run == "" {
		j.run = newRunID()
		_, err = fmt.Fprintf(j.file, "run %s\n", j.run)
	}
	return j, err
}

// Run is the name of the import that the journal belongs to.
func (j *journal) Run() string { return j.run }

// Resumed tells whether the journal was there before.
func (j *journal) Resumed() bool { return j.resumed }

// Len is the number of units done.
func (j *journal) Len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.done)
}

// Done tells whether a unit is done.
func (j *journal) Done(name string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.done[name]
}

// Add remembers that a unit is done.
func (j *journal) Add(name string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done[name] = true
	_, err := fmt.Fprintln(j.file, name)
	return err
}

// Close closes the file.
func (j *journal) Close() error { return j.file.Close() }

// Remove deletes the file: the import is complete.
func (j *journal) Remove() error { return os.Remove(j.file.Name()) }
