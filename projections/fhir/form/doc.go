// Package form knows the forms in which the contents of FHIR are stored: JSON and XML as they were sent, and the raw
// bytes of a Binary (ADR 83). A content describes itself by its first byte. Whoever reads a content as a document of
// JSON asks this package for it, and pays nothing when it is one.
package form
