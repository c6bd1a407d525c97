package kafka

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"os"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"binnacle/events"
)

func (t TLS) apply(config *sarama.Config) error {
	const op = "kafka.TLS"
	if !t.Enabled {
		if t.CAFile != "" || t.CertFile != "" || t.KeyFile != "" {
			return events.Errorf(events.Invalid, op, "a CA, certificate or key of Kafka is given and TLS is off; turn it on or leave them out")
		}
		return nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return events.Wrap(events.Invalid, op, err, "the CA file of Kafka cannot be read")
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(pem) {
			return events.Errorf(events.Invalid, op, "the CA file %s of Kafka holds no PEM certificate", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return events.Errorf(events.Invalid, op, "a client certificate of Kafka and its key go together; one of the two files is missing")
	}
	if t.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return events.Wrap(events.Invalid, op, err, "the client certificate %s and key %s of Kafka cannot be used", t.CertFile, t.KeyFile)
		}
		settings.Certificates = []tls.Certificate{certificate}
	}
	config.Net.TLS.Enable = true
	config.Net.TLS.Config = settings
	return nil
}

func (s SASL) apply(config *sarama.Config) error {
	var hash scram.HashGeneratorFcn
	switch s.Mechanism {
	case "":
		return nil
	case sarama.SASLTypePlaintext:
	case sarama.SASLTypeSCRAMSHA256:
		hash = sha256.New
	case sarama.SASLTypeSCRAMSHA512:
		hash = sha512.New
	default:
		return events.Errorf(events.Invalid, "kafka.SASL", "the SASL mechanism %q is not known here; use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", s.Mechanism)
	}
	if s.User == "" || s.Password == "" {
		return events.Errorf(events.Invalid, "kafka.SASL", "a login with %s needs a user and a password", s.Mechanism)
	}
	config.Net.SASL.Enable = true
	config.Net.SASL.Handshake = true
	config.Net.SASL.Mechanism = sarama.SASLMechanism(s.Mechanism)
	config.Net.SASL.User = s.User
	config.Net.SASL.Password = s.Password
	if hash != nil {
		config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramLogin{hash: hash} }
	}
	return nil
}

// scramLogin is one login by SCRAM (RFC 5802).
type scramLogin struct {
	hash         scram.HashGeneratorFcn
	conversation *scram.ClientConversation
}

func (s *scramLogin) Begin(user, password, authorization string) error {
	client, err := s.hash.NewClient(user, password, authorization)
	if err != nil {
		return err
	}
	s.conversation = client.NewConversation()
	return nil
}

func (s *scramLogin) Step(challenge string) (string, error) { return s.conversation.Step(challenge) }

func (s *scramLogin) Done() bool { return s.conversation.Done() }
