package reads

import "binnacle/events"

// Moved is the refusal of a commit that was based on another generation's state.
func Moved(based, live int) error {
	return events.Errorf(events.Conflict, "index.Commit",
		"generation %d is live and not %d, which the state came from; read the state again", live, based)
}

// Paused is the refusal of a commit to a generation that is about to be replaced.
func Paused() error {
	return events.Errorf(events.Transient, "index.Commit",
		"a rebuilt generation is about to take over; commits wait until it has")
}

// Lapsed is the refusal of a switch that came after its pause had run out.
func Lapsed(number int) error {
	return events.Errorf(events.Conflict, "index.Switch",
		"the pause before the switch to generation %d has run out, and the live one may have gone on; "+
			"catch up and switch again", number)
}

// Rebound is the refusal of a call in terms of a catalog that the live generation does not have.
func Rebound(generation int) error {
	return events.Errorf(events.Transient, "index.Bound",
		"the search parameters are changing: generation %d is live and has others; ask again", generation)
}

// NoDefinitions is the answer when nothing was kept of a catalog.
func NoDefinitions(catalog string) error {
	return events.Errorf(events.NotFound, "index.Definitions",
		"the index has kept no definitions of the search parameters %.12s", catalog)
}

// NotOld is the refusal to go on with a generation that is not old.
func NotOld(number int, state string) error {
	if state == "" {
		return events.Errorf(events.NotFound, "index.Reopen", "there is no generation %d", number)
	}
	return events.Errorf(events.Conflict, "index.Reopen", "generation %d is %s; only an old one can take over again",
		number, state)
}
