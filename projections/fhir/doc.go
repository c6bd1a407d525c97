// Package fhir is the dialect of FHIR R4: what resources mean to the projector, a rebuild, heal and verify. It reads
// documents (events/fhir) and searches by a catalog (projections/catalog). It promises what [projections.Dialect]
// asks for; the door of FHIR and the doors for reading know more of FHIR than that, and ask the catalog themselves.
package fhir
