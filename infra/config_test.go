package infra

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
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
	page.WriteString("# Configuration\n\nEvery flag has an environment twin; a flag wins over its twin. Durations are written like `1.5s`, lists with commas. This page\n" +
		"is held against the program by a test; `go test ./infra -run Configuration -update` writes it anew.\n")
	table := func(title string, flags []*kong.Flag) {
		if len(flags) == 0 {
			return
		}
		fmt.Fprintf(&page, "\n## %s\n\n| flag | environment | default | meaning |\n|---|---|---|---|\n", title)
		for _, f := range flags {
			if f.Name == "help" {
				continue
			}
			help := strings.ReplaceAll(f.Help, "${enum}", strings.ReplaceAll(strings.TrimPrefix(f.Enum, ","), ",", ", "))
			fmt.Fprintf(&page, "| `--%s` | %s | %s | %s |\n", f.Name, code(strings.Join(f.Envs, " ")), code(f.Default), strings.ReplaceAll(help, "|", `\|`))
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

func TestEveryFlagHasAnEnvironmentTwinThatIsItsName(t *testing.T) {
	var cli commandLine
	parser, err := kong.New(&cli, kong.Name("binnacle"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range parser.Model.Flags {
		if f.Name == "help" {
			continue
		}
		want := "BINNACLE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if len(f.Envs) != 1 || f.Envs[0] != want {
			t.Errorf("--%s has the environment twin %v, want %s", f.Name, f.Envs, want)
		}
	}
}

// try runs the program in this process, without what the environment says of an installation.
func try(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "BINNACLE_") {
			t.Setenv(name, value) // puts it back after the test
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a server that starts by mistake ends
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
		{[]string{"import", "/nowhere"}, "/nowhere"},
		{[]string{"tail", "--from", "x", "--variant", "memory"}, "partition:offset"},
	} {
		code, _, errOut := try(t, c.args...)
		if code == 0 || !strings.Contains(errOut, c.want) {
			t.Errorf("%v: exit code %d, printed %q, want a failure that names %q", c.args, code, errOut, c.want)
		}
	}
}

func TestAStorageThatIsAwayIsTold(t *testing.T) {
	for _, command := range []string{"serve", "status", "verify", "rebuild", "init", "tail"} {
		code, _, errOut := try(t, command, "--variant", "distributed", "--kafka-brokers", "127.0.0.1:1", "--cassandra-hosts", "127.0.0.1:1",
			"--postgres-url", "postgres://127.0.0.1:1/none")
		if code != 1 || !strings.Contains(errOut, "Kafka") {
			t.Errorf("%s: exit code %d, printed %q; want 1 and what is away", command, code, errOut)
		}
	}
	folder := t.TempDir()
	if err := os.WriteFile(folder+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"serve", "status"} {
		if code, _, errOut := try(t, command, "--data", folder+"/file/below"); code != 1 || !strings.Contains(errOut, folder) {
			t.Errorf("%s in a folder that can't be: exit code %d, printed %q", command, code, errOut)
		}
	}
}

func TestHelpNamesEveryCommand(t *testing.T) {
	code, out, _ := try(t, "--help")
	if code != 0 {
		t.Errorf("--help: exit code %d", code)
	}
	for _, command := range []string{"serve", "import", "init", "rebuild", "verify", "status", "tail", "bench", "drop", "version"} {
		if !strings.Contains(out, command) {
			t.Errorf("--help doesn't name %s:\n%s", command, out)
		}
		if code, out, _ := try(t, command, "--help"); code != 0 || len(out) < 200 {
			t.Errorf("%s --help: exit code %d, printed %q", command, code, out)
		}
	}
}
