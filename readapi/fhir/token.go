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

// place is a page within a search: what the _page parameter says. Its token is as long for the last page as for the
// second: no way back is kept, since what is before a page is found as what is behind it is.
type place struct {
	snapshot int64 // Page.Snapshot of the first page
	total    int64 // as counted for the first page; -1: not counted
	// when the first page was asked for, Unix seconds; what is relative to now stays the same on all pages
	asked int64
	edge  string // where the page begins: Page.Next of the one before; "" is the start
	back  bool   // it ends at the edge, and does not begin there

	// Where what is included beside matches does not fit a page, further pages have the rest of it.
	// how many matches, from the edge on, the included resources belong to; 0: they all come with their matches
	matches int
	shown   int // of these resources, how many stand on the pages before; backwards, on this page and those before
}

// tokenChars bounds a token. One over all types in an order that needs a place in each of them is the longest.
const tokenChars = 8_000

// at is the place of the page that begins at an edge.
func (p place) at(edge string) place {
	p.edge, p.back, p.matches, p.shown = edge, false, 0, 0
	return p
}

// among is the place of a page of what is included with matches that begin at an edge.
func (p place) among(edge string, matches, shown int, back bool) place {
	p.edge, p.back, p.matches, p.shown = edge, back, matches, shown
	return p
}

// before is the place of the page that ends at an edge.
func (p place) before(edge string) place {
	p.edge, p.back, p.matches, p.shown = edge, true, 0, 0
	return p
}

// The forms of a token: the first byte.
const (
	openForm   = 5 // checksum, place
	sealedForm = 7 // id of the kept search, nonce, sealed place
)

// open writes the token of a search whose parameters stand in the link beside it. The checksum binds it to them: a
// token is no place in another search.
func (p place) open(search string) string {
	body := p.append(nil)
	data := append(make([]byte, 0, 9+len(body)), openForm)
	data = binary.BigEndian.AppendUint64(data, checksum(search, body))
	return base64.RawURLEncoding.EncodeToString(append(data, body...))
}

// seal writes the token of a kept search. Its place is encrypted (AES-256-GCM), because an index token may hold sort
// values.
func (p place) seal(kept *keptSearch) (string, error) {
	aead, err := sealing(kept.Secret)
	if err != nil {
		return "", err
	}
	data := append(append(make([]byte, 0, 256), sealedForm), kept.id[:]...)
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", events.Wrap(events.Internal, "fhir.token", err, "no random numbers")
	}
	data = append(data, nonce...)
	return base64.RawURLEncoding.EncodeToString(aead.Seal(data, nonce, p.append(nil), kept.id[:])), nil
}

// token is a _page value taken apart: either of a search whose parameters stand beside it, or of a kept one.
type token struct {
	form byte
	sum  uint64
	kept searchID
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

// open returns the place of a token that stands beside the parameters of its search; [token.check] tells whether it
// is that search.
func (t token) open() (place, error) { return parsePlace(t.rest) }

// check refuses an open token that was made for another search.
func (t token) check(search string) error {
	if t.sum != checksum(search, t.rest) {
		return events.Errorf(events.Invalid, "fhir.token",
			"this _page belongs to another search; follow the links of a bundle as they are")
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
	return events.Errorf(events.Invalid, "fhir.token",
		"_page is none of this server's; follow the links of a bundle as they are, or start again without _page")
}

func checksum(search string, body []byte) uint64 {
	digest := xxhash.New()
	_, _ = digest.WriteString(search)
	_, _ = digest.Write([]byte{0})
	_, _ = digest.Write(body)
	return digest.Sum64()
}

// append writes the place: snapshot, total+1, asked, back, matches, shown, and the edge with its length.
func (p place) append(data []byte) []byte {
	data = binary.AppendUvarint(data, uint64(p.snapshot))
	data = binary.AppendUvarint(data, uint64(p.total+1))
	data = binary.AppendUvarint(data, uint64(p.asked))
	if p.back {
		data = append(data, 1)
	} else {
		data = append(data, 0)
	}
	data = binary.AppendUvarint(data, uint64(p.matches))
	data = binary.AppendUvarint(data, uint64(p.shown))
	data = binary.AppendUvarint(data, uint64(len(p.edge)))
	return append(data, p.edge...)
}

func parsePlace(data []byte) (place, error) {
	reader := placeReader{data: data}
	p := place{snapshot: int64(reader.number(math.MaxInt64)), total: int64(reader.number(math.MaxInt64)) - 1,
		asked: int64(reader.number(math.MaxInt32))}
	p.back = reader.number(1) == 1
	p.matches, p.shown = int(reader.number(math.MaxInt32)), int(reader.number(math.MaxInt32))
	p.edge = reader.text()
	if reader.bad || len(reader.data) > 0 || p.matches == 0 && p.back && p.edge == "" ||
		(p.matches == 0) != (p.shown == 0) {
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
