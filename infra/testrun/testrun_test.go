package testrun

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree makes a module of files.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestEveryTestOfTheProjectRunsSomewhere(t *testing.T) {
	tests, err := Plan("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Test{
		{module + "/infra/testrun", "TestEveryTestOfTheProjectRunsSomewhere", Race},
		{module + "/projections/catalog/extract", "TestTheWholeSample", Whole},
		{outside, "TestThreeNodesUnderFaultsLoseNothingDoubleNothingAndStayLinearizable", Faults},
		{module + "/events/fhir", "FuzzStamp", Race},
	} {
		if !slices.Contains(tests, want) {
			t.Errorf("%s is not planned for %s", want, want.Stage)
		}
	}
	// A second test of the same name in a package's other file does not compile under all tags.
	seen := map[string]Stage{}
	for _, test := range tests {
		key := test.String()
		if stage, twice := seen[key]; twice {
			t.Errorf("%s is in a file for %s and in one for %s", key, stage, test.Stage)
		}
		seen[key] = test.Stage
	}
}

func TestAFileSaysByNameAndTagWhereItsTestsRun(t *testing.T) {
	const test = "\npackage x\nimport \"testing\"\nfunc TestIt(t *testing.T) {}\n"
	for _, c := range []struct{ name, text, want string }{
		{"it_test.go", test, "race x TestIt"},
		{"it_whole_test.go", "//go:build whole\n" + test, "whole x TestIt"},
		{"it_faults_test.go", "//go:build faults\n" + test, "faults x TestIt"},
		{"it_faults_test.go", "//go:build faults && unix\n" + test, "faults x TestIt"},
		{"it_test.go", "//go:build unix\n" + test, "race x TestIt"},
		{"it_faults_test.go", test, "a file of this name has the build constraint //go:build faults"},
		{"it_whole_test.go", "//go:build faults\n" + test, "a file of this name has the build constraint //go:build whole"},
		{"it_test.go", "//go:build faults\n" + test, "no run of the test command fulfills its build constraint"},
		{"it_test.go", "//go:build !race\n" + test, "race x TestIt"},
		{"it_test.go", "//go:build never\n" + test, "no run of the test command fulfills its build constraint"},
		{"it_test.go", "//go:build never &&\n" + test, "it_test.go"},
	} {
		tests, err := Plan(tree(t, map[string]string{"x/" + c.name: c.text, "x/testdata/y_test.go": "not Go", ".git/z_test.go": "not Go"}))
		got := ""
		switch {
		case err != nil:
			got = err.Error()
		case len(tests) == 1:
			got = tests[0].Stage.String() + " " + tests[0].String()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s with %.30q: got %q, want %q", c.name, c.text, got, c.want)
		}
	}
}

// lines are of go test -json: a package with a test that fails, one whose test never ends, and a test that is skipped
// in one run and passes in another.
const lines = `{"Action":"run","Package":"binnacle/a","Test":"TestOne"}
{"Action":"output","Package":"binnacle/a","Test":"TestOne","Output":"one is quiet\n"}
{"Action":"pass","Package":"binnacle/a","Test":"TestOne","Elapsed":2.5}
{"Action":"output","Package":"binnacle/a","Test":"TestTwo/part","Output":"got 1, want 2\n"}
{"Action":"fail","Package":"binnacle/a","Test":"TestTwo/part","Elapsed":0.1}
{"Action":"fail","Package":"binnacle/a","Test":"TestTwo","Elapsed":0.1}
{"Action":"fail","Package":"binnacle/a","Elapsed":3}
{"Action":"output","Package":"binnacle/b","Test":"TestHangs","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"binnacle/b","Elapsed":900}
{"Action":"skip","Package":"binnacle/c","Test":"TestLater","Elapsed":0}
{"Action":"skip","Package":"binnacle/c","Test":"TestNever","Elapsed":0}
{"Action":"output","Package":"binnacle/c","Output":"ok  \tbinnacle/c\t(cached)\n"}
{"Action":"pass","Package":"binnacle/c","Elapsed":1}
{"Action":"pass","Package":"binnacle/e","Test":"TestOld","Elapsed":70}
{"Action":"output","Package":"binnacle/e","Output":"ok  \tbinnacle/e\t(cached)\n"}
{"Action":"pass","Package":"binnacle/e","Elapsed":0}
{"Action":"pass","Package":"binnacle/c","Test":"TestLater","Elapsed":1}
{"ImportPath":"binnacle/d","Action":"build-output","Output":"d.go:1: undefined: x\n"}
{"Action":"fail","Package":"binnacle/d","Elapsed":0}
not of a test
`

func TestAReportTellsWhatFailedWhatIsSlowAndWhatNobodyRan(t *testing.T) {
	var out bytes.Buffer
	r := newReport(&out)
	if err := r.read(strings.NewReader(lines)); err != nil {
		t.Fatal(err)
	}
	r.end()
	for _, want := range []string{
		"got 1, want 2\n", "panic: test timed out\n", "d.go:1: undefined: x\n", "not of a test\n", "ok    c", "cached\n", "FAIL  a", "FAIL  b", "   900.0 s  b\n", "     2.5 s  a TestOne\n",
		"failed: a TestTwo\n", "failed: b\n", "failed: d\n", "skipped: c TestNever\n", "\n3 passed, 3 failed, 2 skipped\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it doesn't say %q", want)
		}
	}
	for _, unwanted := range []string{"one is quiet", "skipped: c TestLater", "70.0 s"} {
		if strings.Contains(out.String(), unwanted) {
			t.Errorf("it says %q", unwanted)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// Two tests of a module of its own: one passes, one fails while a file is missing. What has passed is not run again.
func TestFaultsGoOnWhereTheyWereInterrupted(t *testing.T) {
	root := tree(t, map[string]string{
		"go.mod": "module binnacle\n\ngo 1.26\n",
		"x/x.go": "package x\n",
		"x/x_faults_test.go": `//go:build faults

package x

import (
	"os"
	"testing"
)

func TestFirst(t *testing.T) {}

func TestSecond(t *testing.T) {
	if _, err := os.Stat("../.there"); err != nil {
		t.Fatal(err)
	}
}
`})
	state := filepath.Join(root, ".task")
	run := func(choice string, anew bool) (string, error) {
		var out bytes.Buffer
		err := (&Runner{Root: root, Out: &out}).Faults(context.Background(), Choice{Names: choice, State: state, Anew: anew})
		return out.String(), err
	}
	if out, err := run("", false); !errors.Is(err, ErrFailed) || !strings.Contains(out, "failed: x TestSecond") || !strings.Contains(out, "1 passed, 1 failed") {
		t.Fatalf("the first run: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(root, ".there"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := run("", false); err != nil || !strings.Contains(out, "passed before") || !strings.Contains(out, "1 passed, 0 failed") {
		t.Fatalf("the second run: %v\n%s", err, out)
	}
	var plan bytes.Buffer
	if err := (&Runner{Root: root, Out: &plan}).Faults(context.Background(), Choice{State: state, PlanOnly: true}); err != nil || !strings.HasPrefix(plan.String(), "2 tests of faults, 2 of them") {
		t.Errorf("the plan: %v\n%s", err, &plan)
	}
	if out, err := run("First", true); err != nil || strings.Contains(out, "passed before") || !strings.Contains(out, "1 passed, 0 failed") {
		t.Fatalf("a run anew of one: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(root, "x/x.go"), []byte("package x // changed\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := run("", false); err != nil || strings.Contains(out, "passed before") {
		t.Fatalf("a run of changed code: %v\n%s", err, out)
	}
	if _, err := run("Nobody", false); err == nil || !strings.Contains(err.Error(), "none of the tests") {
		t.Errorf("a choice of nothing: %v", err)
	}
}
