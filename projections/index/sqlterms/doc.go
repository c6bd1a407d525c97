// Package sqlterms is what the SQL drivers of the index share: the rows that a version becomes ([Maker]), the statements that answer
// a query over them ([Search]), and every other read ([Reads]). A driver adds tables, transactions and generations.
//
// The tables of a generation, insert-only but for position and counter:
//
//	version     one row per version; never updated but by a sweep. It has the key of the resource and those of its references, and is
//	            found by type and id, by type and lastUpdated, by the key of the resource, and in Postgres by the keys of references and uris
//	closed      which version superseded it
//	term        (key, sort, ref): equality; key is a hash of tenant, type, parameter and value, sort the version's main date. What keys
//	            have no rows in Postgres, onrow.go tells
//	span        (key, low, high, ref): ranges
//	text        (key, head, rest, raw, ref): strings, and uris that are too long to be keys
//	coding      the dictionary of codings, uris, units and target types; shape, the sets of parameters; ledger, tenants and types
//	counter     current resources per type
//	outcome, quarantine
//	position    how far a partition has been projected, the earliest snapshot that it still answers, and how far it is swept
//	sweep       how far the sweep has come that is under way
//
// A ref is a version's Sid, shifted left by two bits, and two marks: this value is the smallest, the largest, of its parameter.
//
// Rows of superseded versions are swept from term, span and text; version and closed keep theirs, in Postgres without the keys. Who sweeps first sets the position's
// horizon to the earliest snapshot that will be whole, and deletes when the searches that began before it have ended: an earlier snapshot is
// refused with kind Gone. A search from the horizon on sees no version that is swept, but between two of its statements rows may disappear:
// what one statement has counted must not be set off against what another one finds.
//
// It promises: a search sees the versions that were current at its snapshot, whatever is written meanwhile, in the order of
// projections.Compare, and finds what projections.Matches finds; what it cannot answer within its bounds it refuses.
package sqlterms
