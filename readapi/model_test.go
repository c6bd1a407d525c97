package readapi_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"

	"binnacle/projections"
)

// model is an index as a list of rows that is searched from end to end.
type model struct {
	projections.Auditor
	mu    sync.RWMutex
	rows  []projections.Row
	state projections.State
	projections.Writer
}

func newIndex(testing.TB) projections.Index { return &model{state: projections.State{NextSid: 1}} }

func (m *model) State(context.Context, int32) (projections.State, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state, nil
}

func (m *model) Commit(_ context.Context, c projections.Commit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = append(m.rows, c.Rows...)
	m.state = projections.State{Next: c.Next, NextSid: m.state.NextSid + int64(len(c.Rows)), Time: c.Time}
	return nil
}

func (m *model) current(key projections.Key, snapshot int64) (row projections.Row) {
	for _, r := range m.rows {
		if r.Key == key && r.Sid <= snapshot {
			row = r
		}
	}
	return row
}

func (m *model) Current(_ context.Context, keys []projections.Key) ([]projections.Version, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	versions := make([]projections.Version, len(keys))
	for i, key := range keys {
		versions[i] = m.current(key, 1<<60).Version
	}
	return versions, nil
}

func (m *model) Search(_ context.Context, q projections.Query) (projections.Page, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if q.Snapshot == 0 {
		q.Snapshot = m.state.NextSid - 1
	}
	var found []projections.Row
	for _, r := range m.rows {
		if r.Sid <= q.Snapshot && r.Tenant == q.Tenant && r.Type == q.Type && !r.Deleted && m.current(r.Key, q.Snapshot).Sid == r.Sid && projections.Matches(q, r.Version, r.Terms) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b projections.Row) int { return projections.Compare(q, a, b) })
	page := projections.Page{Snapshot: q.Snapshot, Total: int64(len(found)), Plan: "from end to end"}
	if q.Total == projections.TotalNone {
		page.Total = -1
	}
	if q.After != "" {
		sid, _ := strconv.ParseInt(q.After, 10, 64)
		found = found[1+slices.IndexFunc(found, func(r projections.Row) bool { return r.Sid == sid }):]
	}
	for i, r := range found {
		if i == q.Limit {
			if i > 0 {
				page.Next = strconv.FormatInt(found[i-1].Sid, 10)
			}
			break
		}
		page.Versions = append(page.Versions, r.Version)
	}
	return page, nil
}

func (m *model) History(_ context.Context, key projections.Key, span projections.HistorySpan) (page projections.HistoryPage, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, r := range slices.Backward(m.rows) {
		switch {
		case r.Key != key || span.Number != 0 && r.Number != span.Number || r.Time.Before(span.Since):
			continue
		case !span.At.IsZero() && (r.Time.After(span.At) || page.Total > 0):
			continue
		}
		page.Total++
		if span.Before != 0 && r.Number >= span.Before {
			continue
		}
		if len(page.Versions) == span.Limit {
			page.More = true
			continue
		}
		page.Versions = append(page.Versions, r.Version)
	}
	return page, nil
}
