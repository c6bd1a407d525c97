// Package catalog knows what can be searched: it compiles SearchParameter definitions (FHIR R4 4.0.1, and the operator's own) to extractors that
// turn a document into terms, and reads search queries into [projections.Query] with the help of the same definitions. No parameter is written by hand.
//
// It promises: equal documents give equal terms under one [Catalog.Digest]; an expression that it can't compile is an error when loading, never
// a silent gap; a query is never widened in silence.
//
// # Terms
//
// Choices that FHIR R4 leaves open, beside what [projections.Term] tells:
//
//   - Token codes are compared with case, whatever their system says. An element of type code has no system in JSON, so its term has none; a query
//     for system|code on a parameter that selects nothing but codes (or, for http://hl7.org/fhir/special-values, booleans) passes over the system.
//     A ContactPoint is its value, without a system. A CodeableConcept with text alone is a term without a code: it counts for :missing, and no token finds it.
//   - A reference is of its target's type and id; its version is dropped. A reference to a contained resource is no term. What is contained has terms of its own
//     for chains, under the references that lead there ([projections.Inside]): over up to three of them, and up to 10,000 terms of one resource. A resource inside a Bundle
//     (Bundle.entry[0].resource) counts as a reference to it. A canonical with a version has it as System; a uri parameter gets a canonical twice, with
//     its version and without.
//   - Dates without a zone are UTC. A Timing covers its events and its bounds, from the first to the last. Ranges, ages and strings of a date choice are
//     passed over, as is SampledData by quantities.
//   - A quantity with a comparator, and a Range without one of its ends, is open on that side. Money has urn:iso:std:iso:4217 and the currency as unit.
//
// # Queries
//
// A value's precision has become its range. Numbers: 100 is [99.5, 100.5), 1e2 is [95, 105) as in the specification's example; with gt, lt, ge, le,
// sa and eb the number itself. A quantity without a unit has AnySystem and AnyCode; value||code has AnySystem with the code in both Code and
// Text: it asks for that code or that printed unit. A reference by id alone has AnySystem, unless the parameter has one target type alone; a token
// has it, unless no term of the parameter has a system.
package catalog
