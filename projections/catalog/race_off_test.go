//go:build !race

package catalog

// raceDetector: see the other file.
const raceDetector = false
