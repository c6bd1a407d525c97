package writebehind

// holdsOf are the holds of all partitions, of each the newest first.
func holdsOf(partitions map[int32]*partition) (holds []*hold) {
	for _, p := range partitions {
		for _, h := range []*hold{p.waiting, p.flushing} {
			if h != nil {
				holds = append(holds, h)
			}
		}
	}
	return holds
}

// answers are what is known in memory of what was asked for, and what is missing there.
type answers[K, V any] struct {
	found   []V
	missing []K
	places  []int // of missing, in found; nil: all is missing
}

// answersOf looks what is wanted up in what waits, the newest first. The caller holds mu.
func answersOf[K, V any](partitions map[int32]*partition, wanted []K, in func(*hold, K) (V, bool)) answers[K, V] {
	holds := holdsOf(partitions)
	if len(holds) == 0 {
		return answers[K, V]{missing: wanted}
	}
	a := answers[K, V]{found: make([]V, len(wanted)), places: []int{}}
wanted:
	for i, k := range wanted {
		for _, h := range holds {
			if v, has := in(h, k); has {
				a.found[i] = v
				continue wanted
			}
		}
		a.missing, a.places = append(a.missing, k), append(a.places, i)
	}
	return a
}

// completed asks for what is missing, and returns all in the order in which it was asked for.
func (a *answers[K, V]) completed(ask func(missing []K) ([]V, error)) ([]V, error) {
	if len(a.missing) == 0 {
		return a.found, nil
	}
	if a.places == nil {
		return ask(a.missing)
	}
	asked, err := ask(a.missing)
	if err != nil {
		return nil, err
	}
	for i, place := range a.places {
		a.found[place] = asked[i]
	}
	return a.found, nil
}
