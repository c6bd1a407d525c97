package clause

import "binnacle/projections"

// words are the beginnings of strings that a text scan stands for.
type words struct{ heads [][]byte }

// holds adds to an access what answers that a string contains a text.
func (x *Resolver) holds(key int64, text string, a *Access) error {
	set, err := x.Sets.WordsOf(key)
	if err != nil {
		return err
	}
	scan := TextScan{Key: key, Form: textHolds, Text: text}
	heads, all := [][]byte(nil), false
	if set != nil && text != "" {
		heads, all = set.Holding([]byte(text))
		a.Dense = a.Dense || !all
	}
	if !all {
		a.Texts = append(a.Texts, scan)
		return nil
	}
	var whole, begun [][]byte
	for _, head := range heads {
		if len(head) < projections.OrderBytes {
			whole = append(whole, head)
		} else {
			begun = append(begun, head)
		}
	}
	for _, part := range []struct {
		heads [][]byte
		whole bool
	}{{whole, true}, {begun, false}} {
		if len(part.heads) > 0 {
			scan.among, scan.whole = &words{part.heads}, part.whole
			a.Texts = append(a.Texts, scan)
		}
	}
	return nil
}
