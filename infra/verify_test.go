package infra

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"binnacle/functions/verify"
)

func TestVerifyComparesTermsInTheMeaningOfTheLiveGenerationAlsoWhenARebuildIsDue(t *testing.T) {
	folder := t.TempDir()
	_, server := embedded(t, "--variant", "standalone", "--data", folder)
	if got := exchanged(t, server, "PUT", "/fhir/Patient/p", person("p", "f")); got.status != 201 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	own := filepath.Join(folder, "own.json")
	if err := os.WriteFile(own, []byte(`{"resourceType":"SearchParameter","url":"http://server.example/own","name":"own","status":"active","description":"x",
		"code":"own","base":["Patient"],"type":"string","expression":"Patient.name.family"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	verified := func(when string, flags ...string) {
		t.Helper()
		code, out, errOut := command(t, append([]string{"verify", "--deep", "--json", "--variant", "standalone", "--data", folder, "--log-level", "error"}, flags...)...)
		var report verify.Report
		if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || !report.OK || report.TermsCompared != 1 || report.TermsSkipped {
			t.Errorf("%s: %d %v\n%s%s", when, code, err, out, errOut)
		}
	}
	verified("as it was made")
	verified("with other search parameters configured", "--search-parameters", own)
	if code, out, errOut := command(t, "rebuild", "--variant", "standalone", "--data", folder, "--search-parameters", own); code != 0 {
		t.Fatalf("rebuild: %d %s%s", code, out, errOut)
	}
	verified("after a rebuild with them", "--search-parameters", own)
	verified("after it, with those of before configured")
}
