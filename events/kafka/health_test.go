package kafka

import (
	"errors"
	"testing"
	"time"

	"binnacle/events"
)

func TestASubscriptionThatGetsNoPartitionsShowsInHealth(t *testing.T) {
	f := &follower{log: &Log{config: Config{Topic: "log", Group: "projectors"}}, problems: map[int32]error{}}
	if err := f.health(); err != nil {
		t.Errorf("nobody has subscribed, and health is %v", err)
	}
	f.began(0)
	if err := f.health(); err != nil {
		t.Errorf("a fresh subscription has health %v", err)
	}
	f.idle = f.idle.Add(-2 * maxIdle)
	if err := f.health(); events.KindOf(err) != events.Transient {
		t.Errorf("a subscription that waits for long has health %v", err)
	}
	f.began(1)
	if err := f.health(); err != nil {
		t.Errorf("a session has health %v", err)
	}
	f.ended()
	if err := f.health(); err != nil {
		t.Errorf("a session that ended just now has health %v", err)
	}
	if f.idle = f.idle.Add(-2 * maxIdle); f.health() == nil {
		t.Error("a session that ended long ago has good health")
	}
	f.began(1)
	f.problems[3] = errors.New("no place")
	if err := f.health(); err == nil || time.Since(f.idle) < maxIdle {
		t.Error("a partition that stands still has good health")
	}
}
