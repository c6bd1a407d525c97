package cassandra

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

func TestAWrongConfigurationIsRefusedWithWhatToGive(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Keyspace = "" }, "keyspace"},
		{func(c *Config) { c.Keyspace = `a"; DROP KEYSPACE b; --` }, "keyspace"},
		{func(c *Config) { c.Keyspace = strings.Repeat("a", 49) }, "keyspace"},
		{func(c *Config) { c.Hosts = nil }, "host:port"},
		{func(c *Config) { c.Hosts = []string{"one", ""} }, "host:port"},
		{func(c *Config) { c.Hosts = []string{"one:0"} }, "host:port"},
		{func(c *Config) { c.Hosts = []string{"one:70000"} }, "host:port"},
		{func(c *Config) { c.Replication = "SimpleStrategy" }, "SimpleStrategy:1"},
		{func(c *Config) { c.Replication = "SimpleStrategy:0" }, "SimpleStrategy:1"},
		{func(c *Config) { c.Replication = "NetworkTopologyStrategy:" }, "dc1=3"},
		{func(c *Config) { c.Replication = "NetworkTopologyStrategy:dc1=3,dc2" }, "dc1=3"},
		{func(c *Config) { c.Replication = "NetworkTopologyStrategy:d'c=3" }, "dc1=3"},
		{func(c *Config) { c.Replication = "EverywhereStrategy:1" }, "dc1=3"},
		{func(c *Config) { c.ReadConsistency = "SOME" }, "LOCAL_QUORUM"},
		{func(c *Config) { c.ReadConsistency = "ANY" }, "writes only"},
		{func(c *Config) { c.WriteConsistency = "SERIAL" }, "LOCAL_QUORUM"},
		{func(c *Config) { c.Concurrency = -1 }, "concurrency"},
		{func(c *Config) { c.TLSCert = "cert.pem" }, "certificate authority"},
		{func(c *Config) { c.TLSCA = missing }, "missing.pem"},
		{func(c *Config) { c.TLSCA = empty }, "no PEM certificate"},
	} {
		config := Config{Hosts: []string{"one"}, Keyspace: "k"}
		c.change(&config)
		_, err := config.check()
		if events.KindOf(err) != events.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want a refusal of kind invalid with %q", config, err, c.want)
		}
	}
}

func TestAConfigurationIsReadAsItIsMeant(t *testing.T) {
	s, err := Config{
		Hosts: []string{"one:9142", " two", "[::1]:9143", "127.0.0.1"}, Keyspace: "Binnacle_1",
		Replication: "NetworkTopologyStrategy:dc1=3, eu-west_2.a=2", ReadConsistency: "one",
	}.check()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"one:9142", "two:9042", "[::1]:9143", "127.0.0.1:9042"}; !slices.Equal(s.hosts, want) ||
		s.port != 9142 {
		t.Errorf("got %q and port %d, want %q and the first one's port", s.hosts, s.port, want)
	}
	if want := "{'class': 'NetworkTopologyStrategy', 'dc1': 3, 'eu-west_2.a': 2}"; s.replication != want {
		t.Errorf("got %s, want %s", s.replication, want)
	}
	if s.read.String() != "ONE" || s.write.String() != "LOCAL_QUORUM" || s.Concurrency != 64 ||
		s.Timeout != 2*time.Second || s.tls != nil {
		t.Errorf("got %v, %v, %d, %s and TLS %v, want ONE, LOCAL_QUORUM, 64, 2s and none", s.read, s.write,
			s.Concurrency, s.Timeout, s.tls != nil)
	}
	if s, err = (Config{Hosts: []string{"one"}, Keyspace: "k", Replication: "SimpleStrategy:2"}).check(); err != nil ||
		s.replication != "{'class': 'SimpleStrategy', 'replication_factor': 2}" {
		t.Errorf("got %v and %v, want SimpleStrategy with 2", s, err)
	}
}

// authority signs certificates for 127.0.0.1.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.file, _ = a.sign("ca")
	return a
}

// sign writes the certificate and the key of a name into files.
func (a *authority) sign(name string) (certFile, keyFile string) {
	a.t.Helper()
	must := func(err error) {
		a.t.Helper()
		if err != nil {
			a.t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour),
		NotAfter:    time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: a.cert == nil,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	must(err)
	if a.cert == nil {
		a.key = key
		a.cert, err = x509.ParseCertificate(der)
		must(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	folder := a.t.TempDir()
	certFile, keyFile = filepath.Join(folder, name+".pem"), filepath.Join(folder, name+".key")
	must(os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return certFile, keyFile
}

func TestTLSTakesTheRightCertificatesAndNoOthers(t *testing.T) {
	c := config(t)
	ours, strangers := newAuthority(t), newAuthority(t)
	certFile, keyFile := ours.sign("node")
	certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(ours.cert)
	l := newLine(t, c.Hosts[0])
	l.cut()
	l.tls = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	l.mend()

	c.Hosts, c.TLSCA, c.Timeout = []string{l.address}, ours.file, 2*time.Second
	c.TLSCert, c.TLSKey = ours.sign("client")
	store := open(t, c)
	if err := store.Put(t.Context(), []projections.Blob{blob("over TLS")}); err != nil {
		t.Errorf("with the right certificates: %v", err)
	}
	for name, change := range map[string]func(*Config){
		"without TLS":                          func(c *Config) { c.TLSCA, c.TLSCert, c.TLSKey = "", "", "" },
		"without a client certificate":         func(c *Config) { c.TLSCert, c.TLSKey = "", "" },
		"with a stranger's client certificate": func(c *Config) { c.TLSCert, c.TLSKey = strangers.sign("client") },
		"with a stranger as authority":         func(c *Config) { c.TLSCA = strangers.file },
	} {
		wrong := c
		change(&wrong)
		if store, err := Open(t.Context(), wrong, false); err == nil {
			_ = store.Close()
			t.Errorf("%s: connected, want a refusal", name)
		}
	}
}
