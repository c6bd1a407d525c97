// Package e2e tests the whole program from outside: the built binary, over HTTP, on real Kafka, Cassandra and Postgres.
// It holds tests only; each says in a sentence what a user may rely on.
package e2e
