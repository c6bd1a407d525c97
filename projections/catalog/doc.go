// Package catalog knows what can be searched. It loads the definitions of search parameters (those of FHIR R4 4.0.1,
// and the operator's own), turns documents into terms with them, and reads searches into [projections.Query] with the
// same definitions. No parameter is written by hand.
//
// It promises: equal documents give equal terms under one [Catalog.Digest]; an expression that can't be compiled is an
// error when loading, never a silent gap; a query is never widened in silence.
//
// A [Catalog] is the one entry for everybody outside. This package itself reads searches. Below it:
//
//   - extract makes terms of documents;
//   - parameter reads the definitions, and fhirpath their expressions;
//   - r4 knows the elements of all types;
//   - literal reads dates, numbers and references, for terms and queries alike.
//
// # Queries
//
// A value's precision has become its range. Numbers: 100 is [99.5, 100.5), 1e2 is [95, 105) as in the specification's
// example. With gt, lt, ge, le, sa and eb it is the number itself.
//
// A quantity without a unit has AnySystem and AnyCode. value||code has AnySystem, with the code in both Code and Text:
// it asks for that code or that printed unit.
//
// A reference by id alone has AnySystem, unless the parameter has one target type alone. A token without a system has
// it, unless no term of the parameter has a system. A query for system|code passes over the system when the parameter
// selects nothing but codes (or, for http://hl7.org/fhir/special-values, booleans).
package catalog
