package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

func TestALoginByScramSatisfiesAServer(t *testing.T) {
	for mechanism, hash := range map[string]scram.HashGeneratorFcn{sarama.SASLTypeSCRAMSHA256: sha256.New, sarama.SASLTypeSCRAMSHA512: sha512.New} {
		stored, err := hash.NewClient("binnacle", "correct", "")
		if err != nil {
			t.Fatal(err)
		}
		credentials, err := stored.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt of the test", Iters: 4096})
		if err != nil {
			t.Fatal(err)
		}
		server, err := hash.NewServer(func(string) (scram.StoredCredentials, error) { return credentials, nil })
		if err != nil {
			t.Fatal(err)
		}
		for password, want := range map[string]bool{"correct": true, "wrong": false} {
			config := sarama.NewConfig()
			if err := (SASL{Mechanism: mechanism, User: "binnacle", Password: password}).apply(config); err != nil {
				t.Fatal(err)
			}
			client := config.Net.SASL.SCRAMClientGeneratorFunc()
			if err := client.Begin(config.Net.SASL.User, config.Net.SASL.Password, ""); err != nil {
				t.Fatal(err)
			}
			conversation := server.NewConversation()
			challenge := ""
			for !client.Done() {
				answer, err := client.Step(challenge)
				if err != nil {
					break
				}
				if challenge, err = conversation.Step(answer); err != nil {
					break
				}
			}
			if conversation.Valid() != want {
				t.Errorf("%s with the %s password: the server says %t", mechanism, password, conversation.Valid())
			}
		}
	}
}

func TestAConnectionShowsTheClientsCertificate(t *testing.T) {
	folder := t.TempDir()
	authority, authorityKey := newCertificate(t, nil, nil)
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	client, clientKey := newCertificate(t, authority, authorityKey)
	clientKeyDER, err := x509.MarshalPKCS8PrivateKey(clientKey)
	if err != nil {
		t.Fatal(err)
	}
	settings := TLS{
		Enabled: true, CAFile: write("ca.pem", "CERTIFICATE", authority.Raw), CertFile: write("client.pem", "CERTIFICATE", client.Raw),
		KeyFile: write("client.key", "PRIVATE KEY", clientKeyDER),
	}
	server, serverKey := newCertificate(t, authority, authorityKey)
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, Certificates: []tls.Certificate{{Certificate: [][]byte{server.Raw}, PrivateKey: serverKey}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	shown := make(chan string, 16)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			secure := connection.(*tls.Conn)
			if err := secure.Handshake(); err == nil {
				shown <- secure.ConnectionState().PeerCertificates[0].Subject.CommonName
			}
			_ = connection.Close()
		}
	}()
	// The listener speaks no Kafka: what counts is how far the handshake came.
	config := Config{Brokers: []string{listener.Addr().String()}, Topic: "x", TLS: settings}
	if err := EnsureTopic(t.Context(), config, false); err == nil {
		t.Error("a listener that speaks no Kafka was taken for a broker")
	}
	select {
	case name := <-shown:
		if name != client.Subject.CommonName {
			t.Errorf("the certificate of %q was shown", name)
		}
	default:
		t.Error("no certificate was shown")
	}
	for len(shown) > 0 {
		<-shown
	}
	config.TLS.CertFile, config.TLS.KeyFile = "", ""
	if err := EnsureTopic(t.Context(), config, false); err == nil || len(shown) > 0 {
		t.Errorf("without a certificate: got %v after %d handshakes", err, len(shown))
	}
}

// newCertificate makes a certificate signed by an authority, or an authority.
func newCertificate(t *testing.T, authority *x509.Certificate, authorityKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "node " + serial.String()}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if authority == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		authority, authorityKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, &key.PublicKey, authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}
