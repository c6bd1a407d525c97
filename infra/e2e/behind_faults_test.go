//go:build faults

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// lag tells how many records of the log are not in the index.
func (i *installation) lag() (records int64) {
	i.t.Helper()
	var status struct{ Partitions []struct{ Lag int64 } }
	if err := json.Unmarshal([]byte(i.run("status", "--json")), &status); err != nil {
		i.t.Fatal(err)
	}
	for _, p := range status.Partitions {
		records += p.Lag
	}
	return records
}

func TestWhatIsAcknowledgedAndNotCommittedSurvivesEveryEnd(t *testing.T) {
	const kills = 10
	for _, c := range []struct{ variant, within string }{
		{"standalone", "10s"}, {"standalone", "1ms"}, {"replica", "10s"}, {"replica", "1ms"}, {"distributed", "0"},
	} {
		t.Run(c.variant+" "+c.within, func(t *testing.T) {
			r := dice(t)
			i := newInstallation(t, plain, c.variant, addresses(t, c.variant))
			i.env = append(i.env, envCommitWithin+"="+c.within)
			address := freeAddress(t)
			n := i.launch(address)
			n.awaitReady(bound)
			authors := make([]*author, 5)
			for k := range authors {
				authors[k] = newAuthor(t, fmt.Sprint("author", k))
			}
			between := 0 // kills between acknowledgement and commit
			for round := range kills * rounds(t) {
				var writers sync.WaitGroup
				var enough atomic.Bool
				for k, a := range authors[1:] {
					looks := rand.New(rand.NewPCG(r.Uint64(), uint64(k)))
					writers.Go(func() {
						for range 200 {
							a.write(n.base, 1)
							if a.unsettled() || enough.Load() {
								return
							}
							if round%2 == 0 && looks.IntN(4) == 0 {
								a.look(n)
							}
						}
					})
				}
				time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond)
				if round%2 == 0 {
					authors[0].write(n.base, 1+r.IntN(stepsOfRound))
				} else { // the last two writes are creates, when nobody has looked at anything for a moment
					enough.Store(true)
					writers.Wait()
					authors[0].write(n.base, stepsOfRound-1-len(authors[0].asked)%stepsOfRound)
					time.Sleep(200 * time.Millisecond)
					authors[0].write(n.base, 2)
				}
				switch round % 5 {
				case 3: // it stands still, goes on, and is killed
					if err := n.command.Process.Signal(syscall.SIGSTOP); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Duration(1500+r.IntN(1000)) * time.Millisecond)
					if err := n.command.Process.Signal(syscall.SIGCONT); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
				case 4: // it is killed while it stops
					if err := n.command.Process.Signal(syscall.SIGTERM); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Duration(r.IntN(150)) * time.Millisecond)
				}
				n.kill()
				writers.Wait()
				if i.lag() > 0 {
					between++
				}
				n = i.launch(address)
				n.awaitReady(bound)
				for _, a := range authors {
					writers.Go(func() { a.check(n) })
				}
				writers.Wait()
				if t.Failed() {
					t.Fatalf("after the end number %d", round+1)
				}
			}
			want := counted(authors)
			t.Logf("%d of %d ends were between append and commit; there are %v", between, kills*rounds(t), want)
			if c.within == "10s" && between < kills/3 {
				t.Errorf("hardly a kill was between acknowledgement and commit: little was shown")
			}
			for kind, count := range want {
				if got := total(t, n, kind); got != count {
					t.Errorf("%s: %d resources, want %d", kind, got, count)
				}
			}
			i.run("verify", "--deep")
			i.rebuildsTheSame(n, want)
			for _, a := range authors {
				a.checked = 0 // all keys once more
				a.check(n)
			}
			i.run("verify", "--deep")
		})
	}
}

func TestANodeThatHoldsCommitsBackStaysLinearizableWhileItIsKilled(t *testing.T) {
	for _, within := range []string{"10s", "1ms"} {
		t.Run(within, func(t *testing.T) {
			r := dice(t)
			i := newInstallation(t, plain, "standalone", nil)
			i.env = append(i.env, envCommitWithin+"="+within)
			f := launchFleet(i, 1)
			stop := make(chan struct{})
			var clients sync.WaitGroup
			acknowledged := newLedger()
			clients.Go(func() { acknowledged.write(f.any, 0, stop) })
			seen := newHistory()
			for k := range 6 {
				choices := rand.New(rand.NewPCG(r.Uint64(), uint64(k)))
				clients.Go(func() { operate(f, seen, k, choices, stop) })
			}
			faults := []fault{f.killed(0), f.stopped(0), f.killed(0)}
			for range 2 * rounds(t) {
				for _, fault := range faults {
					time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
					end, err := fault.begin()
					if err != nil {
						t.Fatalf("%s: %v", fault.name, err)
					}
					time.Sleep(time.Duration(r.IntN(1500)) * time.Millisecond)
					if err := end(); err != nil {
						t.Fatalf("the end of %s: %v", fault.name, err)
					}
					f.awaitWrites(t, acknowledged)
				}
			}
			close(stop)
			clients.Wait()
			seen.check(t, i.evidence)
			n := f.node(0)
			want := map[string]int{}
			acknowledged.check(t, n, want)
			if got := total(t, n, "Basic"); got != want["Basic"] {
				t.Errorf("%d resources are there, %d were acknowledged", got, want["Basic"])
			}
			i.run("verify", "--deep")
		})
	}
}
