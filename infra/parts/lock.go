package parts

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// LockFolder takes the data folder for one server. The lock goes with the process, however it ends.
func LockFolder(config *Config) (io.Closer, error) {
	if config.Variant == "memory" || config.Variant == "distributed" {
		return io.NopCloser(nil), nil
	}
	if err := os.MkdirAll(config.Data, 0o755); err != nil {
		return nil, fmt.Errorf("the data folder can't be made: %w; choose another with --data", err)
	}
	path := filepath.Join(config.Data, "lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("the data folder can't be written: %w; choose another with --data", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path)
		_ = file.Close() // nothing was written
		return nil, fmt.Errorf("the data folder %s is in use by %s; stop that server or choose another folder with --data", config.Data, holder)
	}
	if err := file.Truncate(0); err == nil {
		_, _ = file.WriteAt([]byte(Hostname()), 0) // only for the message above
	}
	return file, nil
}

// Hostname names this process to others: in the holder of an exclusive right, in logs.
func Hostname() string {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	return fmt.Sprintf("%s (process %d)", name, os.Getpid())
}
