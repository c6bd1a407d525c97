// Package r4 holds what the program carries of FHIR R4 (4.0.1): the type model, the search parameters, the
// compartments, the systems of codes, the main dates and the summaries. Command generate makes these files from the
// definitions of HL7. All but the main dates, which are this project's own choice, say what R4 says.
package r4
