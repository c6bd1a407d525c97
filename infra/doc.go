// Package infra is the world around the rooms: configuration, the choice of drivers, the commands.
//
// drivers.go is the only importer of drivers; node.go puts functions and doors together; each command has a file of its own.
package infra
