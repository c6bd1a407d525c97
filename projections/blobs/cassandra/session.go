package cassandra

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gocql/gocql"

	"binnacle/events"
)

// connect opens a session. The client knows no context at this place: when ctx ends first, the session is closed as
// soon as it is there.
func (s *settings) connect(
	ctx context.Context, op, keyspace, datacenter string, timeout time.Duration,
) (*gocql.Session, error) {
	cluster := s.cluster(keyspace, datacenter, timeout)
	type result struct {
		session *gocql.Session
		err     error
	}
	opened := make(chan result, 1)
	go func() {
		session, err := cluster.CreateSession()
		opened <- result{session, err}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			return nil, events.Wrap(events.Transient, op, r.err, "no session with Cassandra at %v; see that a node "+
				"runs there and takes this user and these certificates", s.hosts)
		}
		return r.session, nil
	case <-ctx.Done():
		go func() {
			if r := <-opened; r.session != nil {
				r.session.Close()
			}
		}()
		return nil, events.Wrap(events.Transient, op, ctx.Err(), "the call ended before Cassandra at %v answered",
			s.hosts)
	}
}

// cluster says how the client is to reach the nodes.
func (s *settings) cluster(keyspace, datacenter string, timeout time.Duration) *gocql.ClusterConfig {
	cluster := gocql.NewCluster(s.hosts...)
	cluster.Port = s.port
	cluster.Keyspace = keyspace
	cluster.Consistency = s.write
	cluster.Timeout = timeout
	cluster.ConnectTimeout = max(s.Timeout, defaultTimeout)
	cluster.ReconnectInterval = time.Second // a node that came back is found within that
	cluster.ConvictionPolicy = keepNodes{}
	cluster.ReconnectionPolicy = &gocql.ConstantReconnectionPolicy{MaxRetries: 3, Interval: 250 * time.Millisecond}
	cluster.WriteCoalesceWaitTime = 0 // the default adds more than a millisecond to each request
	cluster.MaxWaitSchemaAgreement = schemaTimeout
	cluster.RetryPolicy = &gocql.SimpleRetryPolicy{NumRetries: 1} // on the next node, at once; further ones are retry's
	cluster.DefaultIdempotence = true
	cluster.Logger = clientLogger{s.Logger}
	nodes := gocql.RoundRobinHostPolicy()
	if datacenter != "" {
		nodes = gocql.DCAwareRoundRobinPolicy(datacenter)
	}
	cluster.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(nodes, gocql.ShuffleReplicas())
	if s.User != "" || s.Password != "" {
		cluster.Authenticator = gocql.PasswordAuthenticator{Username: s.User, Password: s.Password}
	}
	if s.tls != nil {
		cluster.SslOpts = &gocql.SslOptions{Config: s.tls}
	}
	return cluster
}

// keepNodes takes no node for gone because connections to it fail. The client would drop the node's pool. A connection
// that is made at that moment marks the node as up, and a node that is up without a pool is never connected to again
// (gocql 1.7.0, and v2.1.2). A pool that stays is filled for the next request; until then requests pass over the node.
type keepNodes struct{}

func (keepNodes) AddFailure(error, *gocql.HostInfo) bool { return false }
func (keepNodes) Reset(*gocql.HostInfo)                  {}

// clientLogger passes the client's lines on. They are details of what the errors of the calls tell.
type clientLogger struct{ logger *slog.Logger }

func (l clientLogger) Print(v ...any) { l.logger.Debug("gocql: " + fmt.Sprint(v...)) }
func (l clientLogger) Printf(format string, v ...any) {
	l.logger.Debug("gocql: " + fmt.Sprintf(format, v...))
}
func (l clientLogger) Println(v ...any) { l.logger.Debug("gocql: " + fmt.Sprint(v...)) }
