package infra

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestABulkImportFillsEmptyStorageAndNothingElse(t *testing.T) {
	folder := t.TempDir()
	source, data := filepath.Join(folder, "source"), filepath.Join(folder, "data")
	if code, _, errOut := try(t, "bench", "generate", "--resources", "600", "--out", source); code != 0 {
		t.Fatal(errOut)
	}
	writeFile(t, filepath.Join(source, "bad.json"), `{"resourceType":"Patient","id":"bad","birthDate":"yesterday"}`)
	code, out, errOut := try(t, "import", "--bulk", "--data", data, source)
	if code != 1 || !strings.Contains(out, "in generation 2 of the index") || !strings.Contains(out, "FAILED") || !strings.Contains(out, "bad.json") {
		t.Fatalf("exit code %d, printed %q %q; want the load, and the one file that was refused", code, out, errOut)
	}
	if code, out, errOut := try(t, "verify", "--deep", "--data", data); code != 0 || !strings.HasSuffix(errOut, "done\n") {
		t.Errorf("verify: %s %s", out, errOut)
	}
	code, out, _ = try(t, "status", "--data", data)
	if code != 0 || strings.Contains(out, " 0 resources") {
		t.Errorf("status: exit code %d, %q", code, out)
	}
	if code, _, errOut := try(t, "import", "--bulk", "--data", data, source); code != 1 || !strings.Contains(errOut, "not empty") {
		t.Errorf("a second bulk import: exit code %d, %q; want a refusal", code, errOut)
	}
	if _, err := os.Stat("binnacle-import.journal"); err == nil {
		t.Error("a bulk import leaves a journal")
	}
}
