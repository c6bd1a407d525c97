package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"binnacle/infra/parts"
)

// processWatch samples the memory and CPU time of the process that listens at a loopback URL, from /proc, and the CPU
// time of others beside it.
type processWatch struct {
	pid    int // 0: not visible
	others []int
	cpu    time.Duration
	beside time.Duration
	peak   int64
	stop   chan struct{}
	ended  chan struct{}
}

func watchProcesses(base string, beside []string) *processWatch {
	w := &processWatch{pid: listenerPID(base), stop: make(chan struct{}), ended: make(chan struct{})}
	for _, other := range beside {
		if pid := listenerPID(other); pid != 0 && pid != w.pid && !slices.Contains(w.others, pid) {
			w.others = append(w.others, pid)
		}
	}
	w.cpu, w.beside = cpuTime(w.pid), familyTime(w.others)
	go func() {
		defer close(w.ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			w.peak = max(w.peak, residentBytes(w.pid))
			select {
			case <-tick.C:
			case <-w.stop:
				return
			}
		}
	}()
	return w
}

// Result returns the peak of resident memory in bytes and the CPU time used per second, in cores, by the process and by
// the others.
func (w *processWatch) Result(elapsed time.Duration) (rss int64, cores, beside float64) {
	close(w.stop)
	<-w.ended
	beside = max(0, familyTime(w.others)-w.beside).Seconds() / elapsed.Seconds()
	if w.pid == 0 {
		return 0, 0, beside
	}
	return w.peak, (cpuTime(w.pid) - w.cpu).Seconds() / elapsed.Seconds(), beside
}

// addresses makes URLs of host:port.
func addresses(list []string) []string {
	urls := make([]string, len(list))
	for i, address := range list {
		urls[i] = "tcp://" + address
	}
	return urls
}

// familyTime is the CPU time of processes and their children, those that have ended included: Postgres has one for each
// connection.
func familyTime(parents []int) (total time.Duration) {
	if len(parents) == 0 {
		return 0
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		fields := statFields(pid)
		if len(fields) < 15 {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		switch {
		case slices.Contains(parents, pid):
			total += ticks(fields[11:15])
		case slices.Contains(parents, parent):
			total += ticks(fields[11:13])
		}
	}
	return total
}

// residentBytes reads VmRSS; 0 where it can't be seen.
func residentBytes(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// cpuTime reads user and system time of a process.
func cpuTime(pid int) time.Duration {
	fields := statFields(pid)
	if len(fields) < 13 {
		return 0
	}
	return ticks(fields[11:13])
}

// statFields are the fields of /proc/PID/stat after the name: the parent is the second of them, times begin with the
// twelfth (proc(5)).
func statFields(pid int) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
}

// ticks adds times, which Linux counts in hundredths of a second (USER_HZ).
func ticks(fields []string) (total time.Duration) {
	for _, field := range fields {
		n, _ := strconv.ParseInt(field, 10, 64)
		total += time.Duration(n) * 10 * time.Millisecond
	}
	return total
}

// listenerPID finds the process that listens on the port of a loopback URL; 0 where it can't be seen.
func listenerPID(base string) int {
	u, err := url.Parse(base)
	if err != nil {
		return 0
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return 0
	}
	port, _ := strconv.Atoi(u.Port())
	inode := ""
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, _ := os.ReadFile(table)
		lines := bufio.NewScanner(bytes.NewReader(data))
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[3] != "0A" { // 0A: LISTEN
				continue
			}
			_, hexPort, _ := strings.Cut(fields[1], ":")
			if raw, err := hex.DecodeString(hexPort); err == nil && len(raw) == 2 && int(raw[0])<<8|int(raw[1]) == port {
				inode = "socket:[" + fields[9] + "]"
			}
		}
	}
	if inode == "" {
		return 0
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == inode {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			return pid
		}
	}
	return 0
}

// benchServer is a server that the benchmark has started, with storage of its own.
type benchServer struct {
	benchTarget
	command *exec.Cmd
	env     []string
	folder  string
	log     *os.File
	ready   time.Duration // from the start of the process to ready
}

// startBenchServer starts this program as a server of a variant, in an empty folder, on a free port.
func startBenchServer(ctx context.Context, config *parts.Config, variant string) (*benchServer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "binnacle-bench-")
	if err != nil {
		return nil, err
	}
	s := &benchServer{folder: folder}
	if s.log, err = os.Create(filepath.Join(folder, "log")); err != nil {
		return nil, err
	}
	address, profiler, err := twoFreeAddresses()
	if err != nil {
		return nil, err
	}
	name := "bench_" + strings.ReplaceAll(uuid.NewString()[:8], "-", "")
	s.env = append(os.Environ(), "BINNACLE_VARIANT="+variant, "BINNACLE_DATA="+folder, "BINNACLE_LISTEN="+address, "BINNACLE_PPROF="+profiler,
		"BINNACLE_KAFKA_BROKERS="+strings.Join(config.Kafka.Brokers, ","), "BINNACLE_KAFKA_TOPIC="+name,
		"BINNACLE_CASSANDRA_HOSTS="+strings.Join(config.Cassandra.Hosts, ","), "BINNACLE_CASSANDRA_KEYSPACE="+name,
		"BINNACLE_POSTGRES_URL="+config.Postgres.URL, "BINNACLE_POSTGRES_SCHEMA="+name, "BINNACLE_LOG_LEVEL=warn")
	s.benchTarget = benchTarget{variant: variant, base: "http://" + address + "/fhir", pprof: "http://" + profiler}
	switch variant {
	case "distributed":
		s.beside = append(addresses(append(slices.Clone(config.Kafka.Brokers), config.Cassandra.Hosts...)), config.Postgres.URL)
	case "replica":
		s.beside = addresses(config.Kafka.Brokers)
	}
	s.command = exec.CommandContext(ctx, self, "serve")
	s.command.Env, s.command.Stdout, s.command.Stderr = s.env, s.log, s.log
	s.command.Cancel = func() error { return s.command.Process.Signal(syscall.SIGTERM) }
	s.command.WaitDelay = 10 * time.Second
	began := time.Now()
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	for deadline := began.Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if response, err := http.Get("http://" + address + "/health/ready"); err == nil {
			_ = response.Body.Close() // the status is all that is asked for
			if response.StatusCode == http.StatusOK {
				s.ready = time.Since(began)
				return s, nil
			}
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			s.Stop()
			return nil, fmt.Errorf("the %s server was not ready within a minute; its log is %s", variant, s.log.Name())
		}
	}
}

// twoFreeAddresses finds two loopback addresses nobody listens on.
func twoFreeAddresses() (a, b string, err error) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer first.Close()
	second, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer second.Close()
	return first.Addr().String(), second.Addr().String(), nil
}

// Verify runs the verify command against the server's storage and returns its last line.
func (s *benchServer) Verify(ctx context.Context) (string, error) {
	verify := exec.CommandContext(ctx, s.command.Path, "verify")
	verify.Env = s.env
	out, err := verify.Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], err
}

// Stop ends the server and removes what it kept on disk here.
func (s *benchServer) Stop() {
	_ = s.command.Process.Signal(syscall.SIGTERM)
	_ = s.command.Wait()
	_ = s.log.Close() // the server wrote it, through a handle of its own
	drop := exec.Command(s.command.Path, "drop", "--yes")
	drop.Env = s.env
	_ = drop.Run()             // names are unique: what is left over harms nobody
	_ = os.RemoveAll(s.folder) // a temporary folder
}

// fetchProfile takes a CPU profile of a server of ours.
func fetchProfile(base string, duration time.Duration, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	response, err := http.Get(fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", base, max(1, int(duration.Seconds()))))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || json.Valid(data) {
		return fmt.Errorf("no profile: %w", err)
	}
	return os.WriteFile(path, data, 0o644)
}
