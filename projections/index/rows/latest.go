package rows

// LatestBound is how many resources are remembered: 64 MiB, and half of that more while they become so many.
const LatestBound = 3 << 20

// Latest stands in for the index by type, id and number of tables that lack it while they are filled: it holds the Sid
// of the latest version of each resource, by the resource's key. Two resources never share one: whoever would be the
// second doesn't follow.
type Latest struct {
	slots []latestSlot // a power of two, at most three quarters used
	used  int
}

type latestSlot struct{ resource, sid int64 } // sid 0: empty

// NewLatest remembers nothing yet.
func NewLatest() *Latest { return &Latest{slots: make([]latestSlot, 1<<10)} }

// slot is where a resource is, or would be.
func (l *Latest) slot(resource int64) *latestSlot {
	mask := len(l.slots) - 1
	for i := int(resource) & mask; ; i = (i + 1) & mask {
		if s := &l.slots[i]; s.sid == 0 || s.resource == resource {
			return s
		}
	}
}

// Sid is the latest version of a resource; 0: there is none.
func (l *Latest) Sid(resource int64) int64 { return l.slot(resource).sid }

// Set remembers the latest version of a resource.
func (l *Latest) Set(resource, sid int64) {
	if 4*(l.used+1) > 3*len(l.slots) {
		old := l.slots
		l.slots = make([]latestSlot, 2*len(old))
		for _, s := range old {
			if s.sid != 0 {
				*l.slot(s.resource) = s
			}
		}
	}
	s := l.slot(resource)
	if s.sid == 0 {
		l.used++
	}
	*s = latestSlot{resource, sid}
}

// Follows tells whether each version supersedes the latest of its resource, and whether there is room for all. Else
// only the index can tell what is right.
func (l *Latest) Follows(versions []VersionRow) bool {
	if l.used+len(versions) > LatestBound {
		return false
	}
	within := make(map[int64]int64, len(versions))
	for i := range versions {
		v := &versions[i]
		before, here := within[v.Resource]
		if !here {
			before = l.Sid(v.Resource)
		}
		if before != v.Supersedes {
			return false
		}
		within[v.Resource] = v.Sid
	}
	return true
}

// Add remembers versions that were committed.
func (l *Latest) Add(versions []VersionRow) {
	for i := range versions {
		l.Set(versions[i].Resource, versions[i].Sid)
	}
}

// Full tells that no more resources are remembered.
func (l *Latest) Full() bool { return l.used >= LatestBound }
