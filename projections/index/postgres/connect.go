package postgres

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"binnacle/events"
)

const (
	connectTimeout = 3 * time.Second
	// cancelWait is how long a call that has ended waits for the server to give up its statement before the connection
	// is thrown away.
	cancelWait = time.Second
	idleTime   = 5 * time.Minute
	// lifeTime, and a random part of lifeJitter, is how long a connection is used: what stands between, a pooler or a
	// changed address, may lead new ones elsewhere.
	lifeTime   = 30 * time.Minute
	lifeJitter = 5 * time.Minute
)

// connect makes the pools; nothing is dialed yet.
func (g *Generations) connect(ctx context.Context, c Config) error {
	const op = "postgres.Open"
	base, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return events.Wrap(events.Invalid, op, err, "the URL of the Postgres database cannot be read; write "+
			"postgres://user:password@host:port/database")
	}
	set(base.ConnConfig, everywhere)
	base.ConnConfig.ConnectTimeout = connectTimeout
	base.ConnConfig.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second,
		Interval: 5 * time.Second, Count: 3}}).DialContext
	base.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelWait}
	}
	base.ConnConfig.OnPgError = func(conn *pgconn.PgConn, reported *pgconn.PgError) bool { return !spoils(reported) }
	base.MaxConnIdleTime = idleTime
	base.MaxConnLifetime, base.MaxConnLifetimeJitter = min(base.MaxConnLifetime, lifeTime), lifeJitter
	g.single = base.ConnConfig.Copy()
	g.listening = base.ConnConfig.Copy()
	g.listening.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.DeadlineContextWatcherHandler{Conn: conn.Conn()} // there is no statement to give up
	}

	deciding := base.Copy()
	deciding.MaxConns = max((c.Connections-1)/4, 1)
	set(deciding.ConnConfig, forSearches)
	searching := deciding.Copy()
	searching.MaxConns = max((c.Connections-1)/3, 1)
	set(searching.ConnConfig, map[string]string{"statement_timeout": strconv.FormatInt(c.SearchTimeout.Milliseconds(),
		10)})
	collecting := base.Copy()
	collecting.MaxConns = 1
	set(collecting.ConnConfig, forSearches)
	base.MaxConns = c.Connections - 1 - searching.MaxConns - deciding.MaxConns - collecting.MaxConns

	for _, pool := range []struct {
		into   **pgxpool.Pool
		config *pgxpool.Config
	}{{&g.work, base}, {&g.searches, searching}, {&g.patient, deciding}, {&g.sets, collecting}} {
		if *pool.into, err = pgxpool.NewWithConfig(ctx, pool.config); err != nil {
			g.closePools()
			return classify(op, err)
		}
	}
	return nil
}

func (g *Generations) pools() []*pgxpool.Pool {
	return []*pgxpool.Pool{g.searches, g.patient, g.sets, g.work}
}

func (g *Generations) closePools() {
	for _, pool := range g.pools() {
		if pool != nil {
			pool.Close()
		}
	}
}

// Ready tells within seconds whether the server answers and takes commits.
func (g *Generations) Ready(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if readOnly, err := isReadOnly(bounded, g.work); err != nil || !readOnly {
		return err
	}
	return g.renew(bounded)
}

// renew is called when a connection was found to be read-only. Such a session stays as it is when the server, or the
// one that an address leads to, has become writable again. So a new one is asked: when it can write, all connections
// from before are thrown away; else the error says that the server is read-only.
func (g *Generations) renew(ctx context.Context) error {
	const op = "postgres.Ready"
	conn, err := pgx.ConnectConfig(ctx, g.single.Copy())
	if err != nil {
		return classify(op, err)
	}
	defer closeSoon(ctx, conn)
	readOnly, err := isReadOnly(ctx, conn)
	if err != nil {
		return err
	}
	if readOnly {
		return classify(op, &pgconn.PgError{Severity: "ERROR", Code: codeReadOnly,
			Message: "transaction_read_only is on"})
	}
	g.logger.Info("Postgres can be written to again; the connections from before are replaced")
	for _, pool := range g.pools() {
		pool.Reset()
	}
	return nil
}

// isReadOnly tells whether transactions of a session are read-only: by its settings, or because the server is a
// standby.
func isReadOnly(ctx context.Context, q queryer) (readOnly bool, err error) {
	err = queryOn(ctx, q, "postgres.Ready", "select current_setting('transaction_read_only')::boolean", nil,
		func(scan func(...any) error) error { return scan(&readOnly) })
	return readOnly, err
}

// everywhere are settings of every connection. The tcp settings are the server's: it lets go of a node that has
// vanished, and of its locks, within half a minute.
var everywhere = map[string]string{
	"application_name":                    "binnacle",
	"jit":                                 "off", // it costs more than any of these statements
	"synchronous_commit":                  "off",
	"work_mem":                            "16MB",
	"random_page_cost":                    "1.1",
	"plan_cache_mode":                     "force_generic_plan", // planning would take longer than the statement
	"enable_seqscan":                      "off",                // a plan made while a table was empty outlives that
	"idle_in_transaction_session_timeout": "30s",
	"tcp_keepalives_idle":                 "10",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "3",
}

// forSearches leave the planner one way: joins in the order that the statements are written in, row by row through the
// indexes, which also give the order. The statistics of a table that grows know too little for anything else: of a key
// they see the average, while a search is about one that ten rows have or a million.
var forSearches = map[string]string{
	"join_collapse_limit":             "1",
	"enable_bitmapscan":               "off",
	"enable_hashjoin":                 "off",
	"enable_mergejoin":                "off",
	"enable_sort":                     "off",
	"max_parallel_workers_per_gather": "0",
}

// set puts in the settings that the URL does not name.
func set(config *pgx.ConnConfig, settings map[string]string) {
	for name, value := range settings {
		if _, named := config.RuntimeParams[name]; !named {
			config.RuntimeParams[name] = value
		}
	}
}

// queryer is a pool or a connection.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// queryOn calls row for every row of the answer.
func queryOn(
	ctx context.Context, q queryer, op, sql string, args []any, row func(scan func(...any) error) error,
) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return classify(op, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return classify(op, err)
		}
	}
	return classify(op, rows.Err())
}

// reader runs statements.
type reader struct {
	queryer
	op    string
	limit time.Duration // of one statement; 0: none
}

// Query implements sql.DB.
func (r reader) Query(ctx context.Context, sql string, args []any, row func(scan func(...any) error) error) error {
	if r.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.limit)
		defer cancel()
	}
	return queryOn(ctx, r.queryer, r.op, sql, args, row)
}
