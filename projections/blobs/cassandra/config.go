package cassandra

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gocql/gocql"

	"binnacle/events"
	"binnacle/projections/blobs/packed"
)

// Config says how the blobs are reached. Fields other than Hosts, Keyspace and Logger may be left empty.
type Config struct {
	// contact points, host or host:port (9042); the nodes that they know are used as well, at the first one's port
	Hosts    []string
	Keyspace string // letters, digits and underscores, at most 48; case counts
	// of a keyspace that is made: SimpleStrategy:1 (the default), NetworkTopologyStrategy:dc1=3,dc2=2
	Replication      string
	Datacenter       string        // whose nodes are asked first; empty: the one of the contact point that answers
	ReadConsistency  string        // LOCAL_ONE when empty
	WriteConsistency string        // LOCAL_QUORUM when empty
	Concurrency      int           // reads, and as many writes, in flight at the most; 64 when 0
	Timeout          time.Duration // of one request, 2 s when 0; with its retries it ends after four times that
	User, Password   string        // for PasswordAuthenticator; both empty: no authentication
	TLSCA            string        // PEM file of the certificate authority; turns TLS on
	TLSCert, TLSKey  string        // PEM files of the client certificate and its key, when the nodes ask for one
	LargestBlob      int           // bytes of one blob as it is stored, after compression; 256 MiB when 0
	Logger           *slog.Logger
}

const (
	defaultPort        = 9042
	defaultConcurrency = 64
	defaultTimeout     = 2 * time.Second
	defaultLargest     = packed.Largest
	// schemaTimeout bounds statements that change the schema: they wait for all nodes.
	schemaTimeout = 30 * time.Second
)

// settings are a Config that was checked.
type settings struct {
	Config
	hosts       []string
	port        int
	replication string // as CQL
	read, write gocql.Consistency
	tls         *tls.Config
}

var keyspaceName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,47}$`)

func (c Config) check() (*settings, error) {
	const op = "cassandra.Config"
	s := &settings{Config: c}
	if !keyspaceName.MatchString(c.Keyspace) {
		return nil, events.Errorf(events.Invalid, op, "%q cannot be a keyspace: give letters, digits and "+
			"underscores, at most 48, a letter first", c.Keyspace)
	}
	if len(c.Hosts) == 0 {
		return nil, events.Errorf(events.Invalid, op, "no Cassandra node is named: give host or host:port")
	}
	for _, host := range c.Hosts {
		name, port := strings.TrimSpace(host), defaultPort
		if before, after, err := net.SplitHostPort(name); err == nil {
			n, err := strconv.ParseUint(after, 10, 16)
			if err != nil || n == 0 {
				return nil, events.Errorf(events.Invalid, op, "%q is no Cassandra node: give host or host:port", host)
			}
			name, port = before, int(n)
		}
		if name == "" {
			return nil, events.Errorf(events.Invalid, op, "%q is no Cassandra node: give host or host:port", host)
		}
		if s.port == 0 {
			s.port = port
		}
		s.hosts = append(s.hosts, net.JoinHostPort(strings.Trim(name, "[]"), strconv.Itoa(port)))
	}
	var err error
	if s.replication, err = replicationMap(orElse(c.Replication, "SimpleStrategy:1")); err != nil {
		return nil, err
	}
	if s.read, err = consistency(orElse(c.ReadConsistency, "LOCAL_ONE")); err != nil {
		return nil, err
	}
	if s.write, err = consistency(orElse(c.WriteConsistency, "LOCAL_QUORUM")); err != nil {
		return nil, err
	}
	if s.read == gocql.Any || s.read == gocql.EachQuorum {
		return nil, events.Errorf(events.Invalid, op, "%s is a consistency level for writes only: read at LOCAL_ONE, "+
			"ONE, LOCAL_QUORUM or QUORUM", s.read)
	}
	s.Concurrency = orElse(c.Concurrency, defaultConcurrency)
	s.Timeout = orElse(c.Timeout, defaultTimeout)
	s.LargestBlob = orElse(c.LargestBlob, defaultLargest)
	if s.Concurrency < 0 || s.Timeout < 0 || s.LargestBlob < 0 {
		return nil, events.Errorf(events.Invalid, op, "concurrency %d, timeout %s and largest blob %d must be above 0",
			s.Concurrency, s.Timeout, s.LargestBlob)
	}
	s.tls, err = c.tlsConfig()
	return s, err
}

// total bounds a request with its retries.
func (s *settings) total() time.Duration { return 4 * s.Timeout }

func orElse[T comparable](value, instead T) T {
	var zero T
	if value == zero {
		return instead
	}
	return value
}

func consistency(name string) (gocql.Consistency, error) {
	var level gocql.Consistency
	if err := level.UnmarshalText([]byte(strings.ToUpper(strings.TrimSpace(name)))); err != nil {
		return 0, events.Errorf(events.Invalid, "cassandra.Config",
			"%q is no consistency level: give ONE, TWO, THREE, QUORUM, ALL, LOCAL_ONE, LOCAL_QUORUM or EACH_QUORUM",
			name)
	}
	return level, nil
}

var replicationItem = regexp.MustCompile(`^([A-Za-z0-9_.-]+)=([1-9][0-9]*)$`)

// replicationMap turns SimpleStrategy:n and NetworkTopologyStrategy:dc=n,… into the map that CREATE KEYSPACE takes.
func replicationMap(text string) (string, error) {
	strategy, rest, _ := strings.Cut(text, ":")
	switch strategy {
	case "SimpleStrategy":
		if n, err := strconv.ParseUint(rest, 10, 8); err == nil && n > 0 {
			return fmt.Sprintf("{'class': 'SimpleStrategy', 'replication_factor': %d}", n), nil
		}
	case "NetworkTopologyStrategy":
		statement := "{'class': 'NetworkTopologyStrategy'"
		for item := range strings.SplitSeq(rest, ",") {
			parts := replicationItem.FindStringSubmatch(strings.TrimSpace(item))
			if parts == nil {
				statement = ""
				break
			}
			statement += fmt.Sprintf(", '%s': %s", parts[1], parts[2])
		}
		if statement != "" {
			return statement + "}", nil
		}
	}
	return "", events.Errorf(events.Invalid, "cassandra.Config",
		"%q is no replication: write SimpleStrategy:1, or NetworkTopologyStrategy:dc1=3,dc2=2", text)
}

func (c Config) tlsConfig() (*tls.Config, error) {
	const op = "cassandra.Config"
	if c.TLSCA == "" {
		if c.TLSCert != "" || c.TLSKey != "" {
			return nil, events.Errorf(events.Invalid, op,
				"a client certificate needs the certificate authority's file too: it turns TLS on")
		}
		return nil, nil
	}
	pem, err := os.ReadFile(c.TLSCA)
	if err != nil {
		return nil, events.Wrap(events.Invalid, op, err, "the certificate authority's file cannot be read")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, events.Errorf(events.Invalid, op, "%s holds no PEM certificate", c.TLSCA)
	}
	if c.TLSCert == "" && c.TLSKey == "" {
		return config, nil
	}
	certificate, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, events.Wrap(events.Invalid, op, err, "the client certificate and its key cannot be used")
	}
	config.Certificates = []tls.Certificate{certificate}
	return config, nil
}
