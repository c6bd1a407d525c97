package fhir

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"

	"binnacle/events"
)

// place is a page within a search: what the _page parameter says. It holds the way that led there, so that previous leads back.
type place struct {
	snapshot int64    // Page.Snapshot of the first page
	total    int64    // as counted for the first page; -1: not counted
	asked    int64    // when the first page was asked for, Unix seconds; what is relative to now stays the same on all pages
	way      []string // Page.Next of the pages before, oldest first; the last one is this page's After; empty: the first page
	cut      bool     // the oldest of the way were dropped to keep links short
}

// Bounds of a token: what proxies take in a header line, and the parts of a way that fit it.
const (
	wayBytes   = 1_000 // of the way's tokens, together
	tokenChars = 8_000
)

// after is the index token of this page.
func (p place) after() string {
	if len(p.way) == 0 {
		return ""
	}
	return p.way[len(p.way)-1]
}

// next is the place of the following page.
func (p place) next(after string) place {
	following := p
	following.way = append(append(make([]string, 0, len(p.way)+1), p.way...), after)
	size := 0
	for i := len(following.way) - 1; i >= 0; i-- {
		size += len(following.way[i])
		if size > wayBytes && i < len(following.way)-1 {
			following.way, following.cut = following.way[i+1:], true
			break
		}
	}
	return following
}

// previous is the place of the page before; false when there is none, or when the way to it was dropped.
func (p place) previous() (place, bool) {
	if len(p.way) == 0 || (len(p.way) == 1 && p.cut) {
		return place{}, false
	}
	before := p
	before.way = p.way[:len(p.way)-1]
	return before, true
}

func (p place) first() place {
	return place{snapshot: p.snapshot, total: p.total, asked: p.asked}
}

// The forms of a token: the first byte.
const (
	openForm   = 1 // checksum, place
	sealedForm = 2 // hash of the kept search, nonce, sealed place
)

// open writes the token of a search whose parameters stand in the link beside it. The checksum binds it to them: a token is no
// place in another search.
func (p place) open(search string) string {
	body := p.append(nil)
	data := append(make([]byte, 0, 9+len(body)), openForm)
	data = binary.BigEndian.AppendUint64(data, checksum(search, body))
	return base64.RawURLEncoding.EncodeToString(append(data, body...))
}

// seal writes the token of a kept search. Its place is encrypted (AES-256-GCM), because an index token may hold sort values.
func (p place) seal(hash events.Hash, secret [32]byte) (string, error) {
	aead, err := sealing(secret)
	if err != nil {
		return "", err
	}
	data := append(append(make([]byte, 0, 256), sealedForm), hash[:]...)
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", events.Wrap(events.Internal, "fhir.token", err, "no random numbers")
	}
	data = append(data, nonce...)
	return base64.RawURLEncoding.EncodeToString(aead.Seal(data, nonce, p.append(nil), hash[:])), nil
}

// token is a _page value taken apart: either of a search whose parameters stand beside it, or of a kept one.
type token struct {
	form byte
	sum  uint64
	kept events.Hash
	rest []byte
}

// parseToken reads the outer form of a _page value; kind Invalid for what this server has never written.
func parseToken(text string) (token, error) {
	if len(text) > tokenChars {
		return token{}, badToken()
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	switch {
	case err != nil || len(data) == 0:
	case data[0] == openForm && len(data) >= 9:
		return token{form: openForm, sum: binary.BigEndian.Uint64(data[1:9]), rest: data[9:]}, nil
	case data[0] == sealedForm && len(data) >= 33:
		t := token{form: sealedForm, rest: data[33:]}
		copy(t.kept[:], data[1:33])
		return t, nil
	}
	return token{}, badToken()
}

// open returns the place of a token that stands beside the parameters of its search; [token.check] tells whether it is that search.
func (t token) open() (place, error) { return parsePlace(t.rest) }

// check refuses an open token that was made for another search.
func (t token) check(search string) error {
	if t.sum != checksum(search, t.rest) {
		return events.Errorf(events.Invalid, "fhir.token", "this _page belongs to another search; follow the links of a bundle as they are")
	}
	return nil
}

// unseal returns the place of a kept search's token.
func (t token) unseal(secret [32]byte) (place, error) {
	aead, err := sealing(secret)
	if err != nil {
		return place{}, err
	}
	if len(t.rest) < aead.NonceSize() {
		return place{}, badToken()
	}
	body, err := aead.Open(nil, t.rest[:aead.NonceSize()], t.rest[aead.NonceSize():], t.kept[:])
	if err != nil {
		return place{}, badToken()
	}
	return parsePlace(body)
}

func sealing(secret [32]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		return nil, events.Wrap(events.Internal, "fhir.token", err, "no cipher")
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, events.Wrap(events.Internal, "fhir.token", err, "no cipher")
	}
	return aead, nil
}

func badToken() error {
	return events.Errorf(events.Invalid, "fhir.token", "_page is none of this server's; follow the links of a bundle as they are, or start again without _page")
}

func checksum(search string, body []byte) uint64 {
	digest := xxhash.New()
	_, _ = digest.WriteString(search)
	_, _ = digest.Write([]byte{0})
	_, _ = digest.Write(body)
	return digest.Sum64()
}

// append writes the place: snapshot, total+1, asked, cut, number of steps, and each step with its length.
func (p place) append(data []byte) []byte {
	data = binary.AppendUvarint(data, uint64(p.snapshot))
	data = binary.AppendUvarint(data, uint64(p.total+1))
	data = binary.AppendUvarint(data, uint64(p.asked))
	if p.cut {
		data = append(data, 1)
	} else {
		data = append(data, 0)
	}
	data = binary.AppendUvarint(data, uint64(len(p.way)))
	for _, step := range p.way {
		data = binary.AppendUvarint(data, uint64(len(step)))
		data = append(data, step...)
	}
	return data
}

func parsePlace(data []byte) (place, error) {
	reader := placeReader{data: data}
	p := place{snapshot: int64(reader.number(math.MaxInt64)), total: int64(reader.number(math.MaxInt64)) - 1,
		asked: int64(reader.number(math.MaxInt32))}
	p.cut = reader.number(1) == 1
	steps := int(reader.number(tokenChars))
	for range steps {
		p.way = append(p.way, reader.text())
		if reader.bad {
			break
		}
	}
	if reader.bad || len(reader.data) > 0 {
		return place{}, badToken()
	}
	return p, nil
}

// placeReader reads numbers and texts; after the first that is not there it is bad, and everything is zero.
type placeReader struct {
	data []byte
	bad  bool
}

func (r *placeReader) number(limit uint64) uint64 {
	n, size := binary.Uvarint(r.data)
	if r.bad || size <= 0 || n > limit {
		r.bad = true
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *placeReader) text() string {
	size := int(r.number(tokenChars))
	if r.bad || size > len(r.data) {
		r.bad = true
		return ""
	}
	text := string(r.data[:size])
	r.data = r.data[size:]
	return text
}
