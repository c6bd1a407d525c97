package projections

import (
	"context"
	"time"
)

// Histories is the part of an index that tells of versions, whether they are current or not. None ever goes.
type Histories interface {
	// Version returns the version of a resource that has a number; the zero Version when there is none.
	Version(ctx context.Context, key Key, number int64) (Version, error)

	// Versions returns a page of versions of one tenant, in the order of the log or against it. Kind TooCostly: it took
	// too long, or Span.Listed names resources with too many versions.
	Versions(ctx context.Context, span Span) (SpanPage, error)
}

// Span selects versions of a tenant. All that is set must hold.
type Span struct {
	Tenant    string
	Partition int32    // that of the tenant
	Types     []string // of these types
	Key       Key      // of this resource, of one of the types; the zero Key: of all
	Listed    []Listed // of these resources; nil: of all

	Since time.Time // at or after; zero: all
	At    time.Time // those that were current then; zero: all
	Until time.Time // with At: also those that became current after it and before Until; zero: none

	Before int64 // those that were there when this was the next Sid; 0: those that are now

	From, To int64 // the page: at or after a Sid, before a Sid; 0: no bound
	Oldest   bool  // the oldest come first; false: the newest
	Limit    int   // at most this many
	Count    bool  // SpanPage.Total is wanted
}

// Listed names a resource, or one version of it.
type Listed struct {
	Type, ID string
	Number   int64 // 0: all versions
}

// SpanPage is a page of versions.
type SpanPage struct {
	Versions []Past
	More     bool  // there are more, in the order that was asked for
	Before   int64 // as Span.Before, for the pages that follow
	Total    int64 // versions of the span apart from Limit; -1: nobody asked
}

// Past is a version, and whether it brought back what was deleted.
type Past struct {
	Version
	Revives bool // the version before it is a deletion
}
