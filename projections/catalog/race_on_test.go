//go:build race

package catalog

// raceDetector: the detector makes the whole sample take minutes, so tests take a few of its bundles under it, and the whole without.
const raceDetector = true
