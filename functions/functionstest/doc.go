// Package functionstest holds what the tests of functions and of its rooms share: a node without its reading side
// ([Node]), an index so simple that it can't be wrong ([Index]), and things to send to them.
package functionstest
