// Package node is one running server: functions and doors put together over the parts, its health, its metrics, and the
// change to another generation of the index.
package node
