package bench

import (
	"bytes"
	"cmp"
	"compress/bzip2"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"binnacle/infra/generate"
	"binnacle/infra/load"
	samplefiles "binnacle/infra/sample"
	"binnacle/infra/terminal"
)

// GenerateCommand makes test data of any size.
type GenerateCommand struct {
	Resources int64         `help:"Resources to make, at least; the last patient is made whole." default:"100000" env:"BINNACLE_BENCH_GENERATE_RESOURCES"`
	Out       string        `help:"Folder to write bundles to, for binnacle import." type:"path" env:"BINNACLE_BENCH_GENERATE_OUT" xor:"target" required:""`
	Server    string        `help:"Base URL of a FHIR server to send them to." env:"BINNACLE_BENCH_GENERATE_SERVER" xor:"target" required:""`
	Seed      uint64        `help:"Seed: the same seed and sources give the same bytes." default:"1" env:"BINNACLE_BENCH_GENERATE_SEED"`
	Files     []string      `help:"Bundles to copy patients from, files and folders; none: the three sample patients in the program." type:"path" sep:"," env:"BINNACLE_BENCH_GENERATE_FILES"`
	Clients   int           `help:"Requests in flight, with --server." default:"8" env:"BINNACLE_BENCH_GENERATE_CLIENTS"`
	Journal   string        `help:"File that remembers what was sent, with --server; empty: as for import." type:"path" env:"BINNACLE_BENCH_GENERATE_JOURNAL"`
	RetryFor  time.Duration `help:"How long one request is tried again while the server is away." default:"60s" env:"BINNACLE_BENCH_GENERATE_RETRY_FOR"`
}

const generateHelp = `Makes patients by copying those of the source bundles: new ids, shifted dates, other digits in names and
identifiers, consistent references; codes stay, so their spread is that of the sources. The same seed and sources
give the same bytes. It writes a transaction bundle for each patient to --out, or sends it to --server; the
organizations and practitioners that patients refer to come first.

An interrupted run resumes: run the same command again. What a server has taken is not sent to it again.`

// Validate is called by the command line.
func (c *GenerateCommand) Validate() error {
	if c.Server == "" {
		return nil
	}
	return cmp.Or(load.CheckServer("--server", c.Server), load.CheckCount("--clients", c.Clients))
}

func (*GenerateCommand) Help() string { return generateHelp }

// Run is called by the command line.
func (c *GenerateCommand) Run(ctx context.Context, out *terminal.Output) error {
	generator, err := loadGenerator(ctx, c.Files, c.Seed, out)
	if err != nil {
		return err
	}
	if c.Server != "" {
		err = c.send(ctx, generator, out)
	} else {
		err = c.write(ctx, generator, out)
	}
	if ctx.Err() != nil {
		fmt.Fprintln(out.Err, "interrupted; run the same command again to resume")
		return terminal.ErrQuiet
	}
	return err
}

// loadGenerator reads the sources: files, or what the program carries.
func loadGenerator(ctx context.Context, paths []string, seed uint64, out *terminal.Output) (*generate.Generator, error) {
	loader, err := generate.NewLoader(seed)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		names, err := fs.Glob(samplefiles.Files, "*")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			packed, err := samplefiles.Files.ReadFile(name)
			if err != nil {
				return nil, err
			}
			body, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(packed)))
			if err != nil {
				return nil, err
			}
			if err := loader.Add(generate.Source{Name: name, Body: body}); err != nil {
				return nil, err
			}
		}
		return loader.Generator()
	}
	files, err := load.Files(paths)
	if err != nil {
		return nil, err
	}
	first, rest := load.SplitPhases(files)
	files = slices.Concat(first, rest)
	bar := terminal.NewProgress(out.Err, "read sources", "files")
	defer bar.Close()
	bar.Set(0, int64(len(files)))
	// Unpacking takes the time: it goes on beside, a few files ahead; the loader takes them in their order.
	bodies := make([]chan []byte, len(files))
	reading, rctx := errgroup.WithContext(ctx)
	ahead := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range files {
		bodies[i] = make(chan []byte, 1)
	}
	reading.Go(func() error {
		for i, file := range files {
			select {
			case ahead <- struct{}{}:
			case <-rctx.Done():
				return rctx.Err()
			}
			reading.Go(func() error {
				defer close(bodies[i])
				in, err := load.OpenFile(file)
				if err != nil {
					return err
				}
				defer in.Close()
				body, err := io.ReadAll(in)
				if err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				bodies[i] <- body
				return nil
			})
		}
		return nil
	})
	for i, file := range files {
		var body []byte
		select {
		case body = <-bodies[i]:
		case <-rctx.Done():
		}
		if body == nil {
			return nil, reading.Wait()
		}
		<-ahead
		if err := loader.Add(generate.Source{Name: filepath.Base(file), Body: body}); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		bar.Add(1)
	}
	if err := reading.Wait(); err != nil {
		return nil, err
	}
	return loader.Generator()
}

// patientsFor is how many patients give so many resources together with what they share, and how many resources that
// are.
func patientsFor(g *generate.Generator, resources int64) (patients uint64, all int64) {
	for _, s := range g.Shared() {
		all += int64(s.Resources)
	}
	for all < resources || patients == 0 {
		all += int64(g.Patient(patients).Resources)
		patients++
	}
	return patients, all
}

// patientFolder keeps folders small.
const patientFolder = 1_000

func patientFile(number uint64) string {
	return filepath.Join(fmt.Sprintf("%06d", number/patientFolder), fmt.Sprintf("patient-%08d.json.gz", number))
}

// manifestFile says what a folder holds, so that a later run goes on with the same and nothing else.
const manifestFile = "generated.txt"

func (c *GenerateCommand) manifest(g *generate.Generator) string {
	sum := sha256.New()
	for _, name := range g.Names() {
		_, _ = fmt.Fprintln(sum, name) // a digest takes everything
	}
	return fmt.Sprintf("binnacle bench generate: seed %d, sources %s\n", c.Seed, hex.EncodeToString(sum.Sum(nil)[:8]))
}

// write makes files. What is there is skipped: a file has its name only when it is whole.
func (c *GenerateCommand) write(ctx context.Context, g *generate.Generator, out *terminal.Output) error {
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return err
	}
	want, path := c.manifest(g), filepath.Join(c.Out, manifestFile)
	switch have, err := os.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			return err
		}
	case err != nil:
		return err
	case string(have) != want:
		return fmt.Errorf("the folder %s holds other data (%s); give an empty one, or the seed and files of that run", c.Out, bytes.TrimSpace(have))
	}
	for _, s := range g.Shared() {
		name := filepath.Join(c.Out, s.Name)
		for filepath.Ext(name) == ".bz2" || filepath.Ext(name) == ".gz" {
			name = name[:len(name)-len(filepath.Ext(name))]
		}
		if err := writeCompressed(name+".gz", s.Body); err != nil {
			return err
		}
	}
	patients, all := patientsFor(g, c.Resources)
	bar := terminal.NewProgress(out.Err, "generate", "resources")
	bar.Set(0, all)
	work, wctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for number := range patients {
		if wctx.Err() != nil {
			break
		}
		work.Go(func() error {
			p := g.Patient(number)
			name := filepath.Join(c.Out, patientFile(number))
			if _, err := os.Stat(name); err != nil {
				body, err := p.Bundle()
				if err != nil {
					return err
				}
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					return err
				}
				if err := writeCompressed(name, body); err != nil {
					return err
				}
			}
			bar.Add(int64(p.Resources))
			return nil
		})
	}
	err := errors.Join(work.Wait(), ctx.Err())
	bar.Close()
	if err == nil {
		fmt.Fprintf(out.Out, "%s resources of %s patients are in %s; load them with: binnacle import %s\n", humanize.Comma(all), humanize.Comma(int64(patients)), c.Out, c.Out)
	}
	return err
}

// writeCompressed writes a file that appears whole or not at all.
func writeCompressed(name string, body []byte) error {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err == nil {
		_, err = z.Write(body)
	}
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		err = os.WriteFile(name+".part", packed.Bytes(), 0o644)
	}
	if err == nil {
		err = os.Rename(name+".part", name)
	}
	return err
}

// send posts the bundles as an import does.
func (c *GenerateCommand) send(ctx context.Context, g *generate.Generator, out *terminal.Output) error {
	patients, all := patientsFor(g, c.Resources)
	bar := terminal.NewProgress(out.Err, "generate", "resources")
	bar.Set(0, all)
	im, err := load.StartImporter(ctx, load.ImporterConfig{Server: c.Server, Clients: c.Clients, RetryFor: c.RetryFor, Progress: bar}, c.Journal, false)
	if err != nil {
		return err
	}
	defer im.Journal.Close()
	began := time.Now()
	ctx, im.Stop = context.WithCancelCause(ctx)
	defer im.Stop(nil)
	send := func(u load.Unit) {
		if entries, wanted := im.NotTaken(u); wanted {
			im.Send(ctx, u, entries)
		}
	}
	for _, s := range g.Shared() {
		send(load.Unit{File: s.Name, Method: http.MethodPost, Body: s.Body, Resources: int64(s.Resources)})
	}
	seed := c.manifest(g)
	var senders errgroup.Group
	senders.SetLimit(c.Clients)
	for number := range patients {
		if ctx.Err() != nil {
			break
		}
		senders.Go(func() error {
			p := g.Patient(number)
			body, err := p.Bundle()
			if err == nil {
				send(load.Unit{File: fmt.Sprintf("patient %d of %s", number, seed[len("binnacle bench generate: "):len(seed)-1]), Method: http.MethodPost, Body: body, Resources: int64(p.Resources)})
			}
			return err
		})
	}
	if err := senders.Wait(); err != nil {
		return err
	}
	bar.Close()
	summary := im.Summary(int(patients), began)
	summary.Print(out.Out)
	if len(summary.Failed) > 0 {
		return terminal.ErrQuiet
	}
	return nil
}
