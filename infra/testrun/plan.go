// Package testrun runs the project's tests and knows which test runs where.
//
// A test file says it by its name and its build tag, which must agree: x_test.go runs under the race detector in the
// test command; x_whole_test.go (tag whole) runs there too, once and without the detector, because it walks much;
// x_faults_test.go (tag faults) breaks things for long and runs in test:faults. The tests of the package e2e start the
// program as a process of its own, so they run without the detector. A test file that fits none of these is an error,
// so no test is left out unseen.
package testrun

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Stage is one of the runs that tests are divided into.
type Stage int

// The stages. Their names are those of the build tags.
const (
	Race Stage = iota
	Whole
	Faults
)

func (s Stage) String() string { return [...]string{"race", "whole", "faults"}[s] }

// module is the import path of the project.
const module = "binnacle"

// outside holds the tests that start the program as a process.
const outside = module + "/infra/e2e"

// Test is a test, an example, or a fuzz target, which is a test of its seeds.
type Test struct {
	Package, Name string
	Stage         Stage
}

func (t Test) String() string { return strings.TrimPrefix(t.Package, module+"/") + " " + t.Name }

// Plan reads every test file below root and returns the tests in the order of packages and files.
func Plan(root string) (tests []Test, err error) {
	set := token.NewFileSet()
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(file, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(set, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		stage, err := stageOf(path.Base(filepath.ToSlash(file)), parsed)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, name := range testsOf(parsed) {
			tests = append(tests, Test{Package: path.Join(module, filepath.ToSlash(folder)), Name: name, Stage: stage})
		}
		return nil
	})
	return tests, err
}

// stageOf tells a file's stage from its name, and refuses a build constraint that says another one or that no stage
// fulfills.
func stageOf(name string, parsed *ast.File) (Stage, error) {
	stage := Race
	for _, s := range []Stage{Whole, Faults} {
		if strings.HasSuffix(name, "_"+s.String()+"_test.go") {
			stage = s
		}
	}
	expression, err := constraintOf(parsed)
	if err != nil {
		return stage, err
	}
	holds := func(tag string) bool {
		return expression == nil || expression.Eval(func(t string) bool { return t == tag || slices.Contains(platform, t) })
	}
	if stage == Race && !holds("") {
		return stage, fmt.Errorf("no run of the test command fulfills its build constraint %s: say the tag in the name, as in x_%s_test.go", expression, Faults)
	}
	if stage != Race && (holds("") || !holds(stage.String())) {
		return stage, fmt.Errorf("a file of this name has the build constraint //go:build %s", stage)
	}
	return stage, nil
}

// platform are the tags that the machine gives: files for another one are its matter.
var platform = []string{"unix", "linux", "darwin", "amd64", "arm64"}

func constraintOf(parsed *ast.File) (constraint.Expr, error) {
	for _, group := range parsed.Comments {
		for _, line := range group.List {
			if line.Pos() < parsed.Package && constraint.IsGoBuild(line.Text) {
				return constraint.Parse(line.Text)
			}
		}
	}
	return nil, nil
}

func testsOf(parsed *ast.File) (names []string) {
	for _, declaration := range parsed.Decls {
		function, is := declaration.(*ast.FuncDecl)
		if !is || function.Recv != nil || function.Name.Name == "TestMain" {
			continue
		}
		for _, prefix := range []string{"Test", "Fuzz", "Example"} {
			if strings.HasPrefix(function.Name.Name, prefix) {
				names = append(names, function.Name.Name)
			}
		}
	}
	return names
}

// packagesOf lists the packages that tests are in, without repetition, in order.
func packagesOf(tests []Test) (list []string) {
	for _, t := range tests {
		if !slices.Contains(list, t.Package) {
			list = append(list, t.Package)
		}
	}
	return list
}

// chosen returns the tests that a condition holds for.
func chosen(tests []Test, holds func(Test) bool) (list []Test) {
	for _, t := range tests {
		if holds(t) {
			list = append(list, t)
		}
	}
	return list
}

// pattern is what go test -run takes for exactly these tests.
func pattern(tests []Test) string {
	names := make([]string, 0, len(tests))
	for _, t := range tests {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return "^(" + strings.Join(slices.Compact(names), "|") + ")$"
}
