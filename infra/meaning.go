package infra

import (
	"context"
	"net/http"
	"time"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/readapi"
)

// meaning is what a node makes of the search parameters that the live generation was made with: its doors and its projector. The
// configuration may say other ones; they count when a rebuild has made a generation with them, and then a new meaning takes the place of
// this one.
type meaning struct {
	generation int
	digest     string // of the generation's catalog
	catalog    *catalog.Catalog
	project    *functions.Project // nil on a node that does not project
	whole      *wholeIndex        // what the doors read
	handler    http.Handler
}

// firstMeaning makes the meaning that the node starts with. The definitions of a catalog that the index has no copy of yet are kept.
func (n *node) firstMeaning(ctx context.Context) error {
	live, err := liveGeneration(ctx, n.generations)
	if err != nil {
		return err
	}
	if live.Catalog == n.parts.catalog.Digest() {
		definitions, err := n.parts.catalog.Definitions()
		if err == nil {
			err = n.generations.Keep(ctx, live.Catalog, definitions)
		}
		if err != nil {
			return err
		}
	}
	m, err := n.newMeaning(ctx, live)
	if err != nil {
		return err
	}
	if n.rebuildDue(live) {
		n.logger.Warn("a rebuild is due: the configured search parameters are not those that the index was made with. They count when binnacle rebuild has been run, which may be done beside this server; until then the ones of the index do",
			"generation", live.Number)
	}
	n.meaning.Store(m)
	return nil
}

// rebuildDue tells whether the live generation has other search parameters than the configuration.
func (p *parts) rebuildDue(live projections.Generation) bool {
	return live.Catalog != p.catalog.Digest()
}

// liveGeneration returns the one that is live.
func liveGeneration(ctx context.Context, generations projections.Generations) (projections.Generation, error) {
	list, err := generations.List(ctx)
	if err != nil {
		return projections.Generation{}, err
	}
	for _, g := range list {
		if g.State == "live" {
			return g, nil
		}
	}
	return projections.Generation{}, events.Errorf(events.Internal, "infra.node", "the index has no live generation; drop the index and run binnacle init and binnacle rebuild")
}

// newMeaning makes doors and projector for a generation. Everything in it reads and writes generations of this catalog alone.
func (n *node) newMeaning(ctx context.Context, live projections.Generation) (*meaning, error) {
	m := &meaning{generation: live.Number, digest: live.Catalog, catalog: n.parts.catalog}
	if n.rebuildDue(live) {
		var err error
		if m.catalog, err = functions.CatalogOf(ctx, n.generations, live.Catalog); events.KindOf(err) == events.NotFound {
			return nil, events.Errorf(events.Conflict, "infra.node", "the index was made with other search parameters than the configured ones, and what they were is not known any more; run binnacle rebuild, or start with the ones it was made with")
		} else if err != nil {
			return nil, err
		}
		if m.catalog.Digest() != live.Catalog {
			n.logger.Warn("the index was made by another version of the program, which read search parameters differently: what is written from now on is indexed as this version does, until binnacle rebuild has been run", "generation", live.Number)
		}
	}
	index := n.generations.Bound(live.Catalog)
	heal := &functions.Heal{Log: n.log, Index: index, Blobs: n.blobs, Catalog: m.catalog}
	if n.follower != nil {
		m.project = &functions.Project{Index: index, Blobs: n.blobs, Catalog: m.catalog, Waiters: n.waiters, Publish: n.publish, Fit: n.fit, LogID: n.logID, Heal: heal, Reseek: n.follower.Reseek, Ahead: true, Logger: n.logger}
	}
	var err error
	m.whole = newWholeIndex(n.reader(index), n.log, index)
	m.handler, err = n.newDoors(m, index, heal)
	return m, err
}

// dangling is the value of --references that lets them lead to nothing.
const dangling = "dangling"

// newDoors makes the HTTP side: the reading router with the write door mounted in it.
func (n *node) newDoors(m *meaning, index projections.Index, heal *functions.Heal) (http.Handler, error) {
	limits := n.config.Limits
	outer := &late{}
	config := readapi.Config{
		Base: n.config.Base, PublicURL: n.config.PublicURL, TrustedProxies: n.config.Proxies, CORSOrigins: n.config.Origins, AccessLog: n.config.AccessLog, Tenant: defaultTenant, Tenants: n.config.Tenants, Partitions: n.partitions, Log: n.logID,
		Catalog: m.catalog, Health: n.healthParts(), Lost: n.lost, Stopping: n.stopping.Done(), Registry: n.registry, Logger: n.logger, Version: version(), Lenient: limits.Handling == "lenient", MaxValues: limits.MaxValues, Dangling: limits.References == dangling,
		DefaultCount: limits.DefaultCount, MaxCount: limits.MaxCount, SearchTime: limits.SearchTimeout, PositionWait: limits.PositionWait,
	}
	if n.has(roleRead) {
		config.Reader, config.Blobs, config.Heal = m.whole, n.blobs, heal.Handle
	}
	if n.has(roleWrite) {
		write := &functions.Write{
			Log: n.log, Index: index, IndexReady: n.generations.Ready, Blobs: n.blobs, Catalog: m.catalog, Waiters: n.waiters, Tenant: defaultTenant,
			Partitions: n.partitions, Now: time.Now, NewID: newID, Logger: n.logger, Heal: heal, Fit: n.fit, Left: n.left.Inc, Dangling: limits.References == dangling,
			Limits: functions.Limits{BodyBytes: limits.MaxBody, BodiesBytes: limits.BodyMemory, OutcomeWait: limits.OutcomeWait, LagRecords: limits.MaxLag, KeyWindow: limits.KeyWindow},
		}
		config.Write = write.Door(n.config.Base, outer)
	}
	server, err := readapi.New(config)
	if err != nil {
		return nil, err
	}
	outer.handler = server
	return server, nil
}

// followEvery is how often a node looks which generation is live and how far the next one is.
const followEvery = 250 * time.Millisecond

// followMeaning takes over the search parameters of the generation that has become live, until ctx ends.
func (n *node) followMeaning(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := n.follow(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			n.logger.Error("the node can't follow the generations of the index; it tries again until it can", "error", err)
		}
		failing = err != nil
	}
}

func (n *node) follow(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	list, err := n.generations.List(bounded)
	if err != nil {
		return err
	}
	n.watch.look(bounded, list)
	for _, g := range list {
		if g.State != "live" {
			continue
		}
		before := n.meaning.Load()
		if g.Number == before.generation {
			return nil
		}
		if g.Catalog == before.digest {
			same := *before
			same.generation = g.Number
			n.meaning.Store(&same)
			n.logger.Info("another generation of the index is live", "generation", g.Number)
			return nil
		}
		m, err := n.newMeaning(bounded, g)
		if err != nil {
			return err
		}
		if err := n.seesGeneration(bounded, g); err != nil {
			return err
		}
		n.meaning.Store(m)
		if n.follower != nil {
			n.follower.Reseek()
		}
		n.logger.Info("another generation of the index is live, with other search parameters", "generation", g.Number)
	}
	return nil
}

// seesGeneration waits until calls in terms of a generation's catalog are answered: for a moment the driver may know the one before.
func (n *node) seesGeneration(ctx context.Context, g projections.Generation) error {
	index := n.generations.Bound(g.Catalog)
	for {
		_, err := index.State(ctx, 0)
		if err == nil || events.KindOf(err) != events.Transient {
			return err
		}
		select {
		case <-time.After(followEvery / 10):
		case <-ctx.Done():
			return err
		}
	}
}
