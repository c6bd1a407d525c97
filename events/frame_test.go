package events

import (
	"reflect"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

func batch() []RawRecord {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	return []RawRecord{
		{Position: Position{2, 7}, Time: at, Key: []byte("main"), Headers: []Header{{"ce_id", []byte("x")}, {"", nil}, {"empty", []byte{}}}, Value: []byte("value")},
		{Position: Position{2, 8}, Time: at.Add(time.Millisecond)},
		{Position: Position{2, 1 << 40}, Time: time.UnixMilli(-1).UTC(), Key: []byte{}, Value: []byte{}},
	}
}

func TestABatchComesOutOfItsMessageAsItWentIn(t *testing.T) {
	want := batch()
	msg := NewMessage(want)
	got, err := Records(msg)
	if err != nil {
		t.Fatal(err)
	}
	want[0].Headers[1].Key = ""
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if first, last, n := msg.Metadata[MetadataFirst], msg.Metadata[MetadataLast], msg.Metadata[MetadataRecords]; first != "2:7" || last != "2:1099511627776" || n != "3" {
		t.Errorf("the metadata tells %s to %s, %s records", first, last, n)
	}
}

func TestAPayloadThatIsNoBatchIsRefused(t *testing.T) {
	frame := Frame(batch())
	whole := len(Frame(batch()[:1]))
	wholes := map[int]bool{0: true, whole: true, len(Frame(batch()[:2])): true} // whole records, fewer than were framed
	for cut := range frame {
		if _, err := Records(message.NewMessage("", frame[:cut])); (err == nil) != wholes[cut] {
			t.Errorf("the first %d of %d bytes: got %v", cut, len(frame), err)
		}
	}
	if _, err := Records(message.NewMessage("", append(frame, 0))); err == nil {
		t.Error("a batch with a tail passes")
	}
}

func TestViewsOfABatchCannotGrowIntoTheirNeighbours(t *testing.T) {
	msg := NewMessage(batch())
	records, err := Records(msg)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(records[0].Key, "overwrites what follows"...)
	again, err := Records(msg)
	if err != nil || !reflect.DeepEqual(again, records) {
		t.Errorf("appending to a view has changed the batch: %+v, %v", again, err)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(Frame(batch()))
	f.Add(Frame(nil))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, payload []byte) {
		records, err := Records(message.NewMessage("", payload))
		if err != nil {
			return
		}
		again, err := Records(message.NewMessage("", Frame(records)))
		if err != nil || !reflect.DeepEqual(again, records) {
			t.Fatalf("got %+v, %v\nwant %+v", again, err, records)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	raw := asRaw(b, benchmarkEvent())
	records := make([]RawRecord, 1_000)
	for i := range records {
		records[i] = raw
		records[i].Position.Offset = int64(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Records(NewMessage(records)); err != nil {
			b.Fatal(err)
		}
	}
}
