//go:build !linux

package sqlitefile

import "os"

func syncData(file *os.File) error { return file.Sync() }
