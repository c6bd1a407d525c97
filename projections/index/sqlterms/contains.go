package sqlterms

import "binnacle/projections"

// words are the beginnings of strings that a text scan stands for.
type words struct{ heads [][]byte }

// holds adds to an access what answers that a string contains a text.
func (x *resolver) holds(key int64, text string, a *access) error {
	set, err := x.sets.WordsOf(key)
	if err != nil {
		return err
	}
	scan := textScan{key: key, form: textHolds, text: text}
	heads, all := [][]byte(nil), false
	if set != nil && text != "" {
		heads, all = set.Holding([]byte(text))
		a.dense = a.dense || !all
	}
	if !all {
		a.texts = append(a.texts, scan)
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
			a.texts = append(a.texts, scan)
		}
	}
	return nil
}
