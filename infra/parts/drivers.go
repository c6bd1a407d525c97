package parts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/dustin/go-humanize"

	"binnacle/events"
	"binnacle/events/kafka"
	memorylog "binnacle/events/memory"
	sqlitelog "binnacle/events/sqlite"
	"binnacle/events/sqlitefile"
	"binnacle/functions"
	"binnacle/projections"
	"binnacle/projections/blobs/cache"
	"binnacle/projections/blobs/cassandra"
	memoryblobs "binnacle/projections/blobs/memory"
	sqliteblobs "binnacle/projections/blobs/sqlite"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir"
	"binnacle/projections/index/current"
	"binnacle/projections/index/postgres"
	sqliteindex "binnacle/projections/index/sqlite"
	"binnacle/projections/index/writebehind"
)

// DefaultTenant is the ledger of all requests that name none.
const DefaultTenant = "main"

// Parts are the open drivers of a variant.
type Parts struct {
	Config      *Config
	Logger      *slog.Logger
	Dialects    *projections.Dialects // each with what is configured for it
	File        *sqlitefile.File      // nil: the variant has none
	Log         events.Log
	Feed        events.Feed
	Blobs       projections.Blobs
	Cache       *cache.Blobs // the blobs' cache, for its figures; nil: there is none
	Generations projections.Generations
	behind      *writebehind.Generations // Generations, when commits wait; nil: none does
	Memos       projections.Memos        // beside the index
	Partitions  int32
	closers     []func() error // in the order of opening
}

// Options say how the parts are opened.
type Options struct {
	Create        bool          // make topic, keyspace and schema when they are missing
	CreateIndex   bool          // make the schema alone
	BlobCache     int64         // bytes; 0: no cache
	SearchTimeout time.Duration // 0: the driver's default
	// how long commits may wait, where no other process commits to the index; 0: none does
	CommitWithin time.Duration
	Exclusive    bool // the data folder is ours: no other process projects into it
}

// Open opens the drivers that the variant stands for.
func Open(ctx context.Context, config *Config, logger *slog.Logger, options Options) (*Parts, error) {
	p := &Parts{Config: config, Logger: logger}
	if err := p.open(ctx, options); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Parts) open(ctx context.Context, options Options) (err error) {
	if p.Dialects, err = LoadDialects(p.Config); err != nil {
		return err
	}
	// A replica's file is made from Kafka by a rebuild too; that of the standalone variant holds the log itself.
	file, err := p.openFile(p.Config, options.Create || options.CreateIndex && p.Config.Variant == "replica")
	if err != nil {
		return err
	}
	if err = p.openLog(ctx, file, options.Create); err != nil {
		return err
	}
	if err = p.openBlobs(ctx, file, options); err != nil {
		return err
	}
	if err = p.openIndex(ctx, file, options); err != nil {
		return err
	}
	ends, err := p.Log.Ends(ctx)
	p.Partitions = int32(len(ends))
	return err
}

// LoadDialects makes the dialects that the program knows. More of them come here: nothing registers itself.
func LoadDialects(config *Config) (*projections.Dialects, error) {
	c, err := LoadCatalog(config)
	if err != nil {
		return nil, err
	}
	return projections.NewDialects(fhir.New(c))
}

// LoadCatalog compiles what can be searched of FHIR.
func LoadCatalog(config *Config) (*catalog.Catalog, error) {
	var more [][]byte
	for _, path := range config.SearchParameters {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		more = append(more, data)
	}
	return catalog.Load(more...)
}

// DatabaseFile is the name of the one SQLite file in the data folder.
const DatabaseFile = "binnacle.db"

// openFile opens the one SQLite file of the variants that have one; nil for the others. One that is missing is made
// only with create: a command that looks at what is stored must not make an empty store in a folder that was mistyped,
// or isn't mounted.
func (p *Parts) openFile(config *Config, create bool) (file *sqlitefile.File, err error) {
	path := filepath.Join(config.Data, DatabaseFile)
	switch config.Variant {
	case "memory":
		file, err = sqlitefile.OpenMemory(p.Logger)
	case "standalone", "replica":
		if _, missing := os.Stat(path); !create && errors.Is(missing, os.ErrNotExist) {
			return nil, noData(config)
		}
		file, err = sqlitefile.Open(path, p.Logger)
	default:
		return nil, nil
	}
	if err == nil {
		p.File = file
		p.closers = append(p.closers, file.Close)
	}
	return file, err
}

func (p *Parts) openLog(ctx context.Context, file *sqlitefile.File, create bool) (err error) {
	switch p.Config.Variant {
	case "memory":
		p.Log = memorylog.Open(p.Config.Kafka.Partitions, p.Logger)
	case "standalone":
		p.Log, err = sqlitelog.Open(ctx, file, p.Logger)
	default:
		settings := kafkaConfig(p.Config)
		if err = kafka.EnsureTopic(ctx, settings, create); err == nil {
			p.Log, err = kafka.Open(ctx, settings, p.Logger)
		}
	}
	if err != nil {
		return err
	}
	p.closers = append(p.closers, p.Log.Close)
	return p.openFeed(ctx, file)
}

// openFeed opens what lies beside the log: the record of what was decided.
func (p *Parts) openFeed(ctx context.Context, file *sqlitefile.File) (err error) {
	switch p.Config.Variant {
	case "memory":
		p.Feed = memorylog.NewFeed()
	case "standalone":
		p.Feed, err = sqlitelog.OpenFeed(ctx, file)
	default:
		p.Feed, err = kafka.OpenFeed(ctx, kafkaConfig(p.Config), p.Logger)
	}
	if err == nil {
		p.closers = append(p.closers, p.Feed.Close)
	}
	return err
}

func (p *Parts) openBlobs(ctx context.Context, file *sqlitefile.File, options Options) (err error) {
	switch p.Config.Variant {
	case "memory":
		p.Blobs = memoryblobs.New()
	case "distributed":
		p.Blobs, err = cassandra.Open(ctx, cassandraConfig(p.Config, p.Logger), options.Create)
	default:
		p.Blobs, err = sqliteblobs.Open(ctx, file)
	}
	if err != nil {
		return err
	}
	if options.BlobCache > 0 {
		p.Cache = cache.New(p.Blobs, options.BlobCache)
		p.Blobs = p.Cache
	}
	p.closers = append(p.closers, p.Blobs.Close)
	return nil
}

func (p *Parts) openIndex(ctx context.Context, file *sqlitefile.File, options Options) (err error) {
	var opened interface {
		projections.Generations
		Memos() projections.Memos
	}
	if p.Config.Variant == "distributed" {
		opened, err = postgres.Open(ctx, postgresConfig(p.Config, p.Logger, p.Dialects.Digest(), options.SearchTimeout), options.Create || options.CreateIndex)
	} else {
		opened, err = sqliteindex.Open(ctx, sqliteindex.Config{File: file, Catalog: p.Dialects.Digest(), Logger: p.Logger, Timeout: options.SearchTimeout,
			Exclusive: options.Exclusive || p.Config.Variant == "memory"}, true)
	}
	if err != nil {
		return err
	}
	p.Generations, p.Memos = opened, opened.Memos()
	if options.CommitWithin > 0 && p.Config.Variant != "distributed" {
		p.behind = writebehind.New(opened, writebehind.Config{Within: options.CommitWithin, Logger: p.Logger})
		p.Generations, p.Blobs = p.behind, p.behind.Blobs(p.Blobs)
	}
	p.closers = append(p.closers, p.Generations.Close)
	return nil
}

// versionCache is the memory for current versions, bytes: some 20,000 of them.
const versionCache = 8 << 20

// MeasuredGenerations are those of a driver that tells how large its tables are.
type MeasuredGenerations interface {
	projections.Generations

	// TableSizes returns the bytes on disk of each table and index of the live generation.
	TableSizes(ctx context.Context) (map[string]int64, error)
}

// OpenIndexAlone opens an index and nothing else, to measure it: a file in the data folder, or a schema. Closing it
// drops the schema unless that is kept.
func OpenIndexAlone(ctx context.Context, config *Config, catalog string, keep bool, logger *slog.Logger) (MeasuredGenerations, func() error, error) {
	if config.Variant == "distributed" {
		settings := postgresConfig(config, logger, catalog, 0)
		generations, err := postgres.Open(ctx, settings, true)
		if err != nil {
			return nil, nil, err
		}
		if keep {
			return generations, generations.Close, nil
		}
		return generations, func() error {
			return errors.Join(generations.Close(), postgres.Drop(context.WithoutCancel(ctx), settings))
		}, nil
	}
	p := &Parts{Logger: logger}
	file, err := p.openFile(config, true)
	if err != nil {
		return nil, nil, err
	}
	generations, err := sqliteindex.Open(ctx, sqliteindex.Config{File: file, Catalog: catalog, Logger: logger}, true)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return generations, func() error { return errors.Join(generations.Close(), file.Close()) }, nil
}

// LogName names the log for people.
func (p *Parts) LogName() string {
	switch p.Config.Variant {
	case "memory":
		return "the log in memory"
	case "standalone":
		return "the log in " + filepath.Join(p.Config.Data, DatabaseFile)
	default:
		return "the topic " + p.Config.Kafka.Topic
	}
}

// Projecting is the index of a catalog as the projector uses it.
func (p *Parts) Projecting(catalog string) projections.Index {
	if p.behind != nil {
		return p.behind.Projecting(catalog)
	}
	return p.Generations.Bound(catalog)
}

// Refused tells why the index takes nothing of what was acknowledged, and since when; nil: it does.
func (p *Parts) Refused() (since time.Time, err error) {
	if p.behind == nil {
		return time.Time{}, nil
	}
	return p.behind.Refused()
}

// Reader is an index as the doors read it: a query for each core, shared by those who ask at once.
func (p *Parts) Reader(index projections.Index) projections.Reader {
	return current.New(index, current.Config{Lanes: runtime.GOMAXPROCS(0), Partitions: p.Partitions, Bytes: versionCache})
}

// Held tells whether some process holds commits to the index back: then it lacks what was decided.
func (p *Parts) Held() (bool, error) {
	if p.File == nil {
		return false, nil
	}
	return sqlitefile.Held(p.File.Path())
}

// Close closes the drivers, the last opened first.
func (p *Parts) Close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		if err := p.closers[i](); err != nil {
			p.Logger.Warn("a part did not close as it should", "error", err)
		}
	}
}

// OpenLog opens the log and its feed alone, for commands that need nothing else, with memos those too.
func OpenLog(ctx context.Context, config *Config, logger *slog.Logger, memos bool) (*Parts, error) {
	p := &Parts{Config: config, Logger: logger}
	file, err := p.openFile(config, false)
	if err == nil {
		err = p.openLog(ctx, file, false)
	}
	if err == nil && memos {
		if p.Dialects, err = LoadDialects(config); err == nil {
			err = p.openIndex(ctx, file, Options{})
		}
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// DropFeed deletes the feed of decisions alone.
func DropFeed(ctx context.Context, config *Config, logger *slog.Logger) error {
	switch config.Variant {
	case "memory":
		return nil
	case "standalone":
		p := &Parts{Config: config, Logger: logger}
		defer p.Close()
		file, err := p.openFile(config, false)
		if err != nil {
			return err
		}
		lock, err := LockFolder(config, false)
		if err != nil {
			return err
		}
		defer lock.Close()
		return sqlitelog.DropFeed(ctx, file)
	default:
		return kafka.DropFeed(ctx, kafkaConfig(config))
	}
}

// Drop deletes what an installation has stored. What isn't there is no error.
func Drop(ctx context.Context, config *Config, logger *slog.Logger) error {
	var failed []error
	if config.Variant == "distributed" {
		failed = append(failed, postgres.Drop(ctx, postgresConfig(config, logger, "", 0)), cassandra.Drop(ctx, cassandraConfig(config, logger)))
	}
	if config.Variant == "distributed" || config.Variant == "replica" {
		failed = append(failed, kafka.Drop(ctx, kafkaConfig(config)))
	}
	if _, missing := os.Stat(config.Data); (config.Variant == "standalone" || config.Variant == "replica") && !errors.Is(missing, os.ErrNotExist) {
		lock, err := LockFolder(config, false)
		if err != nil {
			return err
		}
		defer lock.Close()
		for _, name := range []string{DatabaseFile, DatabaseFile + "-wal", DatabaseFile + "-shm", DatabaseFile + "-build", DatabaseFile + "-build-wal", DatabaseFile + "-build-shm", DatabaseFile + "-held", DatabaseFile + "-still"} {
			if err := os.Remove(filepath.Join(config.Data, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				failed = append(failed, err)
			}
		}
	}
	return errors.Join(failed...)
}

func kafkaConfig(c *Config) kafka.Config {
	k := c.Kafka
	settings := kafka.Config{
		Brokers: k.Brokers, Topic: k.Topic, Partitions: k.Partitions, ReplicationFactor: k.Replication, MinInSyncReplicas: k.MinInSync, AppendTimeout: k.AppendTimeout, SessionTimeout: k.SessionTimeout,
		TLS:  kafka.TLS{Enabled: k.TLSCA != "" || k.TLSCert != "", CAFile: k.TLSCA, CertFile: k.TLSCert, KeyFile: k.TLSKey},
		SASL: kafka.SASL{Mechanism: k.SASLMechanism, User: k.SASLUser, Password: k.SASLPassword},
	}
	// Nodes that share an index share the partitions; a replica reads all of them into an index of its own.
	if c.Variant == "distributed" {
		settings.Group = k.Group
		if settings.Group == "" {
			settings.Group = k.Topic + "-projectors"
		}
	}
	return settings
}

func cassandraConfig(c *Config, logger *slog.Logger) cassandra.Config {
	k := c.Cassandra
	return cassandra.Config{
		Hosts: k.Hosts, Keyspace: k.Keyspace, Replication: k.Replication, ReadConsistency: k.ReadConsistency, WriteConsistency: k.WriteConsistency,
		Concurrency: k.Concurrency, Timeout: k.Timeout, User: k.User, Password: k.Password, TLSCA: k.TLSCA, TLSCert: k.TLSCert, TLSKey: k.TLSKey, Logger: logger,
	}
}

func postgresConfig(c *Config, logger *slog.Logger, catalog string, searchTimeout time.Duration) postgres.Config {
	return postgres.Config{URL: c.Postgres.URL, Schema: c.Postgres.Schema, Connections: c.Postgres.Connections, Catalog: catalog, SearchTimeout: searchTimeout, Logger: logger}
}

// Heal makes the function that brings lost contents back.
func (p *Parts) Heal() *functions.Heal {
	return &functions.Heal{Log: p.Log, Index: p.Generations.Live(), Blobs: p.Blobs, Dialects: p.Dialects}
}

// Empty refuses storage that has anything in its log.
func (p *Parts) Empty(ctx context.Context) error {
	ends, err := p.Log.Ends(ctx)
	if err != nil {
		return err
	}
	for _, end := range ends {
		if end.Next > 0 {
			return fmt.Errorf("the storage is not empty: its log has %s records; --bulk is for the first load alone, import without it into a running server", humanize.Comma(end.Next))
		}
	}
	return nil
}
