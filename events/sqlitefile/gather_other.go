//go:build !linux

package sqlitefile

// writerVFS names the virtual file system of connections that write; "": the system's.
func writerVFS() (string, error) { return "", nil }
