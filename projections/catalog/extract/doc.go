// Package extract turns documents into terms. It compiles the expressions of all search parameters of a resource type
// into one tree of elements, so that a document is walked once.
//
// It promises: equal documents give equal terms under one [Types.Digest]; an expression that it can't compile is an
// error when compiling, never a silent gap.
//
// FHIR R4 leaves some choices open. These are made here, beside what [projections.Term] tells:
//
//   - Codes of tokens are compared with case, whatever their system says. An element of type code has no system in
//     JSON, so its term has none. A ContactPoint is its value, without a system. A CodeableConcept with nothing but
//     text is a term without a code: it counts for :missing, and no token finds it.
//   - A reference is of its target's type and id. Its version is dropped. A resource inside a Bundle
//     (Bundle.entry[0].resource) counts as a reference to it.
//   - A reference to a contained resource is no term. What is contained has terms of its own, for chains, under the
//     references that lead there ([projections.Inside]): over up to three references, and up to 10,000 terms of one
//     resource.
//   - A canonical with a version has it as System. A uri parameter gets a canonical twice, with its version and
//     without.
//   - Dates without a zone are UTC. A Timing covers its events and its bounds, from the first to the last. Ranges, ages
//     and strings of a date choice are passed over. So is SampledData by quantities.
//   - A quantity with a comparator is open on that side. So is a Range on the side where it has no end. Money has
//     urn:iso:std:iso:4217 and the currency as unit.
package extract
