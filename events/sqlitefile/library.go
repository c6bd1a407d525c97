package sqlitefile

import (
	"runtime"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Pages that the connections of a file keep in memory. The library is built so that all connections of the process
// share what they may keep together: a page that was not used for longest goes first, whoever has read it.
const (
	writerPages = 2_900
	readerPages = 500
	keeperPages = 32
)

// readers is the number of connections that read a file at once.
func readers() int { return min(max(4, 2*runtime.GOMAXPROCS(0)), 16) }

// libraryOnce sets the library up, which has to be done before it is used for the first time.
var libraryOnce = sync.OnceFunc(setUpLibrary) //nolint:gochecknoglobals // it is one for the process

// setUpLibrary gives the library the memory for pages as one piece (SQLITE_CONFIG_PAGECACHE,
// https://www.sqlite.org/malloc.html#_page_cache_memory). Each page, which is a little longer than a power of two,
// would else take half as much again. When somebody else has used the library before, or there is no memory, all stays
// as it was, and works.
func setUpLibrary() {
	tls := libc.NewTLS()
	defer tls.Close()
	config := func(option int32, values ...any) bool {
		list := libc.NewVaList(values...)
		defer libc.Xfree(tls, list)
		return sqlite3.Xsqlite3_config(tls, option, list) == sqlite3.SQLITE_OK
	}
	head := libc.Xmalloc(tls, 8)
	defer libc.Xfree(tls, head)
	if head == 0 || !config(sqlite3.SQLITE_CONFIG_PCACHE_HDRSZ, head) {
		return
	}
	slot := pageSize + (int(*at[int32](head))+7)&^7
	pages := writerPages + readers()*readerPages + keeperPages
	memory := libc.Xmalloc(tls, libc.Tsize_t(slot*pages))
	if memory != 0 && !config(sqlite3.SQLITE_CONFIG_PAGECACHE, memory, int32(slot), int32(pages)) {
		libc.Xfree(tls, memory)
	}
}

// at is what lies in C's memory.
func at[T any](pointer uintptr) *T { return *(**T)(unsafe.Pointer(&pointer)) }
