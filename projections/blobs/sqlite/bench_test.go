package sqlite_test

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

func documents(from, n int) []projections.Blob {
	list := make([]projections.Blob, n)
	for i := range list {
		content := fmt.Appendf(nil, `{"resourceType":"Observation","id":"%x",%s}`,
			sha256.Sum256(fmt.Append(nil, from+i)), strings.Repeat(`"code":{"text":"Body weight"},`, i%90))
		list[i] = projections.Blob{Hash: sha256.Sum256(content), Content: content}
	}
	return list
}

func BenchmarkPutOf1000Documents(b *testing.B) {
	store, _ := open(b, filepath.Join(b.TempDir(), "binnacle.db"))
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		list := documents(n*1_000, 1_000)
		b.StartTimer()
		if err := store.Put(b.Context(), list); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetOf50Documents(b *testing.B) {
	store, _ := open(b, filepath.Join(b.TempDir(), "binnacle.db"))
	list := documents(0, 5_000)
	if err := store.Put(b.Context(), list); err != nil {
		b.Fatal(err)
	}
	asked := make([]events.Hash, 50)
	for n := 0; b.Loop(); n++ {
		for i := range asked {
			asked[i] = list[(n*50+i*97)%len(list)].Hash
		}
		if _, err := store.Get(b.Context(), asked); err != nil {
			b.Fatal(err)
		}
	}
}
