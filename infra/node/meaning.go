package node

import (
	"context"
	"net/http"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/functions"
	"binnacle/functions/door"
	"binnacle/functions/project"
	"binnacle/functions/write"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
	"binnacle/projections"
	"binnacle/projections/fhir"
	"binnacle/readapi"
)

// meaning is what a node makes of the search parameters that the live generation was made with: its doors and its
// projector. The configuration may say other ones; they count when a rebuild has made a generation with them, and then
// a new meaning takes the place of this one.
type meaning struct {
	generation int
	digest     string // of what the generation's dialects search by
	dialects   *projections.Dialects
	due        parts.Due          // why a rebuild is due
	project    *project.Projector // nil on a node that does not project
	whole      *wholeIndex        // what the doors read
	handler    http.Handler
	table      *rest.Table // of what the node offers
}

// firstMeaning makes the meaning that the node starts with. Definitions that the index has no copy of yet are kept.
func (n *Node) firstMeaning(ctx context.Context) error {
	live, err := parts.LiveGeneration(ctx, n.Generations)
	if err != nil {
		return err
	}
	if live.Catalog == n.Dialects.Digest() {
		definitions, err := n.Dialects.Definitions()
		if err == nil {
			err = n.Generations.Keep(ctx, live.Catalog, definitions)
		}
		if err != nil {
			return err
		}
	}
	m, err := n.newMeaning(ctx, live)
	if err != nil {
		return err
	}
	n.take(m)
	return nil
}

// newMeaning makes doors and projector for a generation. Everything in it reads and writes generations of these
// definitions alone.
func (n *Node) newMeaning(ctx context.Context, live projections.Generation) (*meaning, error) {
	m := &meaning{generation: live.Number, digest: live.Catalog}
	var err error
	if m.dialects, m.due, err = n.MeaningOf(ctx, live); events.KindOf(err) == events.NotFound {
		return nil, events.Errorf(events.Conflict, "infra.node", "the index was made with other search parameters than the configured ones, and what they were is not known any more; run binnacle rebuild, or start with the ones it was made with")
	} else if err != nil {
		return nil, err
	}
	index := n.Generations.Bound(live.Catalog)
	heal := &functions.Heal{Log: n.Log, Index: index, Blobs: n.Blobs, Dialects: m.dialects}
	if n.follower != nil {
		m.project = &project.Projector{Index: n.Projecting(live.Catalog), Blobs: n.Blobs, Dialects: m.dialects, Told: n.waiters.Resolve, Publish: n.publish, Fit: n.fit, LogID: n.logID, Heal: heal, Fresh: &n.fresh, Reseek: n.follower.Reseek, Ahead: true, Logger: n.Logger}
	}
	m.whole = newWholeIndex(n.Reader(index), n.Log, index)
	m.handler, err = n.newDoors(m, index, heal)
	return m, err
}

// take makes a meaning that of the node, and says so when a rebuild is due.
func (n *Node) take(m *meaning) {
	n.meaning.Store(m)
	if m.due == (parts.Due{}) {
		return
	}
	text := "a rebuild is due: " + m.due.String() + "; binnacle rebuild may be run beside this server"
	if m.due.Parameters {
		text += "; until then the search parameters of the index count"
	}
	if m.due.Reading {
		text += "; until then what is written is indexed as this version does"
	}
	n.Logger.Warn(text, "generation", m.generation)
}

// dangling is the value of --references that lets them lead to nothing.
const dangling = "dangling"

// deletesOf are the limits of deletes.
func deletesOf(limits parts.Limits) door.Deletes {
	deletes := door.Deletes{Cascade: limits.Cascade}
	if limits.ConditionalDelete == parts.Multiple {
		deletes.Many, deletes.All = limits.DeleteLimit, limits.DeleteAll
	}
	return deletes
}

// newDoors makes the HTTP side: the reading router with the write door mounted in it.
func (n *Node) newDoors(m *meaning, index projections.Index, heal *functions.Heal) (http.Handler, error) {
	limits, known := n.config.Limits, fhir.CatalogOf(m.dialects)
	config := readapi.Config{
		Base: n.config.Base, PublicURL: n.config.PublicURL, TrustedProxies: n.config.Proxies, CORSOrigins: n.config.Origins, AccessLog: n.config.AccessLog, Tenant: parts.DefaultTenant, Tenants: n.config.Tenants, Partitions: n.Partitions, Log: n.logID,
		Catalog: known, Health: n.healthParts(), Lost: n.lost, Stopping: n.Stopping.Done(), Registry: n.registry, Logger: n.Logger, Version: terminal.Version(), Lenient: limits.Handling == "lenient", MaxValues: limits.MaxValues, Dangling: limits.References == dangling,
		DefaultCount: limits.DefaultCount, MaxCount: limits.MaxCount, SearchTime: limits.SearchTimeout, Later: n.jobs.Begin, LaterTime: limits.SearchTimeLater(), PositionWait: limits.PositionWait,
	}
	if n.has(roleRead) {
		config.Reader, config.Blobs, config.Memos, config.Heal = m.whole, n.Blobs, n.Memos, heal.Handle
	}
	var front *door.Door
	if n.has(roleWrite) {
		writer := &write.Writer{
			Log: n.Log, Index: index, IndexReady: n.watch.ready, IndexAway: n.watch.lastAway, Blobs: n.Blobs, Dialects: m.dialects, Waiters: n.waiters,
			Partitions: n.Partitions, Now: time.Now, Fit: n.fit, Limits: write.Limits{OutcomeWait: limits.OutcomeWait, LagRecords: limits.MaxLag},
		}
		if m.project != nil {
			writer.Trouble = m.project.TroubleOf
		}
		front = door.New(door.Config{
			Write: writer, Blobs: n.Blobs, Catalog: known, Now: time.Now, NewID: n.fresh.New,
			Base: n.config.Base, Tenant: parts.DefaultTenant, Deletes: deletesOf(limits), Dangling: limits.References == dangling, Heal: heal, Logger: n.Logger, Left: n.left.Inc,
			Limits: door.Limits{BodyBytes: limits.MaxBody, BodiesBytes: limits.BodyMemory, KeyWindow: limits.KeyWindow},
		})
		config.Writes = front.Rows()
	}
	config.Writes = append(config.Writes, n.jobs.Rows()...)
	server, err := readapi.New(config)
	if err != nil {
		return nil, err
	}
	if front != nil {
		front.Within(server.Table(), server.Reads)
	}
	m.table = server.Table()
	return server, nil
}

// followEvery is how often a node looks which generation is live and how far the next one is.
const followEvery = 250 * time.Millisecond

// followMeaning takes over the search parameters of the generation that has become live, until ctx ends.
func (n *Node) followMeaning(ctx context.Context) {
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
			n.Logger.Error("the node can't follow the generations of the index; it tries again until it can", "error", err)
		}
		failing = err != nil
	}
}

func (n *Node) follow(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	list, err := n.Generations.List(bounded)
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
			n.Logger.Info("another generation of the index is live", "generation", g.Number)
			return nil
		}
		m, err := n.newMeaning(bounded, g)
		if err != nil {
			return err
		}
		if err := n.seesGeneration(bounded, g); err != nil {
			return err
		}
		n.take(m)
		if n.follower != nil {
			n.follower.Reseek()
		}
		n.Logger.Info("another generation of the index is live, with other search parameters", "generation", g.Number)
	}
	return nil
}

// seesGeneration waits until calls in terms of a generation's catalog are answered: for a moment the driver may know
// the one before.
func (n *Node) seesGeneration(ctx context.Context, g projections.Generation) error {
	index := n.Generations.Bound(g.Catalog)
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
