// Package load brings files of FHIR resources into a server over HTTP, or straight into the log of one. It cuts files
// into units, sends several at once, and remembers in a journal what was taken.
package load
