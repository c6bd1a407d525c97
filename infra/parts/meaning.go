package parts

import (
	"context"

	"binnacle/events"

	"binnacle/functions/rebuild"
	"binnacle/projections"
)

// RebuildDue tells whether the live generation has other search parameters than the configuration, or reads them
// differently.
func (p *Parts) RebuildDue(live projections.Generation) bool {
	return live.Catalog != p.Dialects.Digest()
}

// Due is why a rebuild is due; the zero one: none is.
type Due struct {
	// the index was made with other definitions than those of the configuration and of this version of the program
	Parameters bool
	// another version of the program made the index, and this one reads the same definitions differently
	Reading bool
}

func (d Due) String() string {
	const (
		parameters = "the configured search parameters, and those that come with this version of the program, are " +
			"not those that the index was made with"
		reading = "another version of the program made the index, which read search parameters differently"
	)
	switch d {
	case Due{Parameters: true}:
		return parameters
	case Due{Reading: true}:
		return reading
	case Due{Parameters: true, Reading: true}:
		return parameters + "; and " + reading
	}
	return ""
}

// MeaningOf returns the dialects of the live generation, as this program reads its definitions, and why a rebuild is
// due. Kind NotFound: the index was made with other definitions than the configured ones, and what they were is not
// known.
func (p *Parts) MeaningOf(ctx context.Context, live projections.Generation) (*projections.Dialects, Due, error) {
	if !p.RebuildDue(live) {
		return p.Dialects, Due{}, nil
	}
	d, err := rebuild.DialectsOf(ctx, p.Dialects, p.Generations, live.Catalog)
	if err != nil {
		return nil, Due{Parameters: true}, err
	}
	return d, Due{Parameters: d.Digest() != p.Dialects.Digest(), Reading: d.Digest() != live.Catalog}, nil
}

// LiveGeneration returns the one that is live.
func LiveGeneration(ctx context.Context, generations projections.Builders) (projections.Generation, error) {
	list, err := generations.List(ctx)
	if err != nil {
		return projections.Generation{}, err
	}
	for _, g := range list {
		if g.State == "live" {
			return g, nil
		}
	}
	return projections.Generation{}, events.Errorf(events.Internal, "infra.node",
		"the index has no live generation; drop the index and run binnacle init and binnacle rebuild")
}
