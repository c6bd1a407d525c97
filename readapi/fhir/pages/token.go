package pages

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

// Place is a page within a search: what the _page parameter says. Its token is as long for the last page as for the
// second: no way back is kept, since what is before a page is found as what is behind it is.
type Place struct {
	Snapshot int64 // Page.Snapshot of the first page
	Total    int64 // as counted for the first page; -1: not counted
	// when the first page was asked for, Unix seconds; what is relative to now stays the same on all pages
	Asked int64
	Edge  string // where the page begins: Page.Next of the one before; "" is the start
	Back  bool   // it ends at the edge, and does not begin there

	// Where what is included beside matches does not fit a page, further pages have the rest of it.
	// how many matches, from the edge on, the included resources belong to; 0: they all come with their matches
	Matches int
	Shown   int // of these resources, how many stand on the pages before; backwards, on this page and those before
}

// tokenChars bounds a token. One over all types in an order that needs a place in each of them is the longest.
const tokenChars = 8_000

// At is the place of the page that begins at an edge.
func (p Place) At(edge string) Place {
	p.Edge, p.Back, p.Matches, p.Shown = edge, false, 0, 0
	return p
}

// Among is the place of a page of what is included with matches that begin at an edge.
func (p Place) Among(edge string, matches, shown int, back bool) Place {
	p.Edge, p.Back, p.Matches, p.Shown = edge, back, matches, shown
	return p
}

// Before is the place of the page that ends at an edge.
func (p Place) Before(edge string) Place {
	p.Edge, p.Back, p.Matches, p.Shown = edge, true, 0, 0
	return p
}

// The forms of a token: the first byte.
const (
	openForm   = 5 // checksum, place
	sealedForm = 7 // id of the kept search, nonce, sealed place
)

// Open writes the token of a search whose parameters stand in the link beside it. The checksum binds it to them: a
// token is no place in another search.
func (p Place) Open(search string) string {
	body := p.append(nil)
	data := append(make([]byte, 0, 9+len(body)), openForm)
	data = binary.BigEndian.AppendUint64(data, checksum(search, body))
	return base64.RawURLEncoding.EncodeToString(append(data, body...))
}

// Seal writes the token of a kept search. Its place is encrypted (AES-256-GCM), because an index token may hold sort
// values.
func (p Place) Seal(kept, secret [32]byte) (string, error) {
	aead, err := sealing(secret)
	if err != nil {
		return "", err
	}
	data := append(append(make([]byte, 0, 256), sealedForm), kept[:]...)
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", events.Wrap(events.Internal, "fhir.token", err, "no random numbers")
	}
	data = append(data, nonce...)
	return base64.RawURLEncoding.EncodeToString(aead.Seal(data, nonce, p.append(nil), kept[:])), nil
}

// Token is a _page value taken apart: either of a search whose parameters stand beside it, or of a kept one, and
// then it is sealed.
type Token struct {
	form byte
	sum  uint64
	Kept [32]byte // the id of the kept search
	rest []byte
}

// Parse reads the outer form of a _page value; kind Invalid for what this server has never written.
func Parse(text string) (Token, error) {
	if len(text) > tokenChars {
		return Token{}, BadToken()
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	switch {
	case err != nil || len(data) == 0:
	case data[0] == openForm && len(data) >= 9:
		return Token{form: openForm, sum: binary.BigEndian.Uint64(data[1:9]), rest: data[9:]}, nil
	case data[0] == sealedForm && len(data) >= 33:
		t := Token{form: sealedForm, rest: data[33:]}
		copy(t.Kept[:], data[1:33])
		return t, nil
	}
	return Token{}, BadToken()
}

// Sealed tells whether it is of a kept search.
func (t Token) Sealed() bool { return t.form == sealedForm }

// Place returns the place of a token that stands beside the parameters of its search; [Token.Check] tells whether it
// is that search.
func (t Token) Place() (Place, error) { return parsePlace(t.rest) }

// Check refuses an open token that was made for another search.
func (t Token) Check(search string) error {
	if t.sum != checksum(search, t.rest) {
		return events.Errorf(events.Invalid, "fhir.token",
			"this _page belongs to another search; follow the links of a bundle as they are")
	}
	return nil
}

// Unseal returns the place of a kept search's token.
func (t Token) Unseal(secret [32]byte) (Place, error) {
	aead, err := sealing(secret)
	if err != nil {
		return Place{}, err
	}
	if len(t.rest) < aead.NonceSize() {
		return Place{}, BadToken()
	}
	body, err := aead.Open(nil, t.rest[:aead.NonceSize()], t.rest[aead.NonceSize():], t.Kept[:])
	if err != nil {
		return Place{}, BadToken()
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

// BadToken is the refusal, of kind Invalid, of a _page that this server has never written.
func BadToken() error {
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
func (p Place) append(data []byte) []byte {
	data = binary.AppendUvarint(data, uint64(p.Snapshot))
	data = binary.AppendUvarint(data, uint64(p.Total+1))
	data = binary.AppendUvarint(data, uint64(p.Asked))
	if p.Back {
		data = append(data, 1)
	} else {
		data = append(data, 0)
	}
	data = binary.AppendUvarint(data, uint64(p.Matches))
	data = binary.AppendUvarint(data, uint64(p.Shown))
	data = binary.AppendUvarint(data, uint64(len(p.Edge)))
	return append(data, p.Edge...)
}

func parsePlace(data []byte) (Place, error) {
	reader := Reader{Data: data}
	p := Place{Snapshot: int64(reader.Number(math.MaxInt64)), Total: int64(reader.Number(math.MaxInt64)) - 1,
		Asked: int64(reader.Number(math.MaxInt32))}
	p.Back = reader.Number(1) == 1
	p.Matches, p.Shown = int(reader.Number(math.MaxInt32)), int(reader.Number(math.MaxInt32))
	p.Edge = reader.Text()
	if reader.Bad || len(reader.Data) > 0 || p.Matches == 0 && p.Back && p.Edge == "" ||
		(p.Matches == 0) != (p.Shown == 0) {
		return Place{}, BadToken()
	}
	return p, nil
}

// Reader reads the numbers and texts of a token; after the first that is not there it is bad, and everything is zero.
type Reader struct {
	Data []byte
	Bad  bool
}

// Number reads a number up to a limit.
func (r *Reader) Number(limit uint64) uint64 {
	n, size := binary.Uvarint(r.Data)
	if r.Bad || size <= 0 || n > limit {
		r.Bad = true
		return 0
	}
	r.Data = r.Data[size:]
	return n
}

// Text reads a text behind its length.
func (r *Reader) Text() string {
	size := int(r.Number(tokenChars))
	if r.Bad || size > len(r.Data) {
		r.Bad = true
		return ""
	}
	text := string(r.Data[:size])
	r.Data = r.Data[size:]
	return text
}
