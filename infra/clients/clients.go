// Package clients runs FHIR client programs that other people wrote against a node of Binnacle, in the ways that
// their own documentation shows: HAPI's client (Java), fhir-kit-client and fhirclient (Node), fhirpy and fhirclient
// (Python). A program of each stands in the folder of its language. It prints a line for each check, as the Test
// Anything Protocol has it. Whatever a node answers them is held against the definitions of R4 by HAPI's validator.
//
// What the programs need is fetched once, into the user's cache folder. A language whose tools this machine lacks is
// left out, and a line says why; everything else that goes wrong is a failure (ADR 86).
package clients

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"binnacle/infra/terminal"

	"golang.org/x/sync/errgroup"
)

//go:embed java node python
var sources embed.FS

// ErrFailed says that checks failed; which ones has been printed.
var ErrFailed = errors.New("checks of clients failed")

// Runner runs the client programs.
type Runner struct {
	Out    io.Writer
	Choice *regexp.Regexp // of programs by name; nil: all

	mu             sync.Mutex // held while a program's lines are printed
	passed, failed int
	left           int // programs that were left out
}

// program is one program on one client.
type program struct {
	name   string
	with   string // its language
	tenant string // its ledger on the node; "": the one at the root
	apart  bool   // its answers are not held against R4: they hold what HL7 wrote
	// command runs it on the files that were made of its language's folder, for the FHIR root of a node.
	command func(at place, base string) *exec.Cmd
}

// examples are HL7's examples of R4, below the folder of the project, which this runs in.
const examples = "projections/fhir/form/testdata/r4-examples.zip"

// validator is the program that holds answers against R4. It is no client, so it has no node.
const validator = "validator"

func programs() []program {
	script := func(file string) func(place, string) *exec.Cmd {
		return func(at place, base string) *exec.Cmd {
			return exec.Command(at.tool, filepath.Join(at.sources, file), base)
		}
	}
	return []program{
		{name: "hapi", with: "java", command: func(at place, base string) *exec.Cmd { return at.java("HapiClient", base) }},
		{name: "hapi-examples", with: "java", tenant: "hapi-examples", apart: true, command: func(at place, base string) *exec.Cmd {
			return at.java("Examples", base, examples)
		}},
		{name: "fhir-kit-client", with: "node", tenant: "fhir-kit-client", command: script("fhirkit.mjs")},
		{name: "fhirclient-js", with: "node", tenant: "fhirclient-js", command: script("fhirclient.mjs")},
		{name: "fhirpy", with: "python", tenant: "fhirpy", command: script("fhirpy_client.py")},
		{name: "fhirclient-py", with: "python", tenant: "fhirclient-py", command: script("fhirclient_client.py")},
	}
}

// Run prepares what this machine has the tools for, and runs the programs against a node of each variant that it can
// start: standalone, and distributed when the environment names real servers. The error is ErrFailed when checks
// failed.
func (r *Runner) Run(ctx context.Context) (err error) {
	began := time.Now()
	folder, err := os.MkdirTemp("", "binnacle-clients-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	chosen := programs()
	if r.Choice != nil {
		chosen = slices.DeleteFunc(chosen, func(p program) bool { return !r.Choice.MatchString(p.name) })
	}
	places, err := r.prepare(ctx, folder, chosen)
	if err != nil {
		return err
	}
	chosen = slices.DeleteFunc(chosen, func(p program) bool { _, ready := places[p.with]; return !ready })
	if len(chosen) == 0 {
		r.say("clients: nothing is left to run")
		return nil
	}
	binary := filepath.Join(folder, "binnacle")
	if err := quietly(ctx, exec.Command("go", "build", "-o", binary, "binnacle")); err != nil {
		return fmt.Errorf("the server doesn't build: %w", err)
	}
	for _, variant := range variants() {
		if err := r.variant(ctx, variant, binary, folder, chosen, places); err != nil {
			return fmt.Errorf("%s: %w", variant.name, err)
		}
	}
	r.say(fmt.Sprintf("took %s", time.Since(began).Round(time.Second)))
	r.say(fmt.Sprintf("clients: %d passed, %d failed, %d skipped", r.passed, r.failed, r.left))
	if r.failed > 0 {
		return ErrFailed
	}
	return nil
}

// variant runs the programs at the same time against one node, and the validator beside them.
func (r *Runner) variant(ctx context.Context, v variant, binary, folder string, chosen []program, places map[string]place) (err error) {
	folder, err = os.MkdirTemp(folder, v.name+"-")
	if err != nil {
		return err
	}
	server, err := v.start(ctx, binary, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	r.say(fmt.Sprintf("clients: a node of the variant %s runs; %d programs begin", v.name, len(chosen)))
	answers, err := newRecorder(server.root, filepath.Join(folder, "answers"))
	if err != nil {
		return err
	}
	defer answers.close()
	var judged errgroup.Group
	if at, ready := places["java"]; ready {
		judge := at.java("Validate", r.kinds()...)
		judge.Stdin = answers.files
		judged.Go(func() error { return r.runOne(ctx, v.name+" "+validator, judge) })
	} else {
		r.say("clients: answers are not validated, because that takes Java")
		go func() { _, _ = io.Copy(io.Discard, answers.files) }() // nobody reads them, and the pipe must not fill
	}
	var all errgroup.Group
	for _, p := range chosen {
		base := answers.root
		if p.apart {
			base = server.root
		}
		if p.tenant != "" {
			base += "/t/" + p.tenant
		}
		base += "/fhir"
		all.Go(func() error { return r.runOne(ctx, v.name+" "+p.name, p.command(places[p.with], base)) })
	}
	err = all.Wait()
	answers.close()
	return errors.Join(err, judged.Wait(), ctx.Err())
}

// kinds are the kinds of answers that must have come when nothing was chosen: HAPI's program sees them all.
func (r *Runner) kinds() (all []string) {
	if r.Choice != nil && r.Choice.String() != "" {
		return nil
	}
	for _, kind := range []string{"CapabilityStatement", "OperationOutcome", "Bundle/searchset", "Bundle/history",
		"Bundle/batch-response", "Bundle/transaction-response", "Patient"} {
		all = append(all, kind+" json", kind+" xml")
	}
	return all
}

// runOne runs a program to its end and prints what failed. That checks failed is counted; only what keeps it from
// running at all is an error.
func (r *Runner) runOne(ctx context.Context, name string, cmd *exec.Cmd) error {
	began := time.Now()
	lines, printed := io.Pipe()
	told := &terminal.Tail{}
	cmd.Stdout, cmd.Stderr = printed, told
	wait, err := start(ctx, cmd)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- wait()
		_ = printed.Close() // it never fails
	}()
	result, err := readTAP(lines, func(done int) { r.progress(name, began, done) })
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	end := <-ended
	if ctx.Err() != nil {
		return nil // it was killed because somebody interrupts all of it
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if fault := result.incomplete(end); fault != "" {
		result.failures = append(result.failures, failure{fault, told.Lines(20)})
	}
	r.passed, r.failed = r.passed+result.passed, r.failed+len(result.failures)
	for _, f := range result.failures {
		fmt.Fprintf(r.Out, "FAILED %s: %s\n", name, f.name)
		for _, line := range f.why {
			fmt.Fprintf(r.Out, "       %s\n", line)
		}
	}
	for _, note := range result.notes {
		fmt.Fprintf(r.Out, "clients: %s: %s\n", name, note)
	}
	fmt.Fprintf(r.Out, "clients: %s: %d passed, %d failed in %s\n", name, result.passed, len(result.failures),
		time.Since(began).Round(100*time.Millisecond))
	return nil
}

// progressInterval is the time after which a program that still runs tells how far it is.
const progressInterval = 10 * time.Second

// progress tells of a program that takes long, at each check that a new interval begins with.
func (r *Runner) progress(name string, began time.Time, done int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.Out, "clients: %s: %d checks so far, %s\n", name, done, time.Since(began).Round(time.Second))
}

func (r *Runner) say(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintln(r.Out, line)
}

// writeSources writes the files of a language's folder below a folder, and returns where.
func writeSources(language, folder string) (string, error) {
	return filepath.Join(folder, language), fs.WalkDir(sources, language, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := filepath.Join(folder, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(path, 0o755)
		}
		text, err := sources.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(path, text, 0o644)
	})
}
