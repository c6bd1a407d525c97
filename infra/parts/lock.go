package parts

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"binnacle/events"
)

// LockFolder takes the data folder for one server, and makes it with create. The lock goes with the process, however it
// ends. Where nothing has been stored when it is closed, nothing is left of it.
func LockFolder(config *Config, create bool) (io.Closer, error) {
	if config.Variant == "memory" || config.Variant == "distributed" {
		return io.NopCloser(nil), nil
	}
	_, missing := os.Stat(config.Data)
	if !create && missing != nil {
		return nil, noData(config)
	}
	if err := os.MkdirAll(config.Data, 0o755); err != nil {
		return nil, fmt.Errorf("the data folder can't be made: %w; choose another with --data", err)
	}
	path := filepath.Join(config.Data, "lock")
	for {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, fmt.Errorf("the data folder can't be written: %w; choose another with --data", err)
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			holder, _ := os.ReadFile(path)
			_ = file.Close() // nothing was written
			return nil, fmt.Errorf("the data folder %s is in use by %s; stop that server or choose another folder with --data", config.Data, holder)
		}
		if !isAt(path, file) { // whoever had it before has taken it away
			_ = file.Close() // nothing was written
			continue
		}
		if err := file.Truncate(0); err == nil {
			_, _ = file.WriteAt([]byte(Hostname()), 0) // only for the message above
		}
		return &folderLock{file, config.Data, missing != nil}, nil
	}
}

func isAt(path string, file *os.File) bool {
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	held, err := file.Stat()
	return err == nil && os.SameFile(there, held)
}

// folderLock is the hold of a data folder.
type folderLock struct {
	file   *os.File
	folder string
	made   bool // the folder, with the lock
}

func (l *folderLock) Close() error {
	if _, err := os.Stat(filepath.Join(l.folder, DatabaseFile)); errors.Is(err, os.ErrNotExist) {
		_ = os.Remove(l.file.Name()) // it is in nobody's way
		if l.made {
			_ = os.Remove(l.folder) // unless something else was put there
		}
	}
	return l.file.Close()
}

// noData is the error of a folder in which nothing is.
func noData(config *Config) error {
	return events.Errorf(events.Invalid, "infra.openFile", "there is no %s; name the folder of the data with --data, or make it with binnacle init or binnacle serve", filepath.Join(config.Data, DatabaseFile))
}

// Hostname names this process to others: in the holder of an exclusive right, in logs.
func Hostname() string {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	return fmt.Sprintf("%s (process %d)", name, os.Getpid())
}
