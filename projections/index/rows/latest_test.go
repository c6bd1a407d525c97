package rows

import (
	"math/rand/v2"
	"testing"

	"binnacle/projections"
)

func TestTheLatestVersionsAreRememberedLikeInAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	l, model := NewLatest(), map[int64]int64{}
	for sid := int64(1); sid < 20_000; sid++ {
		resource := random.Int64N(6_000) - 3_000 // near each other: they collide in the table
		if sid%3 == 0 {
			resource = int64(random.Uint64())
		}
		v := VersionRow{Version: projections.Version{Sid: sid}, Resource: resource, Supersedes: model[resource]}
		if !l.Follows([]VersionRow{v}) {
			t.Fatalf("version %d supersedes %d, and that is refused", sid, v.Supersedes)
		}
		wrong := v
		wrong.Supersedes++
		if l.Follows([]VersionRow{wrong}) {
			t.Fatalf("version %d supersedes %d, and %d was taken", sid, v.Supersedes, wrong.Supersedes)
		}
		next := v
		next.Sid, next.Supersedes = sid+1, sid
		if !l.Follows([]VersionRow{v, next}) || l.Follows([]VersionRow{v, v}) {
			t.Fatalf("of versions of one commit others follow than should")
		}
		l.Add([]VersionRow{v})
		model[resource] = sid
	}
	for resource, sid := range model {
		if got := l.Sid(resource); got != sid {
			t.Fatalf("resource %d has the version %d, want %d", resource, got, sid)
		}
	}
	if l.used != len(model) {
		t.Fatalf("%d resources are remembered, want %d", l.used, len(model))
	}
	l.used = LatestBound
	if l.Follows([]VersionRow{{Version: projections.Version{Sid: 30_000}, Resource: 1 << 40}}) {
		t.Fatal("more is remembered than may be")
	}
}

func TestWhatIsPackedOfADictionaryIsReadBack(t *testing.T) {
	list := []CodingRow{{Param: -1, Key: 5, Code: "a", System: "urn:b"}, {Param: 1 << 62, Code: "only"},
		{Param: 7, Key: -7, Code: string(make([]byte, 300)), System: "\x00"}}
	var packed []byte
	for i := range list {
		packed = PackCoding(packed, &list[i])
	}
	got, err := UnpackCodings(nil, packed)
	if err != nil || len(got) != len(list) {
		t.Fatalf("got %+v, %v", got, err)
	}
	for i := range list {
		if got[i] != list[i] {
			t.Fatalf("got %+v, want %+v", got[i], list[i])
		}
	}
	whole := map[int]bool{0: true}
	for n, i := 0, 0; i < len(list); i++ {
		n += len(PackCoding(nil, &list[i]))
		whole[n] = true
	}
	for n := range packed {
		if _, err := UnpackCodings(nil, packed[:n]); (err == nil) != whole[n] {
			t.Fatalf("%d bytes of %d: %v", n, len(packed), err)
		}
	}
}
