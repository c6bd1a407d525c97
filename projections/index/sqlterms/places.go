package sqlterms

// Places tell which keys stand on the rows of versions alone and have no term rows; see onrow.go.
type Places interface {
	// RefersOnRow tells it of references to resources of a type.
	RefersOnRow(target string) bool
	// URIsOnRow tells it of uris.
	URIsOnRow() bool
}
