package rest

import (
	"net/http"
	"testing"
	"time"
)

func TestACopyIsGoodWhenItsTagOrElseItsTimeSaysSo(t *testing.T) {
	modified := time.Date(2026, 3, 1, 8, 0, 0, 123e6, time.UTC)
	same, before, after := "Sun, 01 Mar 2026 08:00:00 GMT", "Sun, 01 Mar 2026 07:59:59 GMT", "Sun, 01 Mar 2026 08:00:01 GMT"
	cases := []struct {
		name   string
		header http.Header
		want   bool
	}{
		{"nothing is asked", http.Header{}, false},
		{"the weak tag", http.Header{"If-None-Match": {`W/"3"`}}, true},
		{"the strong tag, compared weakly", http.Header{"If-None-Match": {`"3"`}}, true},
		{"another tag", http.Header{"If-None-Match": {`W/"2"`}}, false},
		{"a tag that only begins the same", http.Header{"If-None-Match": {`W/"33"`}}, false},
		{"a list that has it", http.Header{"If-None-Match": {`W/"1", "2" ,W/"3"`}}, true},
		{"a list that has it not", http.Header{"If-None-Match": {`W/"1", "2"`}}, false},
		{"two header lines", http.Header{"If-None-Match": {`W/"1"`, `W/"3"`}}, true},
		{"the star", http.Header{"If-None-Match": {` * `}}, true},
		{"a comma inside a tag", http.Header{"If-None-Match": {`"1,2", "3"`}}, true},
		{"no tag at all", http.Header{"If-None-Match": {`3`}}, false},
		{"an open quote", http.Header{"If-None-Match": {`W/"3`}}, false},
		{"an empty line", http.Header{"If-None-Match": {``}}, false},
		{"the same second", http.Header{"If-Modified-Since": {same}}, true},
		{"a later second", http.Header{"If-Modified-Since": {after}}, true},
		{"an earlier second", http.Header{"If-Modified-Since": {before}}, false},
		{"a time that is none", http.Header{"If-Modified-Since": {"yesterday"}}, false},
		{"the tag decides over the time", http.Header{"If-None-Match": {`W/"2"`}, "If-Modified-Since": {after}}, false},
		{"and so the other way", http.Header{"If-None-Match": {`W/"3"`}, "If-Modified-Since": {before}}, true},
	}
	for _, c := range cases {
		if got := isGood(c.header, ETagOf(3), modified); got != c.want {
			t.Errorf("%s: got %v, want %v (%v)", c.name, got, c.want, c.header)
		}
	}
}

func FuzzTagsAreReadWithoutEnd(f *testing.F) {
	for _, seed := range []string{`*`, `W/"3"`, `"1", W/"2"`, `W/`, `"`, `,,,"`, `W/W/"3"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		tagListed(list, ETagOf(3))
		if !tagListed(`"0", `+ETagOf(3)+`,`+list, ETagOf(3)) {
			t.Errorf("the tag before %q was not found", list)
		}
	})
}

func isGood(header http.Header, etag string, modified time.Time) bool {
	copied := CopyOf(header)
	return copied.IsGood(etag, modified)
}
