package load

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// Ledger is where an import goes: a tenant of a server.
type Ledger struct {
	Server string // its base URL
	ID     string // what it calls itself, over all addresses that it has; "" when it doesn't tell
}

// is tells whether two are the same ledger. One that was made anew under an old address is another one.
func (l Ledger) is(other Ledger) bool {
	return l.ID == other.ID && (l.ID != "" || l.Server == other.Server)
}

// Journal remembers which units one ledger has taken: a text file that stays until it is deleted. The head names the
// ledger. Each other line is a unit: its key, which is made from its content, "done" or the entries of its batch that
// are left, and its name, for people. Of several lines for a unit the last one holds.
type Journal struct {
	mu    sync.Mutex
	file  *os.File
	run   string // part of all idempotency keys; "" unless everything was to be loaded again
	units map[unitKey][]int
	found int // units that were there when the journal was opened
}

// unitKey tells a unit by its content, its file's name and its place in it.
type unitKey [16]byte

// JournalForm is the first line of a journal.
const JournalForm = "binnacle import journal 2"

func NewRunID() string { return uuid.NewString() }

// journalPath is where the journal of a ledger is unless another place is named: in the user's folder for what programs
// remember, because it belongs neither to the files that are loaded nor to the folder that the command happens to run
// in.
func journalPath(of Ledger) (string, error) {
	folder := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(folder) {
		var err error
		if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
			folder, err = os.UserConfigDir()
		} else if folder, err = os.UserHomeDir(); err == nil {
			folder = filepath.Join(folder, ".local", "state")
		}
		if err != nil {
			return "", fmt.Errorf("there is no place for the journal: %w; name a file with --journal", err)
		}
	}
	sum := sha256.Sum256([]byte(cmp.Or(of.ID, of.Server)))
	return filepath.Join(folder, "binnacle", "import-"+hex.EncodeToString(sum[:8])+".journal"), nil
}

// OpenJournal reads the journal of a ledger, or starts it; path "" is that of [journalPath]. With again it starts anew,
// under other idempotency keys than ever before. A journal of another ledger is refused. A last line that was cut off
// by a crash is dropped: its unit is sent again, under the same key.
func OpenJournal(path string, of Ledger, again bool) (*Journal, error) {
	if path == "" {
		var err error
		if path, err = journalPath(of); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("the journal can't be written: %w; name another file with --journal", err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the journal can't be read: %w", err)
	}
	text := string(data[:strings.LastIndexByte(string(data), '\n')+1])
	j := &Journal{units: map[unitKey][]int{}}
	if text != "" {
		if err := j.read(text, path, of); err != nil {
			return nil, err
		}
	} else if len(data) > 0 {
		return nil, noJournal(path)
	}
	if again {
		text, j.run, j.units = "", NewRunID(), map[unitKey][]int{}
	}
	j.found = len(j.units)
	if j.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, fmt.Errorf("the journal can't be written: %w", err)
	}
	err = j.file.Truncate(int64(len(text)))
	if err == nil && text == "" {
		_, err = fmt.Fprintf(j.file, "%s\nserver %s\nledger %s\nrun %s\n", JournalForm, of.Server, of.ID, j.run)
	}
	if err != nil {
		_ = j.file.Close() // nothing is in it
		return nil, fmt.Errorf("the journal can't be written: %w", err)
	}
	return j, nil
}

func noJournal(path string) error {
	return fmt.Errorf("%s is no journal of an import, or one of an earlier release: name another file with --journal", path)
}

// read takes the lines of a journal.
func (j *Journal) read(text, path string, of Ledger) error {
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<24)
	var head [4]string
	for n, name := range []string{JournalForm, "server ", "ledger ", "run "} {
		value, is := strings.CutPrefix(scanned(lines), name)
		if !is {
			return noJournal(path)
		}
		head[n] = value
	}
	written := Ledger{Server: head[1], ID: head[2]}
	switch {
	case !written.is(of) && written.Server == of.Server:
		return fmt.Errorf("the journal %s is not of what the server at %s holds now: its storage was made anew, or is another one; delete the journal, or name another file with --journal", path, of.Server)
	case !written.is(of):
		return fmt.Errorf("the journal %s is of %s, not of %s: name another file with --journal, or none: then each server and tenant has its own", path, written.Server, of.Server)
	}
	j.run = head[3]
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), " ", 3)
		var key unitKey
		if n, err := hex.Decode(key[:], []byte(fields[0])); len(fields) < 3 || len(fields[0]) != 2*len(key) || err != nil || n != len(key) {
			return noJournal(path)
		}
		left, err := leftOf(fields[1])
		if err != nil {
			return noJournal(path)
		}
		j.units[key] = left
	}
	return lines.Err()
}

func scanned(lines *bufio.Scanner) string {
	lines.Scan()
	return lines.Text()
}

// leftOf reads what is left of a unit: "done", or "left:3,7".
func leftOf(text string) ([]int, error) {
	list, some := strings.CutPrefix(text, "left:")
	if !some {
		if text != "done" {
			return nil, fmt.Errorf("%q is neither done nor left", text)
		}
		return nil, nil
	}
	var left []int
	for number := range strings.SplitSeq(list, ",") {
		entry, err := strconv.Atoi(number)
		if err != nil {
			return nil, err
		}
		left = append(left, entry)
	}
	return left, nil
}

// Path is where the journal is.
func (j *Journal) Path() string { return j.file.Name() }

// Run is what all idempotency keys of the journal's imports have in them.
func (j *Journal) Run() string { return j.run }

// Found is the number of units that were there when the journal was opened.
func (j *Journal) Found() int { return j.found }

// Known tells whether the ledger has taken a unit, and which entries of its batch it hasn't; a nil journal knows
// nothing.
func (j *Journal) Known(u Unit) (left []int, known bool) {
	if j == nil {
		return nil, false
	}
	key := u.Key()
	j.mu.Lock()
	defer j.mu.Unlock()
	left, known = j.units[key]
	return left, known
}

// Add remembers that the ledger has taken a unit, but for some entries of its batch.
func (j *Journal) Add(u Unit, left []int) error {
	if j == nil {
		return nil
	}
	key, state := u.Key(), "done"
	for n, entry := range left {
		if n == 0 {
			state = "left:" + strconv.Itoa(entry)
		} else {
			state += "," + strconv.Itoa(entry)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.units[key] = left
	_, err := fmt.Fprintf(j.file, "%x %s %q\n", key, state, u.Name())
	return err
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }
