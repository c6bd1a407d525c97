package infra

import (
	"fmt"
	"testing"

	"binnacle/events"
)

func TestEveryAnswerTellsAPositionAndAReadCanAskForOne(t *testing.T) {
	_, server := embedded(t, "--tenants", "*", "--kafka-partitions", "3", "--position-wait", "50ms")
	tenant, partition := "b", events.PartitionOf("b", 3)
	root := "/t/" + tenant + "/fhir"
	place := func(offset int) string { return fmt.Sprintf("%d:%d", partition, offset) }
	for i, write := range []struct {
		method, path, body, header string
		status                     int
	}{
		{"PUT", "/Patient/p", person("p", "f"), "", 201},
		{"PUT", "/Patient/p", person("p", "g"), `If-Match: W/"7"`, 412},
		{"PUT", "/Patient/gone", person("gone", "g"), "", 201},
		{"DELETE", "/Patient/gone", "", "", 204},
		{"POST", "", `{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + person("q", "h") + `,"request":{"method":"PUT","url":"Patient/q"}}]}`, "", 200},
	} {
		got := exchanged(t, server, write.method, root+write.path, write.body, write.header)
		if got.status != write.status || got.header.Get("Binnacle-Position") != place(i) {
			t.Fatalf("%s %s: got %d at %q, want %d at %s: %s", write.method, write.path, got.status, got.header.Get("Binnacle-Position"), write.status, place(i), got.body)
		}
	}
	last := "Binnacle-Min-Position: " + place(4)
	for _, read := range []struct {
		path, header string
		status       int
	}{
		{"/Patient/p", "", 200}, {"/Patient/p", `If-None-Match: W/"1"`, 304}, {"/Patient/none", "", 404}, {"/Patient/gone", "", 410},
		{"/Patient/p/_history/1", "", 200}, {"/Patient/p/_history/9", "", 404}, {"/Patient/p/_history", "", 200}, {"/Patient?family=f", "", 200},
	} {
		got := exchanged(t, server, "GET", root+read.path, "", last, read.header)
		if got.status != read.status || got.header.Get("Binnacle-Position") != place(4) {
			t.Errorf("%s: got %d at %q, want %d at %s", read.path, got.status, got.header.Get("Binnacle-Position"), read.status, place(4))
		}
		for position, status := range map[string]int{place(5): 503, "5": 400, "x:y": 400, "-1:0": 400, fmt.Sprintf("%d:0", (partition+1)%3): 400, "7:0": 400} {
			got := exchanged(t, server, "GET", root+read.path, "", "Binnacle-Min-Position: "+position, read.header)
			if got.status != status || status == 503 && got.header.Get("Retry-After") == "" {
				t.Errorf("%s at least at %s: got %d %v, want %d", read.path, position, got.status, got.header, status)
			}
		}
	}
}
