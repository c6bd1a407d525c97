package cassandra

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/gocql/gocql"

	"binnacle/events"
)

// What is stored in more than pieceBytes stands in several rows: a node with default settings takes mutations and
// frames of less than 16 MiB. The row under the hash tells how many pieces there are, and is written after them; the
// pieces stand under the hash with their numbers, from 1 on.
const (
	pieceBytes = 8 << 20
	// piecesMark begins the content of a row that tells of pieces. Neither JSON, XML, zstd nor S2 begin so, and the
	// hash tells it from any other content that does.
	piecesMark = 0x02
	// piecesInFlight is how many pieces are written at once: they take memory here and on the nodes.
	piecesInFlight = 2
)

func pieceKey(key string, number int) string { return key + "/" + strconv.Itoa(number) }

// isPiece tells whether a row's key is that of a piece.
func isPiece(key string) bool {
	hash, number, cut := strings.Cut(key, "/")
	_, err := strconv.Atoi(number)
	return cut && err == nil && len(hash) == hex.EncodedLen(len(events.Hash{}))
}

// leastPage is the number of hashes that the first request of Each reads.
const leastPage = 16

// nextPage is how many hashes the next request reads after one that read keys. A node reads the contents of a whole
// page to tell its hashes. Keys stand in the order of their tokens, which is none: what one page has of pieces the next
// one has, too.
func nextPage(page int, keys []string) int {
	pieces := 0
	for _, key := range keys {
		if isPiece(key) {
			pieces++
		}
	}
	switch {
	case pieces > 6: // 48 MiB
		return max(page/2, leastPage)
	case pieces < 3:
		return min(2*page, eachPage)
	}
	return page
}

// divide makes rows of what is too large for one.
func divide(rows []row) (pieces, heads []row) {
	for i, r := range rows {
		if len(r.content) <= pieceBytes {
			continue
		}
		count := 0
		for rest := r.content; len(rest) > 0; count++ {
			n := min(len(rest), pieceBytes)
			pieces = append(pieces, row{pieceKey(r.key, count+1), rest[:n]})
			rest = rest[n:]
		}
		rows[i].content = []byte{piecesMark, byte(count)}
	}
	return pieces, rows
}

// piecesOf tells how many pieces a row tells of; 0: it holds a content.
func piecesOf(stored []byte) int {
	if len(stored) != 2 || stored[0] != piecesMark {
		return 0
	}
	return int(stored[1])
}

// putPieces stores pieces, few at once.
func (b *Blobs) putPieces(ctx context.Context, op string, pieces []row) error {
	return parallel(ctx, make(chan struct{}, piecesInFlight), len(pieces), func(ctx context.Context, i int) error {
		return b.retry(ctx, op, func(ctx context.Context, session *gocql.Session, _ int) error {
			return b.store(ctx, session, pieces[i:i+1])
		})
	})
}

// join reads the pieces of a content; nil: one of them is not there.
func (b *Blobs) join(ctx context.Context, level gocql.Consistency, key string, count int) ([]byte, error) {
	var whole []byte
	for number := 1; number <= count; number++ {
		var piece []byte
		if err := b.retry(ctx, "cassandra.Get", func(ctx context.Context, session *gocql.Session, _ int) error {
			var found string
			err := session.Query(b.selectIn, []string{pieceKey(key, number)}).WithContext(ctx).Consistency(level).Scan(
				&found, &piece)
			if err == gocql.ErrNotFound { //nolint:errorlint // it comes as it is
				piece, err = nil, nil
			}
			return err
		}); err != nil || piece == nil {
			return nil, err
		}
		if whole == nil {
			whole = make([]byte, 0, count*len(piece))
		}
		whole = append(whole, piece...)
	}
	return whole, nil
}

// removePieces removes the pieces that the row under a hash tells of.
func (b *Blobs) removePieces(ctx context.Context, key string) error {
	count := 0
	if err := b.retry(ctx, "cassandra.Delete", func(ctx context.Context, session *gocql.Session, _ int) error {
		var found string
		var stored []byte
		err := session.Query(b.selectIn, []string{key}).WithContext(ctx).Consistency(b.read).Scan(&found, &stored)
		if err == gocql.ErrNotFound { //nolint:errorlint // it comes as it is
			err = nil
		}
		count = piecesOf(stored)
		return err
	}); err != nil {
		return err
	}
	for number := 1; number <= count; number++ {
		if err := b.retry(ctx, "cassandra.Delete", func(ctx context.Context, session *gocql.Session, _ int) error {
			return session.Query(b.remove, pieceKey(key, number)).WithContext(ctx).Consistency(b.write).Exec()
		}); err != nil {
			return err
		}
	}
	return nil
}
