package testrun

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// progress is what earlier runs of Faults have passed. It counts for the state of the code that it was made with.
type progress struct {
	Code   string             // digest of all that the tests are built from, and of how often they repeat
	Passed map[string]float64 // s, by test
	Took   map[string]float64 // s, by test, of any state of the code: for the estimate
}

// Choice says which of the tests of faults run, and from where.
type Choice struct {
	Names    string // a regular expression of the tests' names; "" is all
	State    string // the folder in which is kept what has passed
	Anew     bool   // what has passed runs again
	PlanOnly bool   // none runs: it is only told which would
}

// Faults runs the tests that break nodes, brokers, databases and disks, one after the other, each in a process of its
// own. What has passed is kept, so an interrupted run goes on where it was; a change of the code or another number of
// rounds begins again. It needs the real servers' addresses in the environment, but for a plan.
func (r *Runner) Faults(ctx context.Context, choice Choice) error {
	matches, err := regexp.Compile(choice.Names)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	tests, err := Plan(r.Root)
	if err != nil {
		return err
	}
	tests = chosen(tests, func(t Test) bool { return t.Stage == Faults && matches.MatchString(t.Name) })
	if len(tests) == 0 {
		return fmt.Errorf("-run %q chooses none of the tests of faults; ./task test:list tells every test and where it runs", choice.Names)
	}
	file := filepath.Join(choice.State, "faults.json")
	kept, err := readProgress(file, r.Root, choice.Anew)
	if err != nil {
		return err
	}
	if choice.PlanOnly {
		done := len(chosen(tests, func(t Test) bool { _, passed := kept.Passed[t.String()]; return passed }))
		fmt.Fprintf(r.Out, "%d tests of faults, %d of them have passed before, about %s to go\n", len(tests), done, kept.left(tests))
		return nil
	}
	rep := newReport(r.Out)
	defer rep.end()
	for i, t := range tests {
		fmt.Fprintf(r.Out, "\n%d of %d: %s, about %s to go\n", i+1, len(tests), t, kept.left(tests[i:]))
		if took, done := kept.Passed[t.String()]; done {
			fmt.Fprintf(r.Out, "passed before, in %.0f s\n", took)
			continue
		}
		began, failures := time.Now(), len(rep.failures)
		err := r.goTest(ctx, rep, "-tags="+Faults.String(), "-count=1", "-timeout=4h", "-run=^"+t.Name+"$", t.Package)
		if ctx.Err() != nil {
			fmt.Fprintln(r.Out, "interrupted: the same command goes on here")
			return ctx.Err()
		}
		if err != nil && len(rep.failures) == failures {
			return err
		}
		if err == nil {
			took := time.Since(began).Seconds()
			kept.Passed[t.String()], kept.Took[t.String()] = took, took
			if err := kept.write(file); err != nil {
				return err
			}
		}
	}
	if len(rep.failures) > 0 {
		return ErrFailed
	}
	return nil
}

// left is how long the tests that have not passed will take by what they took before; one that never ran counts a
// minute.
func (p *progress) left(tests []Test) time.Duration {
	sum := 0.0
	for _, t := range tests {
		if _, done := p.Passed[t.String()]; done {
			continue
		}
		took, known := p.Took[t.String()]
		if !known {
			took = time.Minute.Seconds()
		}
		sum += took
	}
	return time.Duration(sum * float64(time.Second)).Round(time.Second)
}

func readProgress(file, root string, anew bool) (*progress, error) {
	code, err := digest(root)
	if err != nil {
		return nil, err
	}
	p := &progress{Passed: map[string]float64{}, Took: map[string]float64{}}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil {
		if err := json.Unmarshal(text, p); err != nil {
			return nil, fmt.Errorf("%s: %w: remove it to begin anew", file, err)
		}
	}
	if p.Code != code || anew {
		p.Code = code
		p.Passed = map[string]float64{}
	}
	return p, nil
}

func (p *progress) write(file string) error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file+".new", text, 0o644), os.Rename(file+".new", file))
}

// roundsEnv says how often the tests repeat their faults: a run with another number has not passed.
const roundsEnv = "BINNACLE_FAULT_ROUNDS"

// digest is over the number of rounds and everything below root that the program and its tests are built from or read.
func digest(root string) (string, error) {
	names := map[string]string{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := file != root && strings.HasPrefix(entry.Name(), ".")
		switch {
		case entry.IsDir() && (hidden || entry.Name() == "binnacle-data" || entry.Name() == "docs"):
			return filepath.SkipDir
		case !entry.Type().IsRegular() || hidden || file == filepath.Join(root, "binnacle") || strings.HasSuffix(file, ".md"):
			return nil
		}
		sum := sha256.New()
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := io.Copy(sum, f); err != nil {
			return err
		}
		names[file] = hex.EncodeToString(sum.Sum(nil))
		return nil
	})
	if err != nil {
		return "", err
	}
	all := sha256.New()
	fmt.Fprintf(all, "%s\n", os.Getenv(roundsEnv))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(all, "%s %s\n", name, names[name])
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}
