package infra

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWhyARebuildIsDueIsTold has an index that another version of the program made from the definitions that this one
// has, too: the same definitions stand there under another digest.
func TestWhyARebuildIsDueIsTold(t *testing.T) {
	i := newInstallation(t)
	i.use(func(server *Embedded) { i.put(server, "p") })
	own := filepath.Join(i.data, "own.json")
	if err := os.WriteFile(own, []byte(`{"resourceType":"SearchParameter","url":"http://server.example/own","name":"own","status":"active","description":"x",
		"code":"own","base":["Patient"],"type":"string","expression":"Patient.name.family"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const parameters, reading = "the configured search parameters, and those that come", "another version of the program made the index"
	told := func(when string, flags []string, want ...string) {
		t.Helper()
		var logged bytes.Buffer
		server, err := Embed(t.Context(), slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn})), append(flags, i.flags...)...)
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		_, status, _ := command(t, append(append([]string{"status", "--log-level", "error"}, flags...), i.flags...)...)
		for where, text := range map[string]string{"the log": logged.String(), "status": status} {
			if strings.Count(text, "a rebuild is due") != min(1, len(want)) || strings.Contains(text, parameters) != slices.Contains(want, parameters) ||
				strings.Contains(text, reading) != slices.Contains(want, reading) {
				t.Errorf("%s, %s tells, want of %q:\n%s", when, where, want, text)
			}
		}
		if when == "another version" {
			if code, out, _ := command(t, append([]string{"verify", "--deep", "--log-level", "error"}, i.flags...)...); code != 0 || !strings.Contains(out, "WARNING: search terms were not compared") {
				t.Errorf("verify: %d\n%s", code, out)
			}
		}
	}
	with := []string{"--search-parameters", own}
	told("as it was made", nil)
	told("other parameters", with, parameters)
	i.execute("update index_catalog set digest = 'older'", "update index_generation set catalog = 'older'")
	told("another version", nil, reading)
	told("both", with, parameters, reading)
	i.run("rebuild")
	told("after a rebuild", nil)
}
