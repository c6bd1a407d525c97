//go:build race

package projectionstest

// raceDetector tells that the tests watch for races, which makes them several times slower.
const raceDetector = true
