package sets

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"math"
	"sort"
	"sync"

	"binnacle/projections"
	"binnacle/projections/index/keys"
)

// A search for what a string contains (:contains) has no place in an index by what strings begin with. Distinct
// strings are few, however many versions have them: those of a parameter are held in memory, one after the other, and
// looked through; the rows of those that hold the text are found by their beginnings. Strings are only ever added:
// one that no current version has is looked up in vain.

const (
	wordsBound  = 8 << 20 // bytes of the distinct strings of a parameter that are held
	wordsFound  = 5_000   // strings that stand in a statement
	wordsAtOnce = 20_000  // distinct strings of one statement
	wordBytes   = 24      // of memory for each, beside its text
)

// Words are the distinct folded strings of a text key, up to a Sid at least. Unlike other sets it grows where it is:
// who looks through it finds more at the most.
type Words struct {
	mu      sync.RWMutex
	all     []byte   // one after the other
	ends    []uint32 // of each in all
	hash    func([]byte) uint64
	seen    map[uint64]uint32 // by hash, or the next number that is free: which one of them it is
	bound   int64             // bytes that they may take, of wordsBound for their text
	large   bool              // there is more of them than is held
	upTo    int64
	counted int64 // bytes, as the memory has them; guarded by its mutex
	last    int64 // when it was used, by the clock of the memory
}

func (w *Words) bytes() int64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.size()
}

func (w *Words) size() int64 {
	return int64(cap(w.all)) + 4*int64(cap(w.ends)) + wordBytes*int64(len(w.seen)) + heldBytes
}

// known tells up to which Sid all strings are there, or that they are too many to be held.
func (w *Words) known() (upTo int64, large bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.upTo, w.large
}

// newWords returns a set without strings, which may take so many bytes, and whose hashes nobody can foresee.
func newWords(upTo, bound int64) *Words {
	seed := maphash.MakeSeed()
	return &Words{hash: func(text []byte) uint64 { return maphash.Bytes(seed, text) }, seen: map[uint64]uint32{},
		upTo: upTo, bound: bound}
}

// word is the n-th string.
func (w *Words) word(n int) []byte {
	if n == 0 {
		return w.all[:w.ends[0]]
	}
	return w.all[w.ends[n-1]:w.ends[n]]
}

// add appends a string that is not there yet.
func (w *Words) add(text []byte) {
	if w.large {
		return
	}
	hash := w.hash(text)
	for ; ; hash++ {
		n, seen := w.seen[hash]
		if !seen {
			break
		}
		if bytes.Equal(w.word(int(n)), text) {
			return
		}
	}
	if len(w.all)+len(text) > wordsBound || w.size() > w.bound {
		w.all, w.ends, w.seen, w.large = nil, nil, nil, true
		return
	}
	w.seen[hash] = uint32(len(w.ends))
	w.all = append(w.all, text...)
	w.ends = append(w.ends, uint32(len(w.all)))
}

// most is how many strings are looked up at the most. To look up one costs a page of the index. The fewer strings hold
// the text, the more versions a walk of the order meets until 51 match; each costs one and a half. Both cost the same
// at this number.
func (w *Words) most() int {
	return min(wordsFound, int(math.Sqrt(51*1.5*float64(len(w.ends))))+100)
}

// Holding returns the beginnings (see projections.OrderBytes) of the strings that hold a text; all is false where
// these are so many that a walk meets them sooner.
func (w *Words) Holding(text []byte) (heads [][]byte, all bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	most := w.most()
	for from := 0; ; {
		at := bytes.Index(w.all[from:], text)
		if at < 0 {
			return heads, true
		}
		at += from
		n := sort.Search(len(w.ends), func(i int) bool { return int(w.ends[i]) > at })
		if from = int(w.ends[n]); at+len(text) > from { // it reaches into the next one
			from = at + 1
			continue
		}
		if len(heads) == most {
			return nil, false
		}
		word := w.word(n)
		heads = append(heads, word[:min(len(word), projections.OrderBytes)])
	}
}

// WordsOf returns the strings of a key, all there are up to the snapshot at least; nil where they can't be had.
func (v *View) WordsOf(key int64) (*Words, error) {
	if v == nil {
		return nil, nil
	}
	var set *Words
	v.look(func(p *partition) {
		if set = p.words[key]; set != nil {
			set.last = p.owner.tick()
		}
	})
	upTo, large := int64(0), false
	if set != nil {
		upTo, large = set.known()
	}
	switch {
	case set == nil || !large && v.Snapshot-upTo > int64(v.Bounds().Behind):
		return v.awaitWords(key)
	case large:
		return nil, nil
	case upTo >= v.Snapshot:
		return set, nil
	}
	if err := v.laterWords(key, set, upTo); err != nil {
		return nil, err
	}
	v.keep(func(p *partition) { p.putWords(key, set) })
	return set, nil
}

// awaitWords has the strings read in the background and waits for them, which takes less than to look through all
// rows. Nil where too many others wait, or they can't be read.
func (v *View) awaitWords(key int64) (*Words, error) {
	w := wanted{wantedWords, Kind{Table: textTable}.Name(key)}
	asked, err := v.wait(true, one(w, 0, func(v *View) (*Words, bool) {
		read, err := v.readWords(key)
		return read, err == nil
	}, func(p *partition, read *Words) { p.putWords(key, read) }))
	if asked == nil || err != nil {
		return nil, err
	}
	set, there := asked[w].value.(*Words)
	if !there {
		return nil, nil
	}
	if upTo, large := set.known(); large || upTo < v.Snapshot {
		return nil, nil // read before the snapshot: the next search brings it up
	}
	return set, nil
}

// laterWords adds the strings of the versions after one, up to the snapshot.
func (v *View) laterWords(key int64, set *Words, upTo int64) error {
	var fresh [][]byte
	s := v.Statement()
	sql := "select t.head, t.rest from " + s.Table("text") + " t where t.ref >= " + s.Arg((upTo+1)<<keys.RefBits) +
		" and t.ref < " + s.Arg(v.Before()) + " and +t.key = " + s.Arg(key)
	if err := v.Query(s, sql, func(scan func(...any) error) error {
		var head, rest []byte
		err := scan(&head, &rest)
		if len(rest) > 0 {
			head = rest
		}
		fresh = append(fresh, bytes.Clone(head))
		return err
	}); err != nil {
		return err
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	for _, text := range fresh {
		set.add(text)
	}
	set.upTo = max(set.upTo, v.Snapshot)
	return nil
}

// readWords reads the distinct strings of a key: from one to the next in the index, whose rows between are passed over.
func (v *View) readWords(key int64) (*Words, error) {
	set, g := newWords(v.Snapshot, int64(v.Bounds().Memory)/4*3), v.gather()
	defer g.end()
	var after []byte
	for first := true; !set.large; first = false {
		s := v.Statement()
		text := s.Table("text")
		next := func(more string) string {
			return "(select t.head from " + text + " t where t.key = " + s.Arg(key) + more + " order by t.head limit 1)"
		}
		begin := ""
		if !first {
			begin = " and t.head > " + s.Arg(after)
		}
		sql := "with recursive w(head) as (select " + next(begin) + " union all select " +
			next(" and t.head > w.head") + " from w where w.head is not null) " +
			"select w.head from w where w.head is not null" + fmt.Sprintf(" limit %d", wordsAtOnce)
		read := 0
		var long [][]byte
		if err := v.Query(s, sql, func(scan func(...any) error) error {
			var head []byte
			err := scan(&head)
			read++
			if after = bytes.Clone(head); len(head) < projections.OrderBytes {
				set.add(after)
			} else {
				long = append(long, after)
			}
			return err
		}); err != nil {
			return nil, err
		}
		for _, head := range long { // what is longer has the same beginning
			if err := v.readLong(key, head, set); err != nil || set.large {
				return set, err
			}
		}
		if g.is(set.bytes()); read < wordsAtOnce {
			break
		}
	}
	return set, nil
}

// readLong reads the strings that have the longest beginning that is indexed in common.
func (v *View) readLong(key int64, head []byte, set *Words) error {
	s := v.Statement()
	sql := "select distinct t.rest from " + s.Table("text") + " t where t.key = " + s.Arg(key) + " and t.head = " +
		s.Arg(head)
	return v.Query(s, sql, func(scan func(...any) error) error {
		var rest []byte
		err := scan(&rest)
		if len(rest) == 0 {
			rest = head
		}
		set.add(bytes.Clone(rest))
		return err
	})
}
