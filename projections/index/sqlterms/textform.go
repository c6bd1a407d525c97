package sqlterms

import (
	"binnacle/projections"
	"binnacle/projections/index/sql"
	"strings"
)

// textForm are rows of strings, and of uris that are no keys.
type textForm struct {
	texts  []textScan
	dense  bool // so many strings hold what is asked for that their rows are not looked for
	strays bool // where the order is by the parameter: some versions are found that are sorted by another string
}

// A textScan is a stretch of a text table's index with a condition on the rows in it.
type textScan struct {
	key  int64
	form textMatch
	text string // folded for strings, but for textRaw

	among *words // textHolds: how the strings begin that hold it; nil: not known
	whole bool   // among: these beginnings are the strings
}

type textMatch uint8

const (
	textIs     textMatch = iota // a uri, whole
	textRaw                     // a string, whole, as it stands in the document
	textBegins                  // what it begins with
	textHolds                   // what it contains
)

func (f *textForm) size() int { return len(f.texts) }

func (f *textForm) rows(s *sql.Statement, before int64) (parts []string) {
	for _, sc := range f.texts {
		parts = append(parts, rowsOf(s, "text", sc.condition(s, "t"), before))
	}
	return parts
}

func (f *textForm) probe(s *sql.Statement, v probedVersion, _ int64) []string {
	var either []string
	for i, sc := range f.texts {
		if i > 0 && !sc.whole && f.texts[i-1].whole && sc.key == f.texts[i-1].key && sc.text == f.texts[i-1].text {
			continue // the two ask the same of a version
		}
		either = append(either, "("+sc.condition(s, probed)+")")
	}
	if len(either) == 0 {
		return nil
	}
	return []string{v.row(s, "text", "("+strings.Join(either, " or ")+")")}
}

func (sc textScan) condition(s *sql.Statement, row string) string {
	c := row + ".key = " + s.Arg(sc.key)
	if row == probed {
		c = "+" + c
	}
	head, rest := row+".head", row+".rest"
	if sc.form == textRaw {
		return c + " and " + head + " = " + s.Arg([]byte(projections.OrderString(sc.text))) + " and " + row + ".raw = " + s.Arg([]byte(sc.text))
	}
	text := []byte(sc.text)
	cut := text[:min(len(text), projections.OrderBytes)]
	switch {
	case sc.form == textIs && len(text) <= projections.OrderBytes:
		c += " and " + head + " = " + s.Arg(text) + " and length(" + rest + ") = 0"
	case sc.form == textIs:
		c += " and " + head + " = " + s.Arg(cut) + " and " + rest + " = " + s.Arg(text)
	case len(text) == 0:
	case sc.form == textHolds:
		if sc.among != nil && row != probed {
			c += " and " + head + " " + s.InBytes(sc.among.heads)
			if sc.whole { // the index has all that is asked for
				return c
			}
		}
		c += " and (" + s.Contains(head, text) + " or " + s.Contains(rest, text) + ")"
	case len(text) <= projections.OrderBytes:
		c += s.Begins(head, text)
	default:
		c += " and " + head + " = " + s.Arg(cut) + " and substr(" + rest + ", 1, " + s.Arg(int32(len(text))) + ") = " + s.Arg(text)
	}
	return c
}
