package infra

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"binnacle/events"
	"binnacle/infra/terminal"
)

var update = flag.Bool("update", false, "write docs/config.md anew")

const configPage = "../docs/config.md"

// configDocument writes the page from the flags of the program itself.
func configDocument(t *testing.T) string {
	t.Helper()
	var cli commandLine
	parser, err := kong.New(&cli, kong.Name("binnacle"))
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	page.WriteString("# Configuration\n\nThe flags of the storage, of `serve`, `import` and `bench` have environment twins; a flag wins over its\n" +
		"twin. The flags of other commands, and `--json`, say what one run is to do: they have none. Durations are written like\n" +
		"`1.5s`, lists with commas. This page is held against the program by a test; `go test ./infra -run Configuration -update`\n" +
		"writes it anew.\n")
	table := func(title string, flags []*kong.Flag) {
		if len(flags) == 0 {
			return
		}
		fmt.Fprintf(&page, "\n## %s\n\n| flag | environment | default | meaning |\n|---|---|---|---|\n", title)
		for _, f := range flags {
			if onlyShows(f) {
				continue
			}
			help := strings.ReplaceAll(f.Help, "${enum}", strings.ReplaceAll(strings.TrimPrefix(f.Enum, ","), ",", ", "))
			initial := code(f.Default)
			if f.Required {
				initial = required(f, flags)
			}
			fmt.Fprintf(&page, "| `--%s` | %s | %s | %s |\n", f.Name, code(strings.Join(f.Envs, " ")), initial, strings.ReplaceAll(help, "|", `\|`))
		}
	}
	table("All commands that touch the storage", parser.Model.Flags)
	for _, command := range parser.Model.Children {
		table("binnacle "+command.Name, command.Flags)
		for _, below := range command.Children {
			table("binnacle "+command.Name+" "+below.Name, below.Flags)
		}
	}
	return page.String()
}

// onlyShows tells whether a flag configures nothing.
func onlyShows(f *kong.Flag) bool {
	return f.Name == "help" || f.Name == "help-storage" || f.Name == "version"
}

// required says that a flag is required, or one of those that exclude each other.
func required(f *kong.Flag, among []*kong.Flag) string {
	var names []string
	for _, other := range among {
		if slices.ContainsFunc(other.Xor, func(group string) bool { return slices.Contains(f.Xor, group) }) {
			names = append(names, code("--"+other.Name))
		}
	}
	if len(names) == 0 {
		return "required"
	}
	return "one of " + strings.Join(names, ", ") + " is required"
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func TestTheConfigurationPageListsEveryFlag(t *testing.T) {
	want := configDocument(t)
	if *update {
		if err := os.WriteFile(configPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(configPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/config.md is not true any more; run: go test ./infra -run Configuration -update\n%s", firstDifference(string(got), want))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n%s\nwant\n%s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

func TestFlagsHaveEnvironmentTwinsThatAreTheirNamesWhereThePageSaysSo(t *testing.T) {
	var cli commandLine
	parser, err := kong.New(&cli, kong.Name("binnacle"))
	if err != nil {
		t.Fatal(err)
	}
	of := make(map[string]string) // a twin's flag
	check := func(command string, flags []*kong.Flag) {
		for _, f := range flags {
			if onlyShows(f) {
				continue
			}
			first, _, _ := strings.Cut(command, " ")
			if f.Name == "json" || !slices.Contains([]string{"", "serve", "import", "bench"}, first) {
				if len(f.Envs) != 0 {
					t.Errorf("%s --%s has the environment twins %v, and the page says that it has none", command, f.Name, f.Envs)
				}
				continue
			}
			name := strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
			if len(f.Envs) != 1 || f.Envs[0] != "BINNACLE_"+name && (command == "" || !strings.HasPrefix(f.Envs[0], "BINNACLE_") || !strings.HasSuffix(f.Envs[0], "_"+name)) {
				t.Errorf("%s --%s has the environment twins %v, want one that ends with its name", command, f.Name, f.Envs)
				continue
			}
			if other, taken := of[f.Envs[0]]; taken {
				t.Errorf("%s is the twin of %s --%s and of %s", f.Envs[0], command, f.Name, other)
			}
			of[f.Envs[0]] = command + " --" + f.Name
		}
	}
	check("", parser.Model.Flags)
	for _, command := range parser.Model.Children {
		check(command.Name, command.Flags)
		for _, below := range command.Children {
			check(command.Name+" "+below.Name, below.Flags)
		}
	}
}

// try runs the program in this process, without what the environment says of an installation.
func try(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	forgetInstallation(t)
	return invoke(t.Context(), args...)
}

// forgetInstallation takes what the environment says of an installation out of it until the test ends.
func forgetInstallation(t *testing.T) {
	t.Helper()
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "BINNACLE_") {
			t.Setenv(name, value) // puts it back after the test
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func invoke(ctx context.Context, args ...string) (code int, out, errOut string) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // a server that starts by mistake ends
	defer cancel()
	var stdout, stderr bytes.Buffer
	code = Run(ctx, args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestWrongUsageSaysWhatIsMissingAndHowToGiveIt(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"serve", "--variant", "distributed"}, "BINNACLE_KAFKA_BROKERS"},
		{[]string{"serve", "--variant", "distributed", "--kafka-brokers", "127.0.0.1:1"}, "BINNACLE_CASSANDRA_HOSTS"},
		{[]string{"serve", "--variant", "distributed", "--kafka-brokers", "127.0.0.1:1", "--cassandra-hosts", "127.0.0.1"}, "BINNACLE_POSTGRES_URL"},
		{[]string{"serve", "--variant", "cloud"}, "memory"},
		{[]string{"serve", "--lisen", ":1"}, "--lisen"},
		{[]string{"sreve"}, "sreve"},
		{[]string{"help", "sreve"}, "sreve"},
		{[]string{"import"}, "<path>"},
		{[]string{"tail", "--from", "x", "--variant", "memory"}, "partition:offset"},
		{[]string{"tail", "--partition", "7", "--variant", "memory"}, "the log has 1"},
		{[]string{"tail", "--from", "0:7", "--variant", "memory"}, "beyond the end"},
		{[]string{"quarantine", "show", "x", "--variant", "memory"}, "partition:offset"},
		{[]string{"quarantine", "replay", "--variant", "memory"}, "--all"},
		{[]string{"bench", "run", "--variants", "foo"}, "foo"},
		{[]string{"bench", "run", "--duration", "0s"}, "--duration"},
		{[]string{"serve", "--max-count", "0"}, "--max-count"},
		{[]string{"serve", "--default-count=-1"}, "--default-count"},
		{[]string{"serve", "--idempotency-window", "0s"}, "--idempotency-window"},
		{[]string{"tail", "--from", "7:0", "--variant", "memory"}, "the log has 1"},
		{[]string{"tail", "--from", "1:0", "--partition", "0", "--variant", "memory", "--kafka-partitions", "2"}, "give one of them"},
		{[]string{"tail", "--cursor", "a", "--variant", "memory"}, "add --feed"},
		{[]string{"tail", "--feed", "--cursor", "a/b", "--variant", "memory"}, "name of a cursor"},
	} {
		code, out, errOut := try(t, c.args...)
		if code != 2 || !strings.Contains(errOut, c.want) || strings.Count(errOut, "\n") != 1 || out != "" {
			t.Errorf("%v: exit code %d, printed %q and %q, want 2 and one line that names %q", c.args, code, out, errOut, c.want)
		}
	}
	if code, _, errOut := try(t, "import", "/nowhere"); code != 1 || !strings.Contains(errOut, "/nowhere") {
		t.Errorf("a file that isn't there: exit code %d, printed %q", code, errOut)
	}
}

func TestErrorsAreToldWithoutTheirPlaceInTheCode(t *testing.T) {
	inner := events.Errorf(events.Invalid, "project.Projector", "the inner one")
	for _, c := range []struct {
		err  error
		want string
	}{
		{inner, "the inner one"},
		{events.Wrap(events.Conflict, "rebuild.Index", inner, "the outer one"), "the outer one: the inner one"},
		{fmt.Errorf("a file: %w; try again", events.Wrap(events.Conflict, "rebuild.Index", fmt.Errorf("between: %w", inner), "")), "a file: conflict: between: the inner one; try again"},
		{errors.Join(inner, errors.New("functions.Other: stays")), "the inner one\nfunctions.Other: stays"},
		{&events.Error{Kind: events.Invalid, Op: "fhir.Parse", Text: "no date", Expression: "Patient.birthDate"}, "no date (at Patient.birthDate)"},
	} {
		if got := terminal.Sentence(c.err); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if code, _, errOut := try(t, "rebuild", "--rollback", "--data", t.TempDir()); code != 1 || strings.Contains(errOut, "rebuild.Index") {
		t.Errorf("a rollback to nothing: exit code %d, printed %q", code, errOut)
	}
}

func TestAStorageThatIsAwayIsTold(t *testing.T) {
	forgetInstallation(t)
	// Each waits a while for the storage, so they wait together.
	var waiting sync.WaitGroup
	for _, command := range []string{"serve --listen 127.0.0.1:0 --start-wait 1s", "status", "verify", "rebuild", "init", "tail"} {
		waiting.Go(func() {
			code, _, errOut := invoke(t.Context(), append(strings.Fields(command), "--variant", "distributed", "--kafka-brokers", "127.0.0.1:1",
				"--cassandra-hosts", "127.0.0.1:1", "--postgres-url", "postgres://127.0.0.1:1/none")...)
			if code != 1 || !strings.Contains(errOut, "Kafka") {
				t.Errorf("%s: exit code %d, printed %q; want 1 and what is away", command, code, errOut)
			}
		})
	}
	waiting.Wait()
	folder := t.TempDir()
	if err := os.WriteFile(folder+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"serve --listen 127.0.0.1:0", "status"} {
		if code, _, errOut := try(t, append(strings.Fields(command), "--data", folder+"/file/below")...); code != 1 || !strings.Contains(errOut, folder) {
			t.Errorf("%s in a folder that can't be: exit code %d, printed %q", command, code, errOut)
		}
	}
}

func TestHelpShowsCommandsFirstAndTheStorageOnItsOwnPage(t *testing.T) {
	code, whole, _ := try(t, "--help")
	if flags := strings.Index(whole, "\nFlags:"); code != 0 || strings.Index(whole, "serve") > flags || flags < 0 || strings.Contains(whole, "--kafka-") || strings.Count(whole, "\n") > 60 {
		t.Errorf("--help: exit code %d, printed\n%s", code, whole)
	}
	for _, args := range [][]string{{}, {"help"}, {"-h"}} {
		if code, out, errOut := try(t, args...); code != 0 || out != whole {
			t.Errorf("%v: exit code %d, printed %q and %q, want what --help prints", args, code, out, errOut)
		}
	}
	code, storage, _ := try(t, "help", "storage")
	for _, flag := range []string{"--variant", "--data", "--kafka-brokers", "--cassandra-hosts", "--postgres-url", "--search-parameters", "--log-level"} {
		if code != 0 || !strings.Contains(storage, flag) {
			t.Errorf("help storage doesn't name %s: exit code %d,\n%s", flag, code, storage)
		}
	}
	if code, out, _ := try(t, "rebuild", "--help-storage"); code != 0 || out != storage {
		t.Errorf("--help-storage: exit code %d, printed\n%s", code, out)
	}
	for _, command := range []string{"serve", "import", "init", "rebuild", "verify", "quarantine", "status", "tail", "bench", "drop", "help"} {
		if !strings.Contains(whole, "\n  "+command+" ") {
			t.Errorf("--help doesn't name %s:\n%s", command, whole)
		}
		code, out, _ := try(t, command, "--help")
		if code != 0 || len(out) < 200 || strings.Contains(out, "--kafka-tls") {
			t.Errorf("%s --help: exit code %d, printed %q", command, code, out)
		}
		if code, other, errOut := try(t, "help", command); code != 0 || other != out {
			t.Errorf("help %s: exit code %d, printed %q and %q, want what --help prints", command, code, other, errOut)
		}
	}
	if code, out, errOut := try(t, "help", "bench", "generate"); code != 0 || !strings.Contains(out, "--seed") {
		t.Errorf("help bench generate: exit code %d, printed %q %q", code, out, errOut)
	}
	for _, args := range [][]string{{"version"}, {"--version"}, {"-v"}} {
		if code, out, _ := try(t, args...); code != 0 || !strings.HasPrefix(out, "binnacle ") || strings.Count(out, "\n") != 1 {
			t.Errorf("%v: exit code %d, printed %q", args, code, out)
		}
	}
}
