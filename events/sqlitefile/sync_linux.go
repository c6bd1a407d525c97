package sqlitefile

import (
	"errors"
	"os"
	"syscall"
)

// syncData is fdatasync(2): a log that is written over from its beginning changes nothing but data and times, and the
// file system's own journal need not wait for the times. What is needed to read the data, as the file's size is when it
// grows, is synced.
func syncData(file *os.File) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := conn.Control(func(fd uintptr) {
		for failed = syscall.EINTR; errors.Is(failed, syscall.EINTR); {
			failed = syscall.Fdatasync(int(fd))
		}
	}); err != nil {
		return err
	}
	return os.NewSyscallError("fdatasync", failed)
}
