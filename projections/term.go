package projections

// Kind is the kind of a search parameter and of the terms it gives (FHIR R4 search, 3.1.1.5).
type Kind uint8

// The kinds.
const (
	Token Kind = 1 + iota
	Reference
	String
	Date
	Number
	Quantity
	URI
	Composite
	Special
)

func (k Kind) String() string {
	names := [...]string{"", "token", "reference", "string", "date", "number", "quantity", "uri", "composite",
		"special"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown kind"
}

// Term is one searchable fact of one version. Which fields count depends on the kind:
//
//	Token      System, Code          System "" = no system, Code "" = no code; Text is the display or text, for :text
//	Reference  System, Code          a relative reference: System = target type, Code = id;
//	                                 any other: System = "", Code = the whole URL;
//	                                 canonical with version: Code = URL, System = version
//	String     Text                  as it stands in the document
//	URI        Text                  as it stands in the document
//	Date       Start, End            [Start, End) in microseconds since 1970-01-01T00:00:00Z;
//	                                 MinTime and MaxTime are open ends
//	Number     Low, High             Low <= High; a single value has both equal; infinities are open ends
//	Quantity   Low, High, System, Code, Text   System and Code of the unit, Text = the printed unit
//	Composite  Parts                 one term per component
//	Special    none                  the version has the parameter's element, and the element gives no value:
//	                                 only :missing sees it
type Term struct {
	// the parameter's code, of contained resources behind their name (see [Inside]); "" inside Parts
	Param      string
	Kind       Kind
	Identifier bool // Reference: this is Reference.identifier (System, Code as of a token), found by :identifier only
	// the version has the same term of another parameter, too, of one that Clause.Shares names: an index need not keep
	// it
	Shared       bool
	System, Code string
	Text         string
	Start, End   int64
	Low, High    float64
	Parts        []Term
}

// Open ends of a date range, microseconds since 1970. MinTime is also the main date of a version that has none.
const (
	MinTime int64 = -1 << 60
	MaxTime int64 = 1 << 60
)
