// Package sql holds the statements of the index as texts that grow together with their arguments ([Statement]), the
// place and time at which they read ([At]), and the contract of the two dialects ([Dialect]), which the drivers
// implement.
//
// It promises that no other shared room needs to know which dialect it speaks.
package sql
