// Package parameter reads definitions of search parameters: those of R4 and the operator's own, which may stand in the
// place of others. It promises that each definition it returns is well formed and that no two of them define one
// parameter of a type. What their expressions mean is for package extract.
package parameter
