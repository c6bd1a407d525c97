package projectionstest

import (
	"context"
	"fmt"
	"testing"

	"binnacle/projections"
)

// Index runs the suite of the search index. open opens a new, empty index each time, whose first generation has the
// catalog "catalog-1", and closes it when the test ends. later: its commits may take effect before they are stored, so
// that a store that is away is told of later.
func Index(t *testing.T, open func(t testing.TB) projections.Generations, later bool) {
	for name, run := range map[string]func(t *testing.T, g projections.Generations){
		"a new index stands at the start of every partition":                    startsEmpty,
		"a commit that comes twice takes effect once":                           commitTwice,
		"no version is there before its content":                                contentsFirst(later),
		"of two writers at one place exactly one wins":                          writersRace,
		"a commit without versions moves the position":                          emptyCommit,
		"Sids with a gap are refused and nothing is written":                    sidsWithGap,
		"partitions are independent":                                            partitions,
		"current versions come in the order of the keys":                        currentVersions,
		"outcomes come back as they were decided":                               outcomes,
		"quarantined records come back with their bytes":                        quarantined,
		"changes since a mark are told, all or none":                            since,
		"decisions come in the order of the log, also those of quarantine":      decisions,
		"what was decided about a quarantined record stands":                    settled,
		"a claim is there until another one takes its place":                    claims,
		"a history is read newest first, in pages and spans":                    history,
		"random histories are what the model tells":                             randomHistories,
		"tenants do not see each other":                                         tenants,
		"dates are compared as ranges with every prefix":                        datePrefixes,
		"numbers are compared with every prefix":                                numberPrefixes,
		"strings are found by prefix, whole and inside":                         stringModifiers,
		"uris are found whole, below and above":                                 uriModifiers,
		"tokens are found by code, by system, by both and by neither":           tokenForms,
		"references are found by type and id, by id, by URL and by identifier":  referenceForms,
		"quantities are found in a unit, by a printed unit and without one":     quantityForms,
		":missing and :not tell versions apart that lack a parameter":           missingAndNot,
		"a chain finds what versions contain":                                   insides,
		"_id and _lastUpdated are parameters like others":                       idAndUpdated,
		"a deleted resource is not found until it is written again":             deletions,
		"pages stay as they were while others write":                            stablePages,
		"types have the orders by _lastUpdated and _id in common":               commonOrder,
		"a position has its snapshot":                                           snapshotAt,
		"a search tells what was weighed when that is asked":                    explained,
		"totals are those of the snapshot":                                      totals,
		"searches that are asked at once find what each alone finds":            searchesAtOnce,
		"a page token that is not one of this search is refused":                badTokens,
		"what the index does not answer is refused by name":                     refusals,
		"values of any length and any bytes are found again":                    extremeValues,
		"a collision of hashes is not needed to tell similar values apart":      similarValues,
		"versions are scanned in order with digests that say what they hold":    scans,
		"the digests of the same versions are the same on every day":            goldenDigests,
		"sizes count what there is":                                             sizes,
		"an index tells what it counts, and that it lacks nothing":              audits,
		"watchers hear of commits":                                              watch,
		"a generation is built beside the live one and takes its place":         buildAndSwitch,
		"a generation that is built tells current versions":                     currentWhileBuilding,
		"a generation that is built takes no version twice":                     repeatedWhileBuilding,
		"a Finish that was interrupted goes on":                                 interruptedFinish,
		"a commit that was based on the generation before the switch is fenced": fencedBySwitch,
		"one generation is built at a time and an unfinished one goes on":       exclusiveBuild,
		"the live generation cannot be dropped, an old one can":                 dropGenerations,
		"a generation that is being built answers searches":                     searchWhileBuilding,
		"who refers to a resource is told":                                      referrers,
		"who refers to a resource is told where very many do":                   manyReferrers,
		"a generation that is being built tells who refers to a resource":       referrersWhileBuilding,
		"a position has the digest that its commit gave":                        digestsOfStates,
		"commits wait during a pause, and a switch must come within it":         pauses,
		"a generation that was live before can catch up and take over again":    reopens,
		"the definitions of a catalog are there as long as a generation":        keepsDefinitions,
		"a sweep removes what no snapshot sees and nothing else":                sweeps,
		"a sweep that stops anywhere goes on there":                             sweepGoesOn,
		"a sweep leaves alone what is superseded while it runs":                 sweepBesideWrites,
		"one sweep runs at a time":                                              sweepIsExclusive,
		"what is bound to a catalog is never answered in terms of another":      boundToACatalog,
	} {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
	IndexSeeds(t, open, 1, 2)
}

// IndexWhole runs the part of the suite that takes minutes under the race detector, and in which it has nothing to see.
func IndexWhole(t *testing.T, open func(t testing.TB) projections.Generations) {
	for name, run := range map[string]func(t *testing.T, g projections.Generations){
		"what thousands of versions have is found in order and by its plan": commonValues(true),
		"clauses with very many alternatives are answered or refused":       manyAlternatives,
		"thousands of ids, codes and references are asked for at once":      thousands,
		"what strings contain is found":                                     contained,
		"what strings begin with is found in the order of the strings":      begunInOrder,
		"a type of which most rows are superseded is found in every order":  mostlySuperseded(true),
		"versions that were superseded at once do not stand in the way":     newestSuperseded,
		"lists of resources with very many versions are refused":            manyListed,
	} {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
	IndexSeeds(t, open, 2, 5)
}

// IndexSearches runs the part of the suite that is about searches, for an index whose planner is told to go other ways
// than it would with as few versions as a test has: with it each way to answer is taken often.
func IndexSearches(t *testing.T, open func(t testing.TB) projections.Generations) {
	for name, run := range map[string]func(t *testing.T, g projections.Generations){
		"searches that are asked at once find what each alone finds":       searchesAtOnce,
		"tenants do not see each other":                                    tenants,
		"dates are compared as ranges with every prefix":                   datePrefixes,
		"numbers are compared with every prefix":                           numberPrefixes,
		"tokens are found by code, by system, by both and by neither":      tokenForms,
		"quantities are found in a unit, by a printed unit and without":    quantityForms,
		":missing and :not tell versions apart that lack a parameter":      missingAndNot,
		"a chain finds what versions contain":                              insides,
		"a deleted resource is not found until it is written again":        deletions,
		"pages stay as they were while others write":                       stablePages,
		"what thousands of versions have is found in order":                commonValues(false),
		"totals are those of the snapshot":                                 totals,
		"what strings contain is found":                                    contained,
		"what strings begin with is found in the order of the strings":     begunInOrder,
		"a type of which most rows are superseded is found in every order": mostlySuperseded(false),
		"clauses with very many alternatives are answered or refused":      manyAlternatives,
		"a collision of hashes is not needed to tell similar values apart": similarValues,
		"chains that are asked for again are answered as of the snapshot":  followsAgain(false),
		"chains are answered while what is superseded is swept":            followsAgain(true),
	} {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
	IndexSeeds(t, open, 0, 2)
}

// IndexSeeds asks random searches of random versions and compares with the model, once for each seed from first to
// last-1; every third seed also while superseded rows are swept. Index takes seed 1, IndexWhole 2 to 4, IndexSearches 0
// and 1.
func IndexSeeds(t *testing.T, open func(t testing.TB) projections.Generations, first, last uint64) {
	for seed := first; seed < last; seed++ {
		t.Run(fmt.Sprintf("random searches find what the model finds, in its order, seed %d", seed),
			func(t *testing.T) {
				randomSearches(t, open(t), seed, seed%2 == 1, int32(seed%3), false)
			})
		if seed%3 > 0 {
			continue
		}
		t.Run(fmt.Sprintf("random searches find what the model finds while superseded rows are swept, seed %d", seed),
			func(t *testing.T) {
				randomSearches(t, open(t), seed+100, seed/3%2 == 1, int32(seed/3%3), true)
			})
	}
}

// Warmer is an index that keeps in memory what helps it to answer, and reads that beside the searches. They are asked
// without it and with it.
type Warmer interface {
	Chill()                           // forgets what is in memory
	Settle(ctx context.Context) error // waits until nothing is being read
}

func chill(g projections.Generations) {
	if w, is := g.(Warmer); is {
		w.Chill()
	}
}

func settle(t *testing.T, g projections.Generations) {
	t.Helper()
	if w, is := g.(Warmer); is {
		if err := w.Settle(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
}
