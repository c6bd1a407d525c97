package sqlitefile

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"binnacle/events"
)

// SQLite writes a frame of the write-ahead log with two system calls, one for the 24 bytes of its header and one for
// its page (https://www.sqlite.org/fileformat2.html#the_write_ahead_log). A commit of the index has some hundred
// frames, which follow each other in the file, and a system call costs more than to copy a page. So the writer's
// connection gathers them: it opens its files with a virtual file system (https://www.sqlite.org/vfs.html) that is the
// system's own, but for the write-ahead log.
//
// Nothing is held when it counts. The frame that ends a transaction says so in its header; with its page everything is
// written, before SQLite tells other connections of the transaction, and before [File.Durable] syncs the file. What is
// not a frame right behind the one before, and any other use of the file, writes first what is held. An error of
// writing is told to the write that found it: that of the frame which ends the transaction at the latest.

const (
	frameHeader = 24
	// gatherBytes is what the system's own file system writes at once at the most.
	gatherBytes = 1<<17 - 1
)

// gathered is a write-ahead log that a connection writes.
type gathered struct {
	own     *sqlite3.Tsqlite3_io_methods // the system's
	end     int64                        // of the frames that follow each other, held ones too; -1: not known
	buffer  uintptr                      // of gatherBytes, in C's memory; 0: there is none yet
	held    int                          // bytes of it that are to be written before end
	within  bool                         // a header was held, and its page is to come
	commits bool                         // of a frame that ends a transaction
}

// write is sqlite3_io_methods.xWrite: it returns a result code.
func (g *gathered) write(tls *libc.TLS, file uintptr, data []byte, offset int64) int32 {
	if offset != g.end || !g.within && len(data) != frameHeader {
		code := g.flush(tls, file)
		if code == sqlite3.SQLITE_OK {
			code = g.through(tls, file, uintptr(unsafe.Pointer(unsafe.SliceData(data))), len(data), offset)
		}
		g.end, g.within = offset+int64(len(data)), false
		if code != sqlite3.SQLITE_OK {
			g.end = -1
		}
		return code
	}
	if g.held+len(data) > gatherBytes {
		if code := g.flush(tls, file); code != sqlite3.SQLITE_OK {
			return code
		}
	}
	if g.buffer == 0 {
		if g.buffer = libc.Xmalloc(tls, gatherBytes); g.buffer == 0 {
			return sqlite3.SQLITE_IOERR_NOMEM
		}
	}
	g.held += copy(unsafe.Slice(at[byte](g.buffer), gatherBytes)[g.held:], data)
	g.end += int64(len(data))
	if g.within = !g.within; g.within {
		g.commits = [4]byte(data[4:8]) != [4]byte{} // the size of the database after the transaction
	} else if g.commits {
		return g.flush(tls, file)
	}
	return sqlite3.SQLITE_OK
}

// flush writes what is held. After an error it is gone: SQLite rolls back.
func (g *gathered) flush(tls *libc.TLS, file uintptr) int32 {
	if g.held == 0 {
		return sqlite3.SQLITE_OK
	}
	code := g.through(tls, file, g.buffer, g.held, g.end-int64(g.held))
	g.held = 0
	if code != sqlite3.SQLITE_OK {
		g.end, g.within = -1, false
	}
	return code
}

func (g *gathered) through(tls *libc.TLS, file, data uintptr, length int, offset int64) int32 {
	return (*(*func(*libc.TLS, uintptr, uintptr, int32, int64) int32)(method(&g.own.FxWrite)))(tls, file, data,
		int32(length), offset)
}

// method makes what a C function pointer stands for callable: the library keeps Go functions in them.
func method(pointer *uintptr) unsafe.Pointer { return unsafe.Pointer(pointer) }

// pointer makes a C function pointer of a Go function that is a variable of the package, as the library does.
func pointer(function any) uintptr { return (*[2]uintptr)(unsafe.Pointer(&function))[1] }

// gathering is the virtual file system. What C has pointers to lies in C's memory, for as long as the process lives.
var gathering struct { //nolint:gochecknoglobals // SQLite registers it for the whole process
	once    sync.Once
	failed  bool
	own     uintptr                      // sqlite3_vfs of the system
	methods *sqlite3.Tsqlite3_io_methods // of a write-ahead log
	copied  sync.Once
	logs    sync.Map // sqlite3_file → *gathered
}

const gatheringName = "binnacle-gathering"

// writerVFS names the virtual file system of connections that write.
func writerVFS() (string, error) {
	gathering.once.Do(func() {
		tls := libc.NewTLS()
		defer tls.Close()
		own := sqlite3.Xsqlite3_vfs_find(tls, 0)
		name, err := libc.CString(gatheringName)
		registered := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})))
		methods := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_io_methods{})))
		if gathering.failed = own == 0 || err != nil || registered == 0 || methods == 0; gathering.failed {
			return
		}
		gathering.own, gathering.methods = own, at[sqlite3.Tsqlite3_io_methods](methods)
		vfs := at[sqlite3.Tsqlite3_vfs](registered)
		*vfs = *at[sqlite3.Tsqlite3_vfs](own)
		vfs.FpNext, vfs.FzName, vfs.FxOpen = 0, name, pointer(openGathered)
		gathering.failed = sqlite3.Xsqlite3_vfs_register(tls, registered, 0) != sqlite3.SQLITE_OK
	})
	if gathering.failed {
		return "", events.Errorf(events.Internal, "sqlitefile.Open", "the SQLite library takes no virtual file system")
	}
	return gatheringName, nil
}

func openGathered(tls *libc.TLS, _, name, file uintptr, flags int32, out uintptr) int32 {
	own := at[sqlite3.Tsqlite3_vfs](gathering.own)
	code := (*(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(method(&own.FxOpen)))(tls,
		gathering.own, name, file, flags, out)
	if code != sqlite3.SQLITE_OK || flags&sqlite3.SQLITE_OPEN_WAL == 0 {
		return code
	}
	methods := &at[sqlite3.Tsqlite3_file](file).FpMethods
	g := &gathered{own: at[sqlite3.Tsqlite3_io_methods](*methods), end: -1}
	gatherMethods(g.own)
	gathering.logs.Store(file, g)
	*methods = uintptr(unsafe.Pointer(gathering.methods))
	return code
}

// gatherMethods makes the methods of a write-ahead log from the system's, which are the same for all of them.
func gatherMethods(own *sqlite3.Tsqlite3_io_methods) {
	gathering.copied.Do(func() {
		m := gathering.methods
		*m = *own
		m.FxWrite, m.FxRead, m.FxTruncate = pointer(writeGathered), pointer(readGathered), pointer(truncateGathered)
		m.FxSync, m.FxFileSize, m.FxClose = pointer(syncGathered), pointer(sizeGathered), pointer(closeGathered)
	})
}

func gatheredOf(file uintptr) *gathered {
	g, _ := gathering.logs.Load(file)
	return g.(*gathered)
}

func writeGathered(tls *libc.TLS, file, data uintptr, amount int32, offset int64) int32 {
	return gatheredOf(file).write(tls, file, unsafe.Slice(at[byte](data), amount), offset)
}

func readGathered(tls *libc.TLS, file, data uintptr, amount int32, offset int64) int32 {
	g := gatheredOf(file)
	if code := g.flush(tls, file); code != sqlite3.SQLITE_OK {
		return code
	}
	return (*(*func(*libc.TLS, uintptr, uintptr, int32, int64) int32)(method(&g.own.FxRead)))(tls, file, data, amount,
		offset)
}

func truncateGathered(tls *libc.TLS, file uintptr, size int64) int32 {
	g := gatheredOf(file)
	if code := g.flush(tls, file); code != sqlite3.SQLITE_OK {
		return code
	}
	return (*(*func(*libc.TLS, uintptr, int64) int32)(method(&g.own.FxTruncate)))(tls, file, size)
}

func syncGathered(tls *libc.TLS, file uintptr, flags int32) int32 {
	g := gatheredOf(file)
	if code := g.flush(tls, file); code != sqlite3.SQLITE_OK {
		return code
	}
	return (*(*func(*libc.TLS, uintptr, int32) int32)(method(&g.own.FxSync)))(tls, file, flags)
}

func sizeGathered(tls *libc.TLS, file, size uintptr) int32 {
	g := gatheredOf(file)
	if code := g.flush(tls, file); code != sqlite3.SQLITE_OK {
		return code
	}
	return (*(*func(*libc.TLS, uintptr, uintptr) int32)(method(&g.own.FxFileSize)))(tls, file, size)
}

func closeGathered(tls *libc.TLS, file uintptr) int32 {
	g := gatheredOf(file)
	flushed := g.flush(tls, file)
	gathering.logs.Delete(file)
	libc.Xfree(tls, g.buffer)
	code := (*(*func(*libc.TLS, uintptr) int32)(method(&g.own.FxClose)))(tls, file)
	if code == sqlite3.SQLITE_OK {
		code = flushed
	}
	return code
}
