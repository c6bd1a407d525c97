package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"binnacle/infra/generate"
	"binnacle/infra/indexbench"
	"binnacle/infra/load"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
	"binnacle/projections"
	"binnacle/projections/catalog"
)

// indexCommand measures the index by itself.
type indexCommand struct {
	Resources int64         `help:"Resources to load, at least." default:"100000" env:"BINNACLE_BENCH_INDEX_RESOURCES"`
	Variants  []string      `help:"Variants whose index is measured: standalone (SQLite), distributed (Postgres)." default:"standalone" sep:"," enum:"standalone,distributed" env:"BINNACLE_BENCH_INDEX_VARIANTS"`
	Files     []string      `help:"Bundles to copy patients from; none: the three sample patients in the program." type:"path" sep:"," env:"BINNACLE_BENCH_INDEX_FILES"`
	Seed      uint64        `help:"Seed of the data and of the searches." default:"1" env:"BINNACLE_BENCH_INDEX_SEED"`
	Batch     int           `help:"Versions of one commit, at least." default:"1000" env:"BINNACLE_BENCH_INDEX_BATCH"`
	Bulk      bool          `help:"Load as a rebuild does: bare tables first, their indexes afterwards." env:"BINNACLE_BENCH_INDEX_BULK"`
	Updates   int64         `help:"Updates of scattered resources after the load, at the most; a fifth of the resources when they are fewer." default:"200000" env:"BINNACLE_BENCH_INDEX_UPDATES"`
	Readers   int           `help:"Searchers beside a part of the load; 0: none." default:"2" env:"BINNACLE_BENCH_INDEX_READERS"`
	Duration  time.Duration `help:"Time for each shape of search; 0: none is asked." default:"1s" env:"BINNACLE_BENCH_INDEX_DURATION"`
	Folder    string        `help:"Folder for the SQLite file; empty: the system's for temporary files." type:"path" env:"BINNACLE_BENCH_INDEX_FOLDER"`
	Keep      string        `help:"Folder that keeps what is loaded; a later run with it measures the searches again without loading. Empty: all is deleted at the end." type:"path" env:"BINNACLE_BENCH_INDEX_KEEP"`
	Shapes    string        `help:"Measure the shapes whose name has this in it; empty: all." env:"BINNACLE_BENCH_INDEX_SHAPES"`
	Profile   string        `help:"File for a CPU profile of the load." type:"path" env:"BINNACLE_BENCH_INDEX_PROFILE"`
	JSON      bool          `help:"Print JSON instead of a table." name:"json"`
}

const indexHelp = `Loads generated patients straight into an index, without HTTP, log and contents, and prints: the rate of the load
as a whole and of its last tenth, counted in time inside the driver; the latencies of the commits; bytes of disk for
each resource, table by table; updates of scattered resources and a sweep of what they superseded; searches beside the load; and for each shape of
search the first answer, p50, p95 and p99, the plan, and how fast its matches are counted.

The SQLite file is a new one, the Postgres schemas too; both are deleted afterwards. With --keep FOLDER they stay, with what the
searches ask for, and the next run with the same folder measures them again; delete the folder, and drop the schema that its
JSON file names, when done. Ten million resources in Postgres: --resources 10000000 --variants distributed --bulk --batch 4000 --files FOLDER.`

func (*indexCommand) Help() string { return indexHelp }

// indexReport is what was measured of one index.
type indexReport struct {
	Variant   string              `json:"variant"`
	Resources int64               `json:"resources"`
	Patients  uint64              `json:"patients"`
	Batch     int                 `json:"batch"`
	Bulk      bool                `json:"bulk"`
	Load      indexLoad           `json:"load"`
	Finish    time.Duration       `json:"finish_ns"`
	Tables    map[string]int64    `json:"table_bytes"`
	Sizes     projections.Sizes   `json:"sizes"`
	Reading   indexLoad           `json:"load_with_readers"`
	Readers   [3]time.Duration    `json:"searches_beside_load_p50_p95_p99_ns"`
	Update    indexLoad           `json:"update"`
	Sweep     indexSweep          `json:"sweep"`
	Answers   []indexbench.Answer `json:"searches"`
}

// indexLoad is a stage in which versions were committed.
type indexLoad struct {
	Versions              int64   `json:"versions"`
	Rate, LastTenth, Wall float64 // versions per second: inside the driver, inside in the last tenth, by the clock
	P50, P95, P99, Max    time.Duration
	CPU                   time.Duration `json:"cpu_per_version_ns"` // of this process, extraction and all; a server's is not in it
}

// Run is called by the command line.
func (c *indexCommand) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	known, err := parts.LoadCatalog(config)
	if err != nil {
		return err
	}
	generator, err := loadGenerator(ctx, c.Files, c.Seed, out)
	if err != nil {
		return err
	}
	var reports []indexReport
	for _, variant := range c.Variants {
		run := indexRun{indexCommand: c, out: out, catalog: known, generator: generator, report: indexReport{Variant: variant, Batch: c.Batch, Bulk: c.Bulk}}
		if err := run.measure(ctx, config, variant, logger); err != nil {
			return err
		}
		reports = append(reports, run.report)
		if !c.JSON {
			run.report.Print(out.Out)
		}
	}
	if c.JSON {
		encoder := json.NewEncoder(out.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(reports)
	}
	return nil
}

// indexRun measures one index.
type indexRun struct {
	*indexCommand
	out       *terminal.Output
	catalog   *catalog.Catalog
	generator *generate.Generator
	sample    *indexbench.Sample
	firsts    []int64
	report    indexReport
}

func (r *indexRun) measure(ctx context.Context, config *parts.Config, variant string, logger *slog.Logger) (err error) {
	folder := r.Keep
	if folder == "" {
		if folder, err = os.MkdirTemp(r.Folder, "binnacle-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	} else if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	kept, loaded, err := readKept(folder, variant)
	if err != nil {
		return err
	}
	settings := *config
	settings.Variant, settings.Data, settings.Postgres.Schema = variant, folder, kept.Schema
	generations, closeIndex, err := parts.OpenIndexAlone(ctx, &settings, r.catalog.Digest(), r.Keep != "", logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeIndex()) }()
	r.sample = kept.Sample
	if loaded {
		r.report.Resources, r.report.Patients = kept.Resources, kept.Patients
	} else {
		if err := r.fill(ctx, generations); err != nil {
			return err
		}
		kept.Resources, kept.Patients = r.report.Resources, r.report.Patients
		if r.Keep != "" {
			if err := kept.write(folder, variant); err != nil {
				return err
			}
		}
	}
	return r.search(ctx, generations.Live())
}

// fill loads the index and updates a part of it.
func (r *indexRun) fill(ctx context.Context, generations parts.MeasuredGenerations) error {
	patients, all := patientsFor(r.generator, r.Resources)
	r.report.Resources, r.report.Patients = all, patients
	beside := patients / 20 // loaded afterwards, with readers beside
	if r.Readers == 0 || r.Bulk {
		beside = 0
	}
	if err := r.load(ctx, generations, patients-beside); err != nil {
		return err
	}
	index := generations.Live()
	var err error
	if r.report.Tables, err = generations.TableSizes(ctx); err != nil {
		return err
	}
	if r.report.Sizes, err = index.Sizes(ctx); err != nil {
		return err
	}
	if beside > 0 {
		if err := r.loadBesideReaders(ctx, index, patients-beside, patients); err != nil {
			return err
		}
	}
	if err := r.update(ctx, index, patients); err != nil {
		return err
	}
	return r.sweep(ctx, generations)
}

// load fills the index, the live generation or, in bulk, the next one.
func (r *indexRun) load(ctx context.Context, generations projections.Generations, patients uint64) error {
	into := projections.Writer(generations.Live())
	var building projections.Building
	if r.Bulk {
		var err error
		if building, err = generations.Build(ctx, r.catalog.Digest()); err != nil {
			return err
		}
		defer func() { _ = building.Release() }() // after Switch it does nothing
		into = building
	}
	if r.Profile != "" {
		file, err := os.Create(r.Profile + "." + r.report.Variant)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var err error
	if r.report.Load, err = r.stage(ctx, "load "+r.report.Variant, into, &indexbench.Feed{Generator: r.generator, Catalog: r.catalog, Sample: r.sample}, 0, patients); err != nil || building == nil {
		return err
	}
	started := time.Now()
	if err := building.Finish(ctx, func(done, all int, step string) { fmt.Fprintf(r.out.Err, "finish: %d of %d, %s\n", done, all, step) }); err != nil {
		return err
	}
	r.report.Finish = time.Since(started)
	return building.Switch(ctx)
}

// stage commits the records of some patients.
func (r *indexRun) stage(ctx context.Context, name string, into projections.Writer, feed *indexbench.Feed, first, end uint64) (s indexLoad, err error) {
	bar := terminal.NewProgress(r.out.Err, name, "resources")
	defer bar.Close()
	loader := &indexbench.Loader{Index: into, Batch: r.Batch, Progress: bar.Add, Firsts: r.firsts}
	if err := loader.Begin(ctx); err != nil {
		return s, err
	}
	before := ownCPU()
	if err := feed.Records(ctx, first, end, func(record indexbench.Record) error { return loader.Add(ctx, record) }); err != nil {
		return s, err
	}
	if err := loader.Flush(ctx); err != nil {
		return s, err
	}
	r.firsts = loader.Firsts
	s.Versions = loader.Versions
	s.CPU = (ownCPU() - before) / time.Duration(max(s.Versions, 1))
	s.Rate, s.LastTenth, s.Wall = loader.Rates()
	s.P50, s.P95, s.P99, s.Max = load.Percentiles(loader.Commits)
	return s, nil
}

// loadBesideReaders loads on while some ask.
func (r *indexRun) loadBesideReaders(ctx context.Context, index projections.Index, first, end uint64) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var readers errgroup.Group
	times := make([]*hdrhistogram.Histogram, r.Readers)
	shapes := r.sample.Shapes()
	for n := range times {
		times[n] = load.NewHistogram()
		asker := &indexbench.Asker{Index: index, Catalog: r.catalog, Sample: r.sample, Seed: r.Seed + uint64(n), CPU: ownCPU}
		readers.Go(func() error {
			for i := 0; reading.Err() == nil; i++ {
				answer := asker.Ask(reading, shapes[i%6]) // the common ones
				if answer.Error == "" {
					_ = times[n].RecordValue(answer.First.Microseconds()) // out of range would be above an hour
				}
			}
			return nil
		})
	}
	var err error
	r.report.Reading, err = r.stage(ctx, "load beside searches", index, &indexbench.Feed{Generator: r.generator, Catalog: r.catalog, Sample: r.sample}, first, end)
	stop()
	err = errors.Join(err, readers.Wait())
	all := load.NewHistogram()
	for _, h := range times {
		all.Merge(h)
	}
	r.report.Readers[0], r.report.Readers[1], r.report.Readers[2], _ = load.Percentiles(all)
	return err
}

// update writes second versions of a fifth of the resources, or of as many as are wanted, of all patients.
func (r *indexRun) update(ctx context.Context, index projections.Index, patients uint64) (err error) {
	part := min(0.2, float64(r.Updates)/float64(max(r.report.Resources, 1)))
	if part <= 0 {
		return nil
	}
	feed := &indexbench.Feed{Generator: r.generator, Catalog: r.catalog, Update: part, Firsts: r.firsts}
	r.report.Update, err = r.stage(ctx, "update", index, feed, 0, patients)
	return err
}

func (r *indexRun) search(ctx context.Context, index projections.Index) error {
	if r.Duration <= 0 {
		return nil
	}
	asker := &indexbench.Asker{Index: index, Catalog: r.catalog, Sample: r.sample, Seed: r.Seed, Duration: r.Duration, CPU: ownCPU}
	for _, shape := range r.sample.Shapes() {
		if !strings.Contains(shape.String(), r.Shapes) {
			continue
		}
		answer := asker.Ask(ctx, shape)
		fmt.Fprintf(r.out.Err, "%s: first %s, p50 %s, p99 %s %s\n", answer.Shape, terminal.Short(answer.First), terminal.Short(answer.P50), terminal.Short(answer.P99), answer.Error)
		r.report.Answers = append(r.report.Answers, answer)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// ownCPU is the CPU time of this process.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Print writes the report for people.
func (r *indexReport) Print(w io.Writer) {
	fmt.Fprintf(w, "\n## %s: %s resources of %s patients, commits of %d, bulk %v, %d cores\n\n", r.Variant, humanize.Comma(r.Resources), humanize.Comma(int64(r.Patients)), r.Batch, r.Bulk, runtime.NumCPU())
	table := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "| stage \t| versions \t| /s in driver \t| last tenth \t| /s by clock \t| commit p50 \t| p95 \t| p99 \t| max \t| own CPU each \t|")
	fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, s := range []struct {
		name string
		indexLoad
	}{{"load", r.Load}, {"load beside searches", r.Reading}, {"update, scattered", r.Update}} {
		if s.Versions > 0 {
			fmt.Fprintf(table, "| %s \t| %d \t| %.0f \t| %.0f \t| %.0f \t| %s \t| %s \t| %s \t| %s \t| %s \t|\n", s.name, s.Versions, s.Rate, s.LastTenth, s.Wall, terminal.Short(s.P50), terminal.Short(s.P95), terminal.Short(s.P99), terminal.Short(s.Max), terminal.Short(s.CPU))
		}
	}
	_ = table.Flush() // to a terminal or a pipe that may have gone
	if r.Finish > 0 {
		whole := float64(r.Load.Versions) / (float64(r.Load.Versions)/r.Load.Wall + r.Finish.Seconds())
		fmt.Fprintf(w, "\nindexes and statistics afterwards: %s; the whole by the clock %.0f resources/s\n", terminal.Short(r.Finish), whole)
	}
	if r.Readers[0] > 0 {
		fmt.Fprintf(w, "\nsearches beside the load: p50 %s, p95 %s, p99 %s\n", terminal.Short(r.Readers[0]), terminal.Short(r.Readers[1]), terminal.Short(r.Readers[2]))
	}
	r.Sweep.print(w)
	if r.Sizes.Versions > 0 { // loaded by this run
		r.printSizes(w)
	}
	if len(r.Answers) == 0 {
		return
	}
	table = tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "| search \t| first \t| p50 \t| p95 \t| p99 \t| own CPU \t| found \t| matches \t| counted/s \t| plan \t|")
	fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, a := range r.Answers {
		matches, rate := "", ""
		if a.Matches >= 0 {
			matches, rate = humanize.Comma(a.Matches), humanize.Comma(int64(a.CountRate))
		}
		plan := a.Plan
		if a.Error != "" {
			plan = "REFUSED: " + a.Error
		}
		fmt.Fprintf(table, "| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %d \t| %s \t| %s \t| %s \t|\n", a.Shape, terminal.Short(a.First), terminal.Short(a.P50), terminal.Short(a.P95), terminal.Short(a.P99), terminal.Short(a.CPU), a.Found, matches, rate, plan)
	}
	_ = table.Flush() // as above
}

func (r *indexReport) printSizes(w io.Writer) {
	fmt.Fprintf(w, "\nbytes for each version: %d in all;", r.Sizes.Bytes/max(r.Sizes.Versions, 1))
	names := slices.SortedFunc(maps.Keys(r.Tables), func(a, b string) int { return int(r.Tables[b] - r.Tables[a]) })
	for _, name := range names {
		if each := r.Tables[name] / max(r.Sizes.Versions, 1); each > 0 {
			fmt.Fprintf(w, " %s %d", name, each)
		}
	}
	fmt.Fprintf(w, "; %.1f term rows for each\n\n", float64(r.Sizes.Terms)/float64(max(r.Sizes.Versions, 1)))
}
