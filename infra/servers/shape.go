package servers

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
)

// Shape says how many nodes of each server a private cluster has. Where there are several they are named with a number:
// kafka-1, kafka-2 and so on.
type Shape struct {
	Kafka     int // brokers, each a controller too. With three, one may be lost: topics need replication 3 and min.insync.replicas 2
	Cassandra int // nodes of one ring, known as 127.0.0.1, 127.0.0.2 and so on; a system other than Linux may need these as aliases of its loopback interface
	Postgres  int // 0 or 1
	// Unhurried gives brokers the times that they have as they come: they notice after 9 s that one of them is dead, in
	// place of 2, after 30 s that one lags, in place of 3, and allow a member of a group no session below 6 s.
	Unhurried bool
	// Proxied lets the test stand between clients and servers: Env gives addresses where nobody listens until the test
	// starts a proxy for each of [Cluster.Links].
	Proxied bool
}

// member is one node's place among those of its kind.
type member struct {
	what       string
	number, of int
	proxied    bool
	unhurried  bool
}

// proxyPort is the port that clients are told when a proxy stands before the server.
const proxyPort = "proxy"

func (m member) kind() string { return m.what }

func (m member) name() string {
	if m.of == 1 {
		return m.what
	}
	return fmt.Sprintf("%s-%d", m.what, m.number)
}

func (m member) first() string {
	m.number = 1
	return m.name()
}

func (m member) portsOfFirst() bool       { return false }
func (m member) settled(_ net.Conn) error { return nil }

func (m member) proxyPorts() []string {
	if m.proxied {
		return []string{proxyPort}
	}
	return nil
}

func (s Shape) servers() (list []server) {
	for i := range s.Kafka {
		list = append(list, kafka{member{Kafka, i + 1, s.Kafka, s.Proxied, s.Unhurried}})
	}
	for i := range s.Cassandra {
		list = append(list, cassandra{member{Cassandra, i + 1, s.Cassandra, s.Proxied, false}})
	}
	for i := range s.Postgres {
		list = append(list, postgres{member{Postgres, i + 1, s.Postgres, s.Proxied, false}})
	}
	return list
}

// OpenShape returns a cluster as [OpenPrivate] does, of another shape. Its servers are always local processes, which
// takes a JDK 17 and Maven also where Docker is, and they end with this program, however that ends.
func OpenShape(dir string, shape Shape) (*Cluster, error) {
	if shape.Kafka < 0 || shape.Cassandra < 0 || shape.Postgres < 0 || shape.Postgres > 1 || shape.Cassandra > 9 {
		return nil, fmt.Errorf("there is no cluster of the shape %+v", shape)
	}
	c, err := OpenPrivate(dir)
	if err != nil {
		return nil, err
	}
	c.servers, c.tied = shape.servers(), true
	return c, nil
}

// Link is a way from clients to a server on which a test may put a proxy.
type Link struct {
	Server string // its name
	Listen string // host:port that clients are told
	Target string // host:port of the server
}

// Links returns the ways to the servers that have been started at least once, of a cluster that is proxied.
func (c *Cluster) Links() ([]Link, error) {
	st, err := readState(c.dir)
	if err != nil {
		return nil, err
	}
	var links []Link
	for _, s := range c.servers {
		at := c.site(s, st)
		if len(at.ports) > 0 && at.public() != at.address() {
			links = append(links, Link{Server: s.name(), Listen: at.public(), Target: at.address()})
		}
	}
	return links, nil
}

// site is where one server lives.
type site struct {
	home   string // its settings and data
	jars   string // its artifacts
	host   string // where it listens
	told   string // the host that clients are told
	ports  map[string]int
	peers  []map[string]int // the ports of all nodes of its kind, in their order
	secret string
}

// address is where the server answers.
func (at site) address() string { return net.JoinHostPort(at.host, strconv.Itoa(at.ports[clientPort])) }

// public is the address that clients are told.
func (at site) public() string {
	port, proxied := at.ports[proxyPort]
	if !proxied {
		port = at.ports[clientPort]
	}
	return net.JoinHostPort(at.told, strconv.Itoa(port))
}

func (c *Cluster) site(s server, st *state) site {
	at := site{home: filepath.Join(c.dir, s.name()), jars: filepath.Join(c.jars, s.kind()), host: s.host(), told: s.host(),
		ports: st.instance(s.name()).Ports, secret: st.instance(s.first()).Secret}
	if node, ok := s.(cassandra); ok {
		at.told = node.told()
	}
	for _, other := range c.servers {
		if other.kind() == s.kind() {
			at.peers = append(at.peers, st.instance(other.name()).Ports)
		}
	}
	return at
}
