package sql

// List is the aggregate of an integer column that a [List] reads.
func (s *Statement) List(column string) string { return s.Dialect.List(column) }

// List is what an aggregate of integers is scanned into: an array of them, or a text with commas between.
type List struct {
	dialect Dialect
	Numbers []int64
	Text    []byte
	rows    *int // counts the integers
}

func (s *Statement) Listed() *List { return &List{dialect: s.Dialect, rows: s.rows} }

func (l *List) Into() any { return l.dialect.ListInto(l) }

// Size is about how many there are.
func (l *List) Size() int { return len(l.Numbers) + len(l.Text)/6 + 1 }

func (l *List) Each(take func(int64)) {
	if l.rows != nil {
		count := take
		take = func(n int64) {
			*l.rows++
			count(n)
		}
	}
	for _, n := range l.Numbers {
		take(n)
	}
	n, sign := int64(0), int64(1)
	for _, c := range l.Text {
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
	if len(l.Text) > 0 {
		take(sign * n)
	}
}
