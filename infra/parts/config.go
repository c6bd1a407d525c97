package parts

import (
	"fmt"
	"time"

	"binnacle/events"
)

// Config is what every command that touches the parts knows. Each flag has an environment twin; docs/config.md lists
// them, and a test holds that list against this struct.
type Config struct {
	Variant string `help:"Drivers of log, blobs and index: ${enum}." enum:"memory,standalone,replica,distributed" default:"standalone" env:"BINNACLE_VARIANT" group:"Storage" shown:""`
	Data    string `help:"Folder of the one SQLite file (standalone, replica)." default:"binnacle-data" env:"BINNACLE_DATA" type:"path" group:"Storage" shown:""`

	Kafka     KafkaConfig     `embed:"" prefix:"kafka-" group:"Kafka (replica, distributed)"`
	Cassandra CassandraConfig `embed:"" prefix:"cassandra-" group:"Cassandra (distributed)"`
	Postgres  PostgresConfig  `embed:"" prefix:"postgres-" group:"Postgres (distributed)"`

	SearchParameters []string `help:"Files with SearchParameter resources of your own, added to those of FHIR R4." type:"existingfile" env:"BINNACLE_SEARCH_PARAMETERS" sep:"," group:"Search"`

	LogLevel  string `help:"Least level that is logged: ${enum}." enum:"debug,info,warn,error" default:"info" env:"BINNACLE_LOG_LEVEL" group:"Log lines"`
	LogFormat string `help:"Form of the log lines: ${enum}." enum:"text,json" default:"text" env:"BINNACLE_LOG_FORMAT" group:"Log lines"`
}

// KafkaConfig says how the log is reached.
type KafkaConfig struct {
	Brokers        []string      `help:"Addresses of brokers, host:port." env:"BINNACLE_KAFKA_BROKERS" sep:","`
	Topic          string        `help:"Topic of the events." default:"binnacle" env:"BINNACLE_KAFKA_TOPIC"`
	Group          string        `help:"Consumer group of the projectors; empty: named after the topic." env:"BINNACLE_KAFKA_GROUP"`
	Partitions     int32         `help:"Partitions of the topic when it is created, and of the memory variant's log. A tenant's partition depends on it: it can't change later." default:"1" env:"BINNACLE_KAFKA_PARTITIONS"`
	Replication    int16         `help:"Replication factor of the topic when it is created." default:"1" env:"BINNACLE_KAFKA_REPLICATION"`
	MinInSync      int           `help:"min.insync.replicas of the topic." default:"1" env:"BINNACLE_KAFKA_MIN_IN_SYNC"`
	TLSCA          string        `help:"PEM file of the certificate authority; turns TLS on." env:"BINNACLE_KAFKA_TLS_CA" type:"path" name:"tls-ca"`
	TLSCert        string        `help:"PEM file of the client certificate." env:"BINNACLE_KAFKA_TLS_CERT" type:"path" name:"tls-cert"`
	TLSKey         string        `help:"PEM file of the client certificate's key." env:"BINNACLE_KAFKA_TLS_KEY" type:"path" name:"tls-key"`
	SASLMechanism  string        `help:"SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty: none." enum:",PLAIN,SCRAM-SHA-256,SCRAM-SHA-512" default:"" env:"BINNACLE_KAFKA_SASL_MECHANISM" name:"sasl-mechanism"`
	SASLUser       string        `help:"SASL user." env:"BINNACLE_KAFKA_SASL_USER" name:"sasl-user"`
	SASLPassword   string        `help:"SASL password." env:"BINNACLE_KAFKA_SASL_PASSWORD" name:"sasl-password"`
	SessionTimeout time.Duration `help:"After so long without a sign of life a projecting node counts as dead and another one takes over. Brokers that allow only longer ones (group.min.session.timeout.ms, 6s as they come) get the shortest that they allow." default:"3s" env:"BINNACLE_KAFKA_SESSION_TIMEOUT"`
	AppendTimeout  time.Duration `help:"How long a write may wait for Kafka before it answers 503 or 504: for a lost broker to be replaced, which takes the others about 10 s (broker.session.timeout.ms), and for the record to be acknowledged." default:"15s" env:"BINNACLE_KAFKA_APPEND_TIMEOUT"`
}

// CassandraConfig says how the blobs are reached.
type CassandraConfig struct {
	Hosts            []string      `help:"Contact points, host or host:port." env:"BINNACLE_CASSANDRA_HOSTS" sep:","`
	Keyspace         string        `help:"Keyspace of the blobs." default:"binnacle" env:"BINNACLE_CASSANDRA_KEYSPACE"`
	Replication      string        `help:"Replication of the keyspace when it is created: SimpleStrategy:1, or NetworkTopologyStrategy:dc1=3." default:"SimpleStrategy:1" env:"BINNACLE_CASSANDRA_REPLICATION"`
	ReadConsistency  string        `help:"Consistency level of reads; a miss is read again at QUORUM." default:"LOCAL_ONE" env:"BINNACLE_CASSANDRA_READ_CONSISTENCY"`
	WriteConsistency string        `help:"Consistency level of writes." default:"LOCAL_QUORUM" env:"BINNACLE_CASSANDRA_WRITE_CONSISTENCY"`
	Concurrency      int           `help:"Requests in flight at the most." default:"64" env:"BINNACLE_CASSANDRA_CONCURRENCY"`
	Timeout          time.Duration `help:"Time limit of one request; retries included, four times that." default:"2s" env:"BINNACLE_CASSANDRA_TIMEOUT"`
	User             string        `help:"User." env:"BINNACLE_CASSANDRA_USER"`
	Password         string        `help:"Password." env:"BINNACLE_CASSANDRA_PASSWORD"`
	TLSCA            string        `help:"PEM file of the certificate authority; turns TLS on." env:"BINNACLE_CASSANDRA_TLS_CA" type:"path" name:"tls-ca"`
	TLSCert          string        `help:"PEM file of the client certificate." env:"BINNACLE_CASSANDRA_TLS_CERT" type:"path" name:"tls-cert"`
	TLSKey           string        `help:"PEM file of the client certificate's key." env:"BINNACLE_CASSANDRA_TLS_KEY" type:"path" name:"tls-key"`
}

// PostgresConfig says how the index is reached.
type PostgresConfig struct {
	URL         string `help:"Connection URL, postgres://user:password@host:port/database?sslmode=…" env:"BINNACLE_POSTGRES_URL"`
	Schema      string `help:"Prefix of the schemas of the generations." default:"binnacle" env:"BINNACLE_POSTGRES_SCHEMA"`
	Connections int32  `help:"Connections of one node at the most." default:"16" env:"BINNACLE_POSTGRES_CONNECTIONS"`
}

// Limits are numbers of the node that an operator may turn, and how strict it is.
type Limits struct {
	MaxBody           int64         `help:"Largest request body, bytes. The resources in the answer to one bundle may have twice that together; an entry for which there is no room says so." default:"67108864" env:"BINNACLE_MAX_BODY"`
	BodyMemory        int64         `help:"Memory for request bodies in flight, bytes. An eighth of it is for those of up to 256 KiB. One address, that of a proxy too, may have as much of the rest as leaves room for one more of --max-body, and that much at the least." default:"268435456" env:"BINNACLE_BODY_MEMORY"`
	BodyTimeout       time.Duration `help:"How long a request body may take to come; then the answer is 408." default:"5m" env:"BINNACLE_BODY_TIMEOUT"`
	BodyRate          int64         `help:"Bytes of a body that must come in a second, on average over 10 seconds; else the answer is 408." default:"4096" env:"BINNACLE_BODY_RATE"`
	BlobCache         int64         `help:"Memory for cached resource content, bytes." default:"25165824" env:"BINNACLE_BLOB_CACHE"`
	MaxLag            int64         `help:"Events that the projector may be behind before writes are refused with 503." default:"10000" env:"BINNACLE_MAX_LAG"`
	OutcomeWait       time.Duration `help:"How long a write waits for its outcome before it answers 504." default:"30s" env:"BINNACLE_OUTCOME_WAIT"`
	PositionWait      time.Duration `help:"How long a read waits for the position in its Binnacle-Min-Position before it answers 503." default:"5s" env:"BINNACLE_POSITION_WAIT"`
	KeyWindow         time.Duration `help:"How long an Idempotency-Key stands for its request, whole seconds; then it may be used anew." default:"24h" env:"BINNACLE_IDEMPOTENCY_WINDOW" name:"idempotency-window"`
	SearchTimeout     time.Duration `help:"Time limit of one search." default:"10s" env:"BINNACLE_SEARCH_TIMEOUT"`
	CommitWithin      time.Duration `help:"How long what was decided may wait in memory before it is committed to the index, together with what comes meanwhile; at most 10s. No client sees that: who looks finds it, and after a crash it comes again from the log. For an index in SQLite; 0: each batch is committed at once." default:"250ms" env:"BINNACLE_COMMIT_WITHIN"`
	SweepAfter        time.Duration `help:"How long a superseded version can still be searched: the pages of a search, and _asOf, are answered for at least so long. Then its search terms may be swept from the index; its content and its place in the history stay. 0: never." default:"1h" env:"BINNACLE_SWEEP_AFTER"`
	DefaultCount      int           `help:"Entries on a search page when _count is not given." default:"50" env:"BINNACLE_DEFAULT_COUNT"`
	MaxCount          int           `help:"Entries on a search page at the most." default:"1000" env:"BINNACLE_MAX_COUNT"`
	MaxValues         int           `help:"Alternatives of one search parameter at the most: what stands with commas between." default:"1000" env:"BINNACLE_MAX_ALTERNATIVES" name:"max-alternatives"`
	LogHead           string        `help:"What becomes of a node whose log has lost its first records, or whose settings let that happen: ${enum}. Warn says so in /health/ready, metrics and the node's log; strict makes /health/ready 503 too." enum:"warn,strict" default:"warn" env:"BINNACLE_LOG_HEAD"`
	Handling          string        `help:"What becomes of search parameters that are not known when a request has no Prefer: handling: ${enum}. Strict refuses the search; lenient leaves them out and says so in the answer." enum:"strict,lenient" default:"strict" env:"BINNACLE_HANDLING"`
	ConditionalDelete string        `help:"What becomes of a conditional delete whose criteria several resources fit: ${enum}. Single refuses it with 412; multiple deletes them all, as one event." enum:"single,multiple" default:"single" env:"BINNACLE_CONDITIONAL_DELETE"`
	DeleteLimit       int           `help:"Resources that a conditional delete of multiple ones may take, at most 100000; it is refused when more fit (too-costly)." default:"1000" env:"BINNACLE_CONDITIONAL_DELETE_LIMIT" name:"conditional-delete-limit"`
	DeleteAll         bool          `help:"DELETE of a type without criteria deletes all resources of the type, within --conditional-delete-limit. It needs --conditional-delete multiple." env:"BINNACLE_DELETE_ALL"`
	Cascade           int           `help:"Further resources that may go with one delete because they refer to what goes, at most 100000, when the client asks for that by _cascade=delete or X-Cascade: delete; all go in one event, or none. 0: such deletes are refused." default:"0" env:"BINNACLE_CASCADE"`
	References        string        `help:"What becomes of a literal reference to a resource that is not there, and of the deletion of one that is referred to: ${enum}. Enforced refuses the write with 409, unless the request has Binnacle-Allow-Dangling: true; dangling takes it." enum:"enforced,dangling" default:"enforced" env:"BINNACLE_REFERENCES"`

	Async Async `embed:"" prefix:"async-"`
}

// Multiple is the value of --conditional-delete that lets one delete take several resources.
const Multiple = "multiple"

// mostDeleted bounds what one event may delete beside what it names: all of it is decided and committed at once.
const mostDeleted = 100_000

// mostCommitWithin bounds what a rebuild and a second start wait for.
const mostCommitWithin = 10 * time.Second

// Validate refuses limits with which nothing would be done. Kong calls it after parsing.
func (l *Limits) Validate() error {
	for _, least := range []struct {
		flag            string
		value, smallest int64
	}{
		{"--max-body", l.MaxBody, 1}, {"--body-memory", l.BodyMemory, 1}, {"--blob-cache", l.BlobCache, 0}, {"--max-lag", l.MaxLag, 1},
		{"--default-count", int64(l.DefaultCount), 1}, {"--max-count", int64(l.MaxCount), 1}, {"--max-alternatives", int64(l.MaxValues), 1},
		{"--conditional-delete-limit", int64(l.DeleteLimit), 1}, {"--cascade", int64(l.Cascade), 0},
	} {
		if least.value < least.smallest {
			return fmt.Errorf("%s is %d; at least %d is needed", least.flag, least.value, least.smallest)
		}
	}
	for _, least := range []struct {
		flag            string
		value, smallest time.Duration
	}{
		{"--outcome-wait", l.OutcomeWait, time.Millisecond}, {"--position-wait", l.PositionWait, time.Millisecond}, {"--idempotency-window", l.KeyWindow, time.Second},
		{"--search-timeout", l.SearchTimeout, time.Millisecond}, {"--sweep-after", l.SweepAfter, 0}, {"--commit-within", l.CommitWithin, 0},
	} {
		if least.value < least.smallest {
			return fmt.Errorf("%s is %v; at least %v is needed", least.flag, least.value, least.smallest)
		}
	}
	if l.DeleteLimit > mostDeleted || l.Cascade > mostDeleted {
		return fmt.Errorf("--conditional-delete-limit is %d and --cascade is %d; at most %d is possible", l.DeleteLimit, l.Cascade, mostDeleted)
	}
	if l.DeleteAll && l.ConditionalDelete != Multiple {
		return fmt.Errorf("--delete-all needs --conditional-delete %s", Multiple)
	}
	if l.CommitWithin > mostCommitWithin {
		return fmt.Errorf("--commit-within is %v; at most %v is possible", l.CommitWithin, mostCommitWithin)
	}
	return nil
}

// Validate refuses a configuration that lacks what its variant needs. Kong calls it after parsing.
func (c *Config) Validate() error {
	usesKafka := c.Variant == "replica" || c.Variant == "distributed"
	switch {
	case usesKafka && len(c.Kafka.Brokers) == 0:
		return missing(c.Variant, "the address of a Kafka broker", "--kafka-brokers", "BINNACLE_KAFKA_BROKERS")
	case c.Variant == "distributed" && len(c.Cassandra.Hosts) == 0:
		return missing(c.Variant, "the address of a Cassandra node", "--cassandra-hosts", "BINNACLE_CASSANDRA_HOSTS")
	case c.Variant == "distributed" && c.Postgres.URL == "":
		return missing(c.Variant, "the URL of a Postgres database", "--postgres-url", "BINNACLE_POSTGRES_URL")
	case usesKafka && c.Kafka.Partitions < 1:
		return events.Errorf(events.Invalid, "infra.Config", "--kafka-partitions is %d; at least 1 is needed", c.Kafka.Partitions)
	}
	return nil
}

func missing(variant, what, flag, env string) error {
	return fmt.Errorf("the variant %s needs %s: give %s or set %s", variant, what, flag, env)
}
