package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"binnacle/infra/load"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
)

// Command measures. Without a sub-command it is "bench run".
type Command struct {
	Doors    benchRunCommand `cmd:"" group:"Commands:" name:"run" default:"withargs" help:"Measure a FHIR server over HTTP; this is what bench alone does."`
	Index    indexCommand    `cmd:"" group:"Commands:" help:"Measure the index by itself: load, size, updates, every shape of search."`
	Generate GenerateCommand `cmd:"" group:"Commands:" help:"Make test data of any size from a few bundles."`
}

const benchHelp = `Measures a FHIR server over HTTP ("binnacle bench run", or "binnacle bench" alone) or the index by itself, and
makes the data for it.`

func (*Command) Help() string { return benchHelp }

// benchRunCommand measures a FHIR server over HTTP.
type benchRunCommand struct {
	Server   string        `help:"Base URL of the FHIR server to measure, and to write to, or of one of its tenants; empty: start one of our own for each of --variants." env:"BINNACLE_BENCH_SERVER"`
	Variants []string      `help:"Variants to start and measure, one after the other: ${enum}." enum:"memory,standalone,replica,distributed" default:"standalone" sep:"," env:"BINNACLE_BENCH_VARIANTS"`
	Beside   []string      `help:"Addresses (host:port) on this machine of further servers whose CPU time counts, beside --server: its database." sep:"," env:"BINNACLE_BENCH_BESIDE"`
	Files    []string      `help:"Files and folders to import first; none: the server's data is used as it is." type:"path" sep:"," env:"BINNACLE_BENCH_FILES"`
	Clients  []int         `help:"Client counts for reads and searches." default:"1,16" sep:"," env:"BINNACLE_BENCH_CLIENTS"`
	Writers  []int         `help:"Client counts for creates and updates." default:"1,8" sep:"," env:"BINNACLE_BENCH_WRITERS"`
	Only     []string      `help:"Workloads to run, by the beginnings of their names; none: all." sep:"," env:"BINNACLE_BENCH_ONLY"`
	Import   int           `help:"Client count of the import." default:"8" env:"BINNACLE_BENCH_IMPORT"`
	Duration time.Duration `help:"Time for each measurement." default:"8s" env:"BINNACLE_BENCH_DURATION"`
	Seed     uint64        `help:"Seed of the random choices." default:"1" env:"BINNACLE_BENCH_SEED"`
	JSON     bool          `help:"Print JSON instead of a table." name:"json"`
	Profile  string        `help:"Folder for CPU profiles of the servers that are started, one for each measurement." type:"path" env:"BINNACLE_BENCH_PROFILE"`
}

const benchRunHelp = `Drives a FHIR server over HTTP and prints, for each kind of request and number of clients, the rate, the
latencies p50, p95 and p99, the errors, and the server's memory and CPU time where they can be seen, with that of the
servers it works with for each request. Reads by id are
measured warm: what they ask for was asked for once before.

With --server URL any FHIR R4 server is measured. The workloads that create and update, and --files, write to that
server, and nothing takes it away afterwards: name one whose data doesn't matter. Without it, a server is started for each of --variants, with
empty storage of its own, and stopped afterwards; the distributed variant needs the addresses of Kafka, Cassandra
and Postgres in the environment (see "./task servers:up").`

func (*benchRunCommand) Help() string { return benchRunHelp }

// Validate is called by the command line.
func (c *benchRunCommand) Validate() error {
	var wrong []error
	if c.Duration <= 0 {
		wrong = append(wrong, fmt.Errorf("--duration is %v: a measurement takes time", c.Duration))
	}
	if c.Server != "" {
		wrong = append(wrong, load.CheckServer("--server", c.Server))
	}
	for _, list := range []struct {
		flag   string
		counts []int
	}{{"--clients", c.Clients}, {"--writers", c.Writers}, {"--import", []int{c.Import}}} {
		for _, count := range list.counts {
			wrong = append(wrong, load.CheckCount(list.flag, count))
		}
	}
	return cmp.Or(wrong...)
}

// measurement is one row of the benchmark.
type measurement struct {
	Variant  string        `json:"variant"`
	Name     string        `json:"name"`
	Clients  int           `json:"clients"`
	Unit     string        `json:"unit"`
	Count    int64         `json:"count"`
	Rate     float64       `json:"rate_per_second"`
	P50      time.Duration `json:"p50_ns"`
	P95      time.Duration `json:"p95_ns"`
	P99      time.Duration `json:"p99_ns"`
	Errors   int64         `json:"errors"`
	RSS      int64         `json:"server_peak_rss_bytes"` // 0: not visible
	CPU      float64       `json:"server_cpu_cores"`
	Beside   float64       `json:"other_servers_cpu_cores"` // Kafka, Cassandra, Postgres, as far as they are visible
	Elapsed  time.Duration `json:"elapsed_ns"`
	FirstErr string        `json:"first_error,omitempty"`
}

// benchReport is all that a benchmark has found.
type benchReport struct {
	Cores  int           `json:"cores"`
	OS     string        `json:"os"`
	Go     string        `json:"go"`
	Files  []string      `json:"files"`
	Began  time.Time     `json:"began"`
	Rows   []measurement `json:"measurements"`
	Verify []string      `json:"verify,omitempty"`
}

// Run is called by the command line.
func (c *benchRunCommand) Run(ctx context.Context, config *parts.Config, out *terminal.Output) error {
	report := &benchReport{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Files: c.Files, Began: time.Now().UTC()}
	units, err := c.loadUnits(ctx, out)
	if err != nil {
		return err
	}
	if c.Server != "" {
		fmt.Fprintf(out.Err, "bench writes to %s: what its workloads and --files create and update there stays; --only chooses workloads\n", c.Server)
		_, err = c.measure(ctx, out, &benchTarget{variant: "given", base: strings.TrimSuffix(c.Server, "/"), beside: addresses(c.Beside)}, units, report)
	} else {
		for _, variant := range c.Variants {
			if err = c.measureVariant(ctx, config, out, variant, units, report); err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	if c.JSON {
		encoder := json.NewEncoder(out.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	report.Print(out.Out)
	return nil
}

// loadUnits reads and unpacks the files before anything is measured.
func (c *benchRunCommand) loadUnits(ctx context.Context, out *terminal.Output) (phases [][]load.Unit, err error) {
	if len(c.Files) == 0 {
		return nil, nil
	}
	files, err := load.Files(c.Files)
	if err != nil {
		return nil, err
	}
	bar := terminal.NewProgress(out.Err, "read files", "files")
	defer bar.Close()
	first, rest := load.SplitPhases(files)
	bar.Set(0, int64(len(files)))
	for _, file := range first {
		phase, err := unitsOf(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		phases = append(phases, phase)
		bar.Add(1)
	}
	loaded := make([][]load.Unit, len(rest))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for i, file := range rest {
		group.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if loaded[i], err = unitsOf(file); err != nil {
				err = fmt.Errorf("%s: %w", file, err)
			}
			bar.Add(1)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var all []load.Unit
	for _, l := range loaded {
		all = append(all, l...)
	}
	return append(phases, all), nil
}

func unitsOf(file string) (units []load.Unit, err error) {
	err = load.ReadUnits(file, func(u load.Unit) error { units = append(units, u); return nil })
	return units, err
}

// measureVariant starts a server of our own, measures it and stops it.
func (c *benchRunCommand) measureVariant(ctx context.Context, config *parts.Config, out *terminal.Output, variant string, units [][]load.Unit, report *benchReport) error {
	fmt.Fprintf(out.Err, "starting the %s variant\n", variant)
	server, err := startBenchServer(ctx, config, variant)
	if err != nil {
		return err
	}
	defer server.Stop()
	report.Rows = append(report.Rows, measurement{Variant: variant, Name: "cold start to ready", Clients: 1, Unit: "starts", Count: 1, P50: server.ready, P95: server.ready, P99: server.ready, Elapsed: server.ready})
	sample, err := c.measure(ctx, out, &server.benchTarget, units, report)
	if err != nil {
		return err
	}
	if units != nil && c.wanted("rebuild") {
		if err := c.measureRebuild(ctx, out, server, sample, report); err != nil {
			return err
		}
	}
	line, err := server.Verify(ctx)
	report.Verify = append(report.Verify, variant+": "+line)
	return err
}

// measure runs all workloads against one server, with parameters from the sample that it returns.
func (c *benchRunCommand) measure(ctx context.Context, out *terminal.Output, target *benchTarget, units [][]load.Unit, report *benchReport) (*sample, error) {
	add := func(m measurement) { report.add(out, target.variant, m) }
	if units != nil {
		add(c.profiled(target, "import", func() measurement {
			return importWorkload(ctx, target, units, c.Import, terminal.NewProgress(out.Err, "import", "resources"))
		}))
	}
	sample, err := takeSample(ctx, target.base, c.Seed)
	if err != nil {
		return nil, err
	}
	for _, w := range sample.Workloads() {
		if !c.wanted(w.Name) {
			continue
		}
		counts := c.Clients
		if w.Writes {
			counts = c.Writers
		}
		switch {
		case w.Alone:
			counts = []int{1}
		case w.Clients > 0:
			counts = []int{w.Clients}
		}
		w.warm(ctx, target)
		for _, clients := range counts {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			var beside measurement
			add(c.profiled(target, fmt.Sprintf("%s-%d", strings.ReplaceAll(w.Name, " ", "-"), clients), func() (m measurement) {
				if w.Beside == nil {
					return runWorkload(ctx, target, w, clients, c.Duration, c.Seed)
				}
				beside = runBeside(ctx, target, *w.Beside, w.Beside.Clients, c.Seed, func() {
					m = runWorkload(ctx, target, w, clients, c.Duration, c.Seed)
				})
				return m
			}))
			if w.Beside != nil {
				beside.Name += " meanwhile"
				add(beside)
			}
		}
	}
	return sample, nil
}

// wanted tells whether a workload is to be run.
func (c *benchRunCommand) wanted(name string) bool {
	return len(c.Only) == 0 || slices.ContainsFunc(c.Only, func(begin string) bool { return strings.HasPrefix(name, begin) })
}

// add keeps a row and shows it.
func (r *benchReport) add(out *terminal.Output, variant string, m measurement) {
	m.Variant = variant
	r.Rows = append(r.Rows, m)
	fmt.Fprintf(out.Err, "%s: %s, %d clients: %.0f %s/s, p50 %s, p99 %s, %d errors %s\n", m.Variant, m.Name, m.Clients, m.Rate, m.Unit, m.P50, m.P99, m.Errors, m.FirstErr)
}

// profiled takes a CPU profile of the server beside a measurement, where one was asked for and the server is ours.
func (c *benchRunCommand) profiled(target *benchTarget, name string, run func() measurement) measurement {
	if c.Profile == "" || target.pprof == "" {
		return run()
	}
	done := make(chan error, 1)
	go func() {
		done <- fetchProfile(target.pprof, c.Duration, c.Profile+string(os.PathSeparator)+target.variant+"-"+name+".pprof")
	}()
	m := run()
	if err := <-done; err != nil {
		m.FirstErr = "profile: " + err.Error()
	}
	return m
}

// Print writes the table.
func (r *benchReport) Print(w io.Writer) {
	fmt.Fprintf(w, "%d cores, %s, %s, %s; files: %s\n\n", r.Cores, r.OS, r.Go, r.Began.Format(time.DateTime), strings.Join(r.Files, ", "))
	table := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "| variant \t| measurement \t| clients \t| rate/s \t| p50 \t| p95 \t| p99 \t| errors \t| RSS MiB \t| cores \t| CPU each \t| of all servers \t|")
	fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, m := range r.Rows {
		fmt.Fprintf(table, "| %s \t| %s \t| %d \t| %.0f %s \t| %s \t| %s \t| %s \t| %d \t| %d \t| %.2f \t| %s \t| %s \t|\n", m.Variant, m.Name, m.Clients, m.Rate, m.Unit,
			terminal.Short(m.P50), terminal.Short(m.P95), terminal.Short(m.P99), m.Errors, m.RSS>>20, m.CPU, terminal.Short(m.each(m.CPU)), terminal.Short(m.each(m.CPU+m.Beside)))
	}
	_ = table.Flush() // to a terminal or a pipe that may have gone: nothing to do about it
	for _, line := range r.Verify {
		fmt.Fprintf(w, "\nverify %s\n", line)
	}
}

// each is the time that so many cores had for one request, or what else is counted.
func (m *measurement) each(cores float64) time.Duration {
	if m.Count == 0 {
		return 0
	}
	return time.Duration(cores * float64(m.Elapsed) / float64(m.Count))
}
