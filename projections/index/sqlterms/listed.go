package sqlterms

// list is the aggregate of an integer column that listed reads.
func (s *statement) list(column string) string {
	if s.Postgres {
		return "array_agg(" + column + ")"
	}
	return "group_concat(" + column + ")"
}

// listed is what an aggregate of list is scanned into.
type listed struct {
	postgres bool
	numbers  []int64
	text     []byte
	rows     *int // counts the integers
}

func (s *statement) listed() *listed { return &listed{postgres: s.Postgres, rows: s.rows} }

func (l *listed) into() any {
	if l.postgres {
		return &l.numbers
	}
	return &l.text
}

// size is about how many there are.
func (l *listed) size() int { return len(l.numbers) + len(l.text)/6 + 1 }

func (l *listed) each(take func(int64)) {
	if l.rows != nil {
		count := take
		take = func(n int64) {
			*l.rows++
			count(n)
		}
	}
	for _, n := range l.numbers {
		take(n)
	}
	n, sign := int64(0), int64(1)
	for _, c := range l.text {
		switch {
		case c == ',':
			take(sign * n)
			n, sign = 0, 1
		case c == '-':
			sign = -1
		default:
			n = 10*n + int64(c-'0')
		}
	}
	if len(l.text) > 0 {
		take(sign * n)
	}
}

// unnested is a table of integers for a FROM, and its column.
func (s *statement) unnested(list []int64, name string) (from, column string) {
	if s.Postgres {
		return "unnest(" + s.arg(list) + "::bigint[]) " + name + "(value)", name + ".value"
	}
	return "json_each(" + s.arg(jsonOf(list)) + ") " + name, name + ".value"
}
