package bench

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"binnacle/infra/indexbench"
)

// keptIndex is what a run of bench index leaves for the next one beside the index itself.
type keptIndex struct {
	Schema    string             `json:"schema"` // of Postgres
	Resources int64              `json:"resources"`
	Patients  uint64             `json:"patients"`
	Sample    *indexbench.Sample `json:"sample"`
}

// readKept reads what a folder keeps of a variant; loaded is false when there is nothing, and the index is a new one.
func readKept(folder, variant string) (kept keptIndex, loaded bool, err error) {
	text, err := os.ReadFile(filepath.Join(folder, variant+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return keptIndex{Schema: "binnacle_bench_" + uuid.NewString()[:8], Sample: indexbench.NewSample()}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	return kept, true, err
}

func (k *keptIndex) write(folder, variant string) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, variant+".json"), text, 0o644)
}
