package kafka_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/kafka"
)

// memberEnv makes the test binary a member of the group, and a follower of the topic, of that name until it is killed.
const memberEnv = "BINNACLE_TEST_MEMBER_OF"

func TestMain(m *testing.M) {
	if topic := os.Getenv(memberEnv); topic != "" {
		beMember(topic)
	}
	os.Exit(m.Run())
}

// beMember prints a line when it is assigned a partition; SIGTERM closes it in order.
func beMember(topic string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	config := kafka.Config{Brokers: strings.Split(os.Getenv("BINNACLE_KAFKA_BROKERS"), ","), Topic: topic, Group: topic}
	log, err := kafka.Open(context.Background(), config, slog.New(slog.DiscardHandler))
	fail(err)
	follower, err := log.Follow(func(_ context.Context, partition int32) (int64, error) {
		fmt.Println(partition)
		return 0, nil
	})
	fail(err)
	messages, err := follower.Subscribe(context.Background(), "")
	fail(err)
	go func() {
		for msg := range messages {
			msg.Ack()
		}
	}()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	<-asked
	fail(log.Close())
	os.Exit(0)
}

// member starts another process that is a member of the group and returns when it has all partitions.
func member(t *testing.T, config kafka.Config) *exec.Cmd {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), memberEnv+"="+config.Topic)
	child.Stderr = os.Stderr
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() }) // it may have ended before
	lines := bufio.NewScanner(output)
	for range config.Partitions {
		if !lines.Scan() {
			t.Fatal("the other process ended before it had partitions")
		}
	}
	return child
}

// join joins the group of a configuration and tells each partition that it is assigned.
func join(t *testing.T, config kafka.Config) (assigned <-chan int32) {
	t.Helper()
	log := openLog(t, config)
	t.Cleanup(func() { _ = log.Close() })
	told := make(chan int32, 100)
	follower, err := log.Follow(func(_ context.Context, partition int32) (int64, error) {
		told <- partition
		return 0, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := follower.Subscribe(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for msg := range messages {
			msg.Ack()
		}
	}()
	return told
}

// hasAll waits until a member has been assigned all partitions at once.
func hasAll(t *testing.T, config kafka.Config, assigned <-chan int32) {
	t.Helper()
	late := time.After(waiting)
	for have := map[int32]bool{}; len(have) < int(config.Partitions); {
		select {
		case partition := <-assigned:
			have[partition] = true
		case <-late:
			t.Fatalf("after %s the member has partitions %v of %d", waiting, have, config.Partitions)
		}
	}
}

func TestAnotherMemberTakesOver(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		alive  bool // the other member is there before
	}{
		{"after a member was killed", syscall.SIGKILL, true},
		{"after all members were killed", syscall.SIGKILL, false},
		{"after a member has left in order", syscall.SIGTERM, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := ensured(t, newTopic(t))
			config.Group = config.Topic
			other := member(t, config)
			var assigned <-chan int32
			if c.alive {
				assigned = join(t, config)
				select {
				case <-assigned: // one of the two partitions
				case <-time.After(waiting):
					t.Fatal("the second member was given nothing")
				}
			}
			began := time.Now()
			if err := other.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			if !c.alive {
				assigned = join(t, config)
			}
			hasAll(t, config, assigned)
			t.Logf("taken over %s after the signal", time.Since(began).Round(10*time.Millisecond))
		})
	}
}

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestASessionThatKafkaRefusesIsReplacedByTheShortestAllowed(t *testing.T) {
	config := ensured(t, newTopic(t))
	config.Group, config.SessionTimeout = config.Topic, 500*time.Millisecond // the brokers of the tests allow a second
	said := &lines{}
	log, err := kafka.Open(t.Context(), config, slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	follower, err := log.Follow(func(context.Context, int32) (int64, error) { return 0, nil })
	if err != nil {
		t.Fatal(err)
	}
	messages, err := follower.Subscribe(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(t.Context(), []events.Event{eventstest.NewEvent("main", 1)}); err != nil {
		t.Fatal(err)
	}
	select {
	case msg := <-messages:
		msg.Ack()
	case <-time.After(waiting):
		t.Fatal("nothing is followed")
	}
	if got := said.String(); strings.Count(got, "refused=500ms used=6s") != 1 || !strings.Contains(got, "group.min.session.timeout.ms") {
		t.Errorf("the log says %q", got)
	}
}
