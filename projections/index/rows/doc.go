// Package rows holds what versions become in the tables of a generation ([Maker]), what is read back of them, and the
// written forms of outcomes, quarantined records and claims.
//
// The tables of a generation, insert-only but for position and counter:
//
//	version     one row per version; never updated but by a sweep. It has the key of the resource and those of its
//	            references, and is found by type and id, by type and lastUpdated, by the key of the resource, and in
//	            Postgres by the keys of references and uris
//	closed      which version superseded it
//	term        (key, sort, ref): equality; key is a hash of tenant, type, parameter and value, sort the version's
//	            main date. What keys have no rows in Postgres, keys/places.go tells
//	span        (key, low, high, ref): ranges
//	text        (key, head, rest, raw, ref): strings, and uris that are too long to be keys
//	coding      the dictionary of codings, uris, units and target types; shape, the sets of parameters; ledger,
//	            tenants and types
//	counter     current resources per type
//	outcome, quarantine
//	position    how far a partition has been projected, the earliest snapshot that it still answers, and how far it is
//	            swept
//	sweep       how far the sweep has come that is under way
//
// A ref is a version's Sid, shifted left by two bits, and two marks: this value is the smallest, the largest, of its
// parameter.
//
// It promises that the same versions become the same rows, in the same order, whatever was written before them.
package rows
