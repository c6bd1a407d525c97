package infra

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/events/kafka/kafkatest"
)

// said runs a command of the program that must end with an exit code, and returns what it said.
func (i *installation) said(code int, args ...string) string {
	i.t.Helper()
	var text bytes.Buffer
	if got := Run(i.t.Context(), append(args, i.flags...), strings.NewReader(""), &text, &text); got != code {
		i.t.Errorf("binnacle %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, &text)
	}
	return text.String()
}

// awaitReady asks for the state of a server until it is answered with a status and has the words in it.
func awaitReady(t *testing.T, server *Embedded, status int, words ...string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		w := request(server, http.MethodGet, "/health/ready", "")
		holds := w.Code == status
		for _, word := range words {
			holds = holds && strings.Contains(w.Body.String(), word)
		}
		if holds {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("ready is still %d %s, want %d and %q", w.Code, w.Body, status, words)
		}
	}
}

func TestTransactionsOfAnotherProgramStopNothing(t *testing.T) {
	i, topic := replica(t)
	i.use(func(server *Embedded) { i.put(server, "a") })
	other := kafkatest.NewStranger(t, brokersOf(t), topic)
	read := func(server *Embedded, what string) {
		t.Helper()
		awaitReady(t, server, http.StatusOK, `"lagEvents":0`)
		if w := request(server, http.MethodGet, "/fhir/Patient/a", ""); w.Code != http.StatusOK {
			t.Errorf("%s: a read is answered %d %s", what, w.Code, w.Body)
		}
	}
	i.use(func(server *Embedded) {
		other.Begin(0, "no event")
		other.Abort()
		read(server, "after an aborted transaction")
	})
	i.use(func(server *Embedded) { read(server, "after it and a new start") })
	i.said(0, "verify", "--deep")
	i.said(0, "rebuild")
	i.use(func(server *Embedded) {
		read(server, "after a rebuild")
		// A record that was committed is one as any other, and no event; the marker behind it is nothing.
		other.Begin(0, "no event")
		other.Commit()
		for deadline := time.Now().Add(30 * time.Second); !strings.Contains(i.said(0, "quarantine", "list"), "0:"); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the record that was committed is not in quarantine")
			}
		}
		read(server, "after a committed transaction")
		// One that stays open is told, and nothing is appended that could not be read.
		other.Begin(0, "no event")
		awaitReady(t, server, http.StatusServiceUnavailable, "is still open", "kafka-transactions.sh", topic)
		if w := request(server, http.MethodPut, "/fhir/Patient/b", `{"resourceType":"Patient","id":"b"}`); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "nothing is written") {
			t.Errorf("a write behind an open transaction is answered %d %s", w.Code, w.Body)
		}
		other.Abort()
		read(server, "after the open transaction was aborted")
		i.put(server, "c")
	})
	i.said(0, "verify", "--deep")
	i.said(0, "rebuild")
	i.use(func(server *Embedded) { read(server, "at the end") })
}

func TestALogThatLosesItsHeadIsToldAndStopsNothing(t *testing.T) {
	i, topic := replica(t)
	operator := kafkatest.NewOperator(t, brokersOf(t), topic)
	metrics := func(server *Embedded, lines ...string) {
		t.Helper()
		told := request(server, http.MethodGet, "/metrics", "").Body.String()
		for _, line := range lines {
			if !strings.Contains(told, line+"\n") {
				t.Errorf("the metrics have no line %q", line)
			}
		}
	}
	i.use(func(server *Embedded) {
		for _, id := range []string{"a", "b", "c"} {
			i.put(server, id)
		}
		awaitReady(t, server, http.StatusOK)
		metrics(server, `binnacle_log_first_offset{partition="0"} 0`, "binnacle_log_head_lost 0")
		operator.Set("retention.ms", "604800000")
		awaitReady(t, server, http.StatusOK, "warning", "retention.ms is")
		metrics(server, "binnacle_log_head_lost 1")
		operator.Set("retention.ms", "-1")
		operator.DeleteBefore(0, 2)
		awaitReady(t, server, http.StatusOK, "warning", "begins at offset 2", "back them up")
		metrics(server, `binnacle_log_first_offset{partition="0"} 2`, "binnacle_log_head_lost 1")
		i.put(server, "d")
		if w := request(server, http.MethodGet, "/fhir/Patient/a", ""); w.Code != http.StatusOK {
			t.Errorf("what the log lost is answered %d", w.Code)
		}
	})
	if said := i.said(1, "verify"); !strings.Contains(said, "PROBLEM: the log's partition 0 begins at offset 2") || !strings.Contains(said, "NOT OK") {
		t.Errorf("verify says %s", said)
	}
	i.said(1, "rebuild")
	i.use(func(server *Embedded) { awaitReady(t, server, http.StatusOK, "warning", "begins at offset 2") })
	strict := *i
	strict.flags = append(slices.Clone(i.flags), "--log-head", "strict")
	strict.use(func(server *Embedded) {
		awaitReady(t, server, http.StatusServiceUnavailable, "begins at offset 2")
	})
}
