// Package parts opens what a variant is made of: log, feed, blobs, index, dialects. It holds the configuration that
// says so. drivers.go is the only importer of drivers.
package parts
