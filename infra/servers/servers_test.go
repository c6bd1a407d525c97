package servers

import (
	"context"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestExportsSurviveTheShell(t *testing.T) {
	want := map[string]string{"BINNACLE_A": "127.0.0.1:1", "BINNACLE_B": "it's $HOME `x` \"y\" \\ & ; |"}
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte(shellExports(want)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", `. "$0"; sh -c 'printf "%s\n" "$BINNACLE_A" "$BINNACLE_B"'`, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, want := string(out), want["BINNACLE_A"]+"\n"+want["BINNACLE_B"]+"\n"; got != want {
		t.Errorf("a child of the shell sees %q, want %q", got, want)
	}
}

func TestTheStateIsReadAsItWasSaved(t *testing.T) {
	dir := t.TempDir()
	st, err := readState(dir)
	if err != nil {
		t.Fatalf("a new folder: %v", err)
	}
	if st.known(Kafka) {
		t.Error("a new folder knows a server")
	}
	st.Engine = engineProcess
	if err := st.choosePorts(one(Kafka)); err != nil {
		t.Fatal(err)
	}
	if err := st.setProcess(Kafka, 4711, 1234567890123); err != nil {
		t.Fatal(err)
	}
	again, err := readState(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, want := again.instance(Kafka), st.instance(Kafka)
	if again.Engine != engineProcess || got.Pid != 4711 || got.Created != 1234567890123 || got.Secret != want.Secret || !maps.Equal(got.Ports, want.Ports) {
		t.Errorf("read %+v on %q, saved %+v", got, again.Engine, want)
	}
}

func TestABrokenStateIsAnErrorAndNotAnEmptyState(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(`{"servers":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readState(dir); err == nil {
		t.Error("half a state file was read as a state: its servers would never be stopped")
	}
}

func TestPortsAreKeptUntilSomebodyElseTakesOne(t *testing.T) {
	st, err := readState(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := st.choosePorts(one(Cassandra)); err != nil {
		t.Fatal(err)
	}
	first := st.instance(Cassandra).Ports
	if len(first) != 2 || first[clientPort] == first["storage"] {
		t.Fatalf("ports %v, want two different ones", first)
	}
	for name, port := range first {
		if port < firstPort || port >= lastPort {
			t.Errorf("the %s port is %d, where outgoing connections may land", name, port)
		}
	}
	if err := st.choosePorts(one(Cassandra)); err != nil {
		t.Fatal(err)
	}
	if got := st.instance(Cassandra).Ports; !maps.Equal(got, first) {
		t.Errorf("a second start on %v, want the same %v", got, first)
	}

	squatter, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first["storage"])))
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	if err := st.choosePorts(one(Cassandra)); err != nil {
		t.Fatal(err)
	}
	if got := st.instance(Cassandra).Ports; got["storage"] == first["storage"] {
		t.Errorf("a start on %v although somebody listens on %d", got, first["storage"])
	}
}

func TestAProcessIsTheSameOnlyByIdAndTimeAndWhileItLives(t *testing.T) {
	ctx := context.Background()
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	pid := int32(sleep.Process.Pid)
	created, err := creation(ctx, pid)
	if err != nil {
		t.Fatal(err)
	}
	if same(ctx, pid, created) == nil {
		t.Error("a living process isn't recognized")
	}
	if same(ctx, pid, created-60_000) != nil {
		t.Error("a process that got the id of another is taken for it")
	}
	if err := sleep.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Nobody has waited for it yet: it is a zombie, which still answers kill -0.
	if !gone(ctx, instance{Pid: pid, Created: created}) {
		t.Error("a zombie is taken for a living process")
	}
	_ = sleep.Wait() // it was killed
	if same(ctx, pid, created) != nil {
		t.Error("an ended process is taken for a living one")
	}
}

func TestAFolderIsTakenByOneAtATime(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	hurried, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := lock(hurried, dir); err == nil {
		t.Error("two took the folder at once")
	}
	unlock()
	unlock, err = lock(hurried, dir)
	if err != nil {
		t.Fatalf("a free folder can't be taken: %v", err)
	}
	unlock()
}

// one is a server that is the only one of its kind.
func one(kind string) server {
	for _, s := range all() {
		if s.kind() == kind {
			return s
		}
	}
	panic("there is no " + kind)
}

func TestEveryValueOfASettingsFileIsKnown(t *testing.T) {
	k, c := one(Kafka).(kafka), one(Cassandra).(cassandra)
	for file, s := range map[string]server{"kafka.properties": k, "cassandra.yaml": c} {
		at := site{home: "/the", ports: map[string]int{}}
		for i, name := range s.ports() {
			at.ports[name] = 20000 + i
		}
		values := k.values(at, "/the/data")
		if s.kind() == Cassandra {
			values = c.values(at)
		}
		text, err := settings(file, at, values)
		if err != nil {
			t.Error(err)
		}
		for _, value := range []string{"20000", "20001", "/the/data"} {
			if !strings.Contains(text, value) {
				t.Errorf("%s doesn't use %s", file, value)
			}
		}
		delete(at.ports, clientPort)
		if _, err := settings(file, at, values); err == nil {
			t.Errorf("%s was filled in without a client port", file)
		}
	}
}

func TestAPrivatePostgresStartsCrashesStartsAgainAndLeavesNothing(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	c, err := OpenPrivate(dir, Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Purge(ctx); err != nil {
			t.Errorf("purge: %v", err)
		}
	}()
	if err := c.Up(ctx, func(line string) { t.Log(line) }); err != nil {
		t.Fatal(err)
	}
	url := c.Env()["BINNACLE_POSTGRES_URL"]
	wantReady(t, c, true)

	var lines []string
	if err := c.Up(ctx, func(line string) { lines = append(lines, line) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(lines, []string{"already up"}) {
		t.Errorf("a second up did %q", lines)
	}

	for _, hard := range []bool{true, false} {
		if err := c.Stop(ctx, Postgres, hard); err != nil {
			t.Fatalf("stop, hard %v: %v", hard, err)
		}
		wantReady(t, c, false)
		if err := c.Start(ctx, Postgres); err != nil {
			t.Fatalf("start after a stop, hard %v: %v", hard, err)
		}
		wantReady(t, c, true)
		if got := c.Env()["BINNACLE_POSTGRES_URL"]; got != url {
			t.Errorf("started again at %s, was at %s", got, url)
		}
	}

	if err := c.Down(ctx); err != nil {
		t.Fatal(err)
	}
	wantReady(t, c, false)
	if _, err := os.Stat(filepath.Join(dir, envFile)); err == nil {
		t.Error("the env file still names a server that is down")
	}
}

func wantReady(t *testing.T, c *Cluster, want bool) {
	t.Helper()
	list, err := c.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Ready != want || list[0].Running != want {
		t.Fatalf("status %+v, want ready and running %v", list, want)
	}
}

func TestAServerThatFailsIsToldWithItsLogAndNothingIsLeft(t *testing.T) {
	ctx := context.Background()
	c, err := OpenPrivate(t.TempDir(), Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Purge(ctx); err != nil {
			t.Errorf("purge: %v", err)
		}
	}()
	if err := c.Up(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Down(ctx); err != nil {
		t.Fatal(err)
	}
	owner, err := postgresOwner()
	if err != nil {
		t.Fatal(err)
	}
	home, err := owner.home(filepath.Join(c.dir, Postgres))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "data", "PG_VERSION"), []byte("9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err = c.Up(ctx, nil)
	if err == nil {
		t.Fatal("a server with data of another version started")
	}
	for _, part := range []string{Postgres, "ended before it was ready", "incompatible"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error doesn't say %q: %v", part, err)
		}
	}
	wantReady(t, c, false)
}

func TestUnknownServersAreRefusedByName(t *testing.T) {
	if _, err := OpenPrivate(t.TempDir(), "mysql"); err == nil || !strings.Contains(err.Error(), "mysql") {
		t.Errorf("got %v, want an error that names mysql", err)
	}
}
