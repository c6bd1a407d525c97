package fhir

// JSONKind is the kind of a JSON value.
type JSONKind uint8

// The kinds of JSON values.
const (
	None JSONKind = iota // the zero Node: nothing is there
	Null
	Bool
	Number
	String
	Array
	Object
)
