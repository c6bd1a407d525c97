package clause

import (
	"strings"

	"binnacle/projections"
	"binnacle/projections/index/sql"
)

// textForm are rows of strings, and of uris that are no keys.
type textForm struct {
	Texts  []TextScan
	Dense  bool // so many strings hold what is asked for that their rows are not looked for
	Strays bool // where the order is by the parameter: some versions are found that are sorted by another string
}

// A TextScan is a stretch of a text table's index with a condition on the rows in it.
type TextScan struct {
	Key  int64
	Form textMatch
	Text string // folded for strings, but for textRaw

	among *words // textHolds: how the strings begin that hold it; nil: not known
	whole bool   // of among: these beginnings are the strings
}

type textMatch uint8

const (
	textIs     textMatch = iota // a uri, whole
	textRaw                     // a string, whole, as it stands in the document
	TextBegins                  // what it begins with
	textHolds                   // what it contains
)

func (f *textForm) size() int { return len(f.Texts) }

func (f *textForm) rows(s *sql.Statement, before int64) (parts []string) {
	for _, sc := range f.Texts {
		parts = append(parts, rowsOf(s, "text", sc.Condition(s, "t"), before))
	}
	return parts
}

func (f *textForm) probe(s *sql.Statement, v probedVersion, _ int64) []string {
	var either []string
	for i, sc := range f.Texts {
		if i > 0 && !sc.whole && f.Texts[i-1].whole && sc.Key == f.Texts[i-1].Key && sc.Text == f.Texts[i-1].Text {
			continue // the two ask the same of a version
		}
		either = append(either, "("+sc.Condition(s, probed)+")")
	}
	if len(either) == 0 {
		return nil
	}
	return []string{v.row(s, "text", "("+strings.Join(either, " or ")+")")}
}

func (sc TextScan) Condition(s *sql.Statement, row string) string {
	c := row + ".key = " + s.Arg(sc.Key)
	if row == probed {
		c = "+" + c
	}
	head, rest := row+".head", row+".rest"
	if sc.Form == textRaw {
		return c + " and " + head + " = " + s.Arg([]byte(projections.OrderString(sc.Text))) + " and " + row +
			".raw = " + s.Arg([]byte(sc.Text))
	}
	text := []byte(sc.Text)
	cut := text[:min(len(text), projections.OrderBytes)]
	switch {
	case sc.Form == textIs && len(text) <= projections.OrderBytes:
		c += " and " + head + " = " + s.Arg(text) + " and length(" + rest + ") = 0"
	case sc.Form == textIs:
		c += " and " + head + " = " + s.Arg(cut) + " and " + rest + " = " + s.Arg(text)
	case len(text) == 0:
	case sc.Form == textHolds:
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
		c += " and " + head + " = " + s.Arg(cut) + " and substr(" + rest + ", 1, " + s.Arg(int32(len(text))) +
			") = " + s.Arg(text)
	}
	return c
}
