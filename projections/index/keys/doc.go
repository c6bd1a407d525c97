// Package keys holds the numbers that rows of the index are found by: the keys that stand for tenants, types,
// parameters and values, and the refs that stand for versions. What is written and what is searched for make the same
// keys of the same things; that is all it promises. It knows no SQL.
package keys
