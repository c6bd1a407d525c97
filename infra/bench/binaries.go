package bench

import (
	"fmt"
	"math/rand/v2"
	"net/http"
)

// benchBinaries is how many Binaries there are, and binaryBytes how many bytes each holds: those of a photograph, which
// do not compress.
const (
	benchBinaries = 16
	binaryBytes   = 256 << 10
)

// binaries writes Binaries as their bytes, and reads them.
func binaries() []workload {
	noise := make([]byte, 2*binaryBytes)
	_, _ = rand.NewChaCha8([32]byte{84}).Read(noise) // never fails
	path := func(r *rand.Rand) string { return fmt.Sprintf("/Binary/bench-%d", r.IntN(benchBinaries)) }
	write := func(r *rand.Rand) benchRequest {
		at := r.IntN(binaryBytes)
		return benchRequest{Method: http.MethodPut, Path: path(r), Type: "image/jpeg", Body: noise[at : at+binaryBytes]}
	}
	return []workload{
		{Name: "Binary in, 256 KiB", Writes: true, Make: write},
		{Name: "Binary out, 256 KiB", Make: func(r *rand.Rand) benchRequest {
			return benchRequest{Method: http.MethodGet, Path: path(r)}
		}},
	}
}
