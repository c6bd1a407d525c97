package kafka

import (
	"crypto/sha256"
	"crypto/sha512"
	"testing"

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
