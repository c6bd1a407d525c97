package sqlitefile

import (
	"errors"
	"os"
	"sync"
)

// synced is a write-ahead log, opened to be synced. It is opened again when SQLite has put another one in its place.
// SQLite keeps no locks on this file, which closing it would end.
type synced struct {
	mu   sync.Mutex
	file *os.File
	is   os.FileInfo
}

// sync waits until what the file at path holds survives a crash of the machine.
func (s *synced) sync(path string) error {
	file, err := s.at(path)
	if err != nil {
		return err
	}
	return syncData(file)
}

// at returns the file that lies at path now.
func (s *synced) at(path string) (*os.File, error) {
	now, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil && os.SameFile(now, s.is) {
		return s.file, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	is, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	s.file, s.is = file, is // the one before may be being synced: it is closed when nobody refers to it any more
	return file, nil
}

func (s *synced) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}
