package infra

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"binnacle/events"
	"binnacle/events/kafka"
	memorylog "binnacle/events/memory"
	sqlitelog "binnacle/events/sqlite"
	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/blobs/cache"
	"binnacle/projections/blobs/cassandra"
	memoryblobs "binnacle/projections/blobs/memory"
	sqliteblobs "binnacle/projections/blobs/sqlite"
	"binnacle/projections/catalog"
	"binnacle/projections/index/postgres"
	sqliteindex "binnacle/projections/index/sqlite"
	"binnacle/projections/index/together"
)

// defaultTenant is the ledger of all requests that name none.
const defaultTenant = "main"

// parts are the open drivers of a variant.
type parts struct {
	config      *Config
	logger      *slog.Logger
	catalog     *catalog.Catalog
	file        *sqlitefile.File // nil: the variant has none
	log         events.Log
	feed        events.Feed
	blobs       projections.Blobs
	cache       *cache.Blobs // the blobs' cache, for its figures; nil: there is none
	generations projections.Generations
	partitions  int32
	closers     []func() error // in the order of opening
}

// partsOptions say how the parts are opened.
type partsOptions struct {
	create        bool          // make topic, keyspace and schema when they are missing
	createIndex   bool          // make the schema alone
	blobCache     int64         // bytes; 0: no cache
	searchTimeout time.Duration // 0: the driver's default
	exclusive     bool          // the data folder is ours: no other process projects into it
}

// openParts opens the drivers that the variant stands for.
func openParts(ctx context.Context, config *Config, logger *slog.Logger, options partsOptions) (*parts, error) {
	p := &parts{config: config, logger: logger}
	if err := p.open(ctx, options); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *parts) open(ctx context.Context, options partsOptions) (err error) {
	if p.catalog, err = loadCatalog(p.config); err != nil {
		return err
	}
	// A replica's file is made from Kafka by a rebuild too; that of the standalone variant holds the log itself.
	file, err := p.openFile(p.config, options.create || options.createIndex && p.config.Variant == "replica")
	if err != nil {
		return err
	}
	if err = p.openLog(ctx, file, options.create); err != nil {
		return err
	}
	if err = p.openBlobs(ctx, file, options); err != nil {
		return err
	}
	if err = p.openIndex(ctx, file, options); err != nil {
		return err
	}
	ends, err := p.log.Ends(ctx)
	p.partitions = int32(len(ends))
	return err
}

func loadCatalog(config *Config) (*catalog.Catalog, error) {
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

// databaseFile is the name of the one SQLite file in the data folder.
const databaseFile = "binnacle.db"

// openFile opens the one SQLite file of the variants that have one; nil for the others. One that is missing is made only with create: a command that
// looks at what is stored must not make an empty store in a folder that was mistyped, or isn't mounted.
func (p *parts) openFile(config *Config, create bool) (file *sqlitefile.File, err error) {
	path := filepath.Join(config.Data, databaseFile)
	switch config.Variant {
	case "memory":
		file, err = sqlitefile.OpenMemory(p.logger)
	case "standalone", "replica":
		if _, missing := os.Stat(path); !create && errors.Is(missing, os.ErrNotExist) {
			return nil, events.Errorf(events.Invalid, "infra.openFile", "there is no %s; name the folder of the data with --data, or make it with binnacle init or binnacle serve", path)
		}
		file, err = sqlitefile.Open(path, p.logger)
	default:
		return nil, nil
	}
	if err == nil {
		p.file = file
		p.closers = append(p.closers, file.Close)
	}
	return file, err
}

func (p *parts) openLog(ctx context.Context, file *sqlitefile.File, create bool) (err error) {
	switch p.config.Variant {
	case "memory":
		p.log = memorylog.Open(p.config.Kafka.Partitions, p.logger)
	case "standalone":
		p.log, err = sqlitelog.Open(ctx, file, p.logger)
	default:
		settings := kafkaConfig(p.config)
		if err = kafka.EnsureTopic(ctx, settings, create); err == nil {
			p.log, err = kafka.Open(ctx, settings, p.logger)
		}
	}
	if err != nil {
		return err
	}
	p.closers = append(p.closers, p.log.Close)
	return p.openFeed(ctx, file)
}

// openFeed opens what lies beside the log: the record of what was decided.
func (p *parts) openFeed(ctx context.Context, file *sqlitefile.File) (err error) {
	switch p.config.Variant {
	case "memory":
		p.feed = memorylog.NewFeed()
	case "standalone":
		p.feed, err = sqlitelog.OpenFeed(ctx, file)
	default:
		p.feed, err = kafka.OpenFeed(ctx, kafkaConfig(p.config), p.logger)
	}
	if err == nil {
		p.closers = append(p.closers, p.feed.Close)
	}
	return err
}

func (p *parts) openBlobs(ctx context.Context, file *sqlitefile.File, options partsOptions) (err error) {
	switch p.config.Variant {
	case "memory":
		p.blobs = memoryblobs.New()
	case "distributed":
		p.blobs, err = cassandra.Open(ctx, cassandraConfig(p.config, p.logger), options.create)
	default:
		p.blobs, err = sqliteblobs.Open(ctx, file)
	}
	if err != nil {
		return err
	}
	if options.blobCache > 0 {
		p.cache = cache.New(p.blobs, options.blobCache)
		p.blobs = p.cache
	}
	p.closers = append(p.closers, p.blobs.Close)
	return nil
}

func (p *parts) openIndex(ctx context.Context, file *sqlitefile.File, options partsOptions) (err error) {
	if p.config.Variant == "distributed" {
		p.generations, err = postgres.Open(ctx, postgresConfig(p.config, p.logger, p.catalog.Digest(), options.searchTimeout), options.create || options.createIndex)
	} else {
		p.generations, err = sqliteindex.Open(ctx, sqliteindex.Config{File: file, Catalog: p.catalog.Digest(), Logger: p.logger, Timeout: options.searchTimeout,
			Exclusive: options.exclusive || p.config.Variant == "memory"}, true)
	}
	if err == nil {
		p.closers = append(p.closers, p.generations.Close)
	}
	return err
}

// versionCache is the memory for current versions, bytes: some 20,000 of them.
const versionCache = 8 << 20

// measuredGenerations are those of a driver that tells how large its tables are.
type measuredGenerations interface {
	projections.Generations

	// TableSizes returns the bytes on disk of each table and index of the live generation.
	TableSizes(ctx context.Context) (map[string]int64, error)
}

// openIndexAlone opens an index and nothing else, to measure it: a file in the data folder, or a schema. Closing it drops the schema unless
// that is kept.
func openIndexAlone(ctx context.Context, config *Config, catalog string, keep bool, logger *slog.Logger) (measuredGenerations, func() error, error) {
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
	p := &parts{logger: logger}
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

// logName names the log for people.
func (p *parts) logName() string {
	switch p.config.Variant {
	case "memory":
		return "the log in memory"
	case "standalone":
		return "the log in " + filepath.Join(p.config.Data, databaseFile)
	default:
		return "the topic " + p.config.Kafka.Topic
	}
}

// reader is an index as the doors read it: a query for each core, shared by those who ask at once.
func (p *parts) reader(index projections.Index) projections.Reader {
	return together.New(index, together.Config{Lanes: runtime.GOMAXPROCS(0), Partitions: p.partitions, Bytes: versionCache})
}

// Close closes the drivers, the last opened first.
func (p *parts) Close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		if err := p.closers[i](); err != nil {
			p.logger.Warn("a part did not close as it should", "error", err)
		}
	}
}

// openLog opens the log and its feed alone, for commands that need nothing else.
func openLog(ctx context.Context, config *Config, logger *slog.Logger) (events.Log, events.Feed, func(), error) {
	p := &parts{config: config, logger: logger}
	file, err := p.openFile(config, false)
	if err == nil {
		err = p.openLog(ctx, file, false)
	}
	if err != nil {
		p.Close()
		return nil, nil, nil, err
	}
	return p.log, p.feed, p.Close, nil
}

// dropFeed deletes the feed of decisions alone.
func dropFeed(ctx context.Context, config *Config, logger *slog.Logger) error {
	switch config.Variant {
	case "memory":
		return nil
	case "standalone":
		p := &parts{config: config, logger: logger}
		defer p.Close()
		file, err := p.openFile(config, false)
		if err != nil {
			return err
		}
		lock, err := lockFolder(config)
		if err != nil {
			return err
		}
		defer lock.Close()
		return sqlitelog.DropFeed(ctx, file)
	default:
		return kafka.DropFeed(ctx, kafkaConfig(config))
	}
}

// dropParts deletes what an installation has stored. What isn't there is no error.
func dropParts(ctx context.Context, config *Config, logger *slog.Logger) error {
	var failed []error
	if config.Variant == "distributed" {
		failed = append(failed, postgres.Drop(ctx, postgresConfig(config, logger, "", 0)), cassandra.Drop(ctx, cassandraConfig(config, logger)))
	}
	if config.Variant == "distributed" || config.Variant == "replica" {
		failed = append(failed, kafka.Drop(ctx, kafkaConfig(config)))
	}
	if _, missing := os.Stat(config.Data); (config.Variant == "standalone" || config.Variant == "replica") && !errors.Is(missing, os.ErrNotExist) {
		lock, err := lockFolder(config)
		if err != nil {
			return err
		}
		defer lock.Close()
		for _, name := range []string{databaseFile, databaseFile + "-wal", databaseFile + "-shm", databaseFile + "-build", databaseFile + "-build-wal", databaseFile + "-build-shm"} {
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
