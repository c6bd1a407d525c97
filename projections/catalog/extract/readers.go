package extract

import (
	"strings"

	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog/literal"
)

// reader makes the terms of one value. Its JSON kind has been checked.
type reader func(w *walk, o *output, v fhir.Node)

// readerOf returns how a kind of parameter reads a datatype; nil when it has no use for it (FHIR R4, section 3.1.1.5: a
// date parameter passes over a choice's string, say).
func readerOf(kind projections.Kind, datatype string) reader {
	switch kind {
	case projections.Token:
		switch datatype {
		case "CodeableConcept":
			return readCodeableConcept
		case "Coding":
			return readCoding
		case "Identifier":
			return readIdentifier
		case "ContactPoint":
			return readContactPoint
		case "string", "markdown":
			return readCaselessText
		case "boolean", "code", "id", "uri", "url", "canonical", "oid", "uuid", "integer", "positiveInt", "unsignedInt",
			"date":
			return readTokenText
		}
	case projections.Reference:
		switch datatype {
		case "Reference":
			return readReference
		case "canonical", "uri", "url":
			return readCanonical
		case "Resource":
			return readResource
		}
	case projections.String:
		switch datatype {
		case "string", "markdown", "code", "id", "uri", "url":
			return readString
		case "HumanName":
			return readHumanName
		case "Address":
			return readAddress
		}
	case projections.URI:
		switch datatype {
		case "uri", "url", "canonical", "oid", "uuid":
			return readURI
		}
	case projections.Date:
		switch datatype {
		case "date", "dateTime", "instant":
			return func(w *walk, o *output, v fhir.Node) {
				if m, ok := w.moment(v, datatype); ok {
					w.date(o, m.Start, m.End)
				}
			}
		case "Period":
			return readPeriod
		case "Timing":
			return readTiming
		}
	case projections.Number:
		switch datatype {
		case "integer", "decimal", "positiveInt", "unsignedInt":
			return readNumber
		case "Range":
			return readNumberRange
		}
	case projections.Quantity:
		switch datatype {
		case "Quantity", "Age", "Count", "Distance", "Duration":
			return readQuantity
		case "Money":
			return readMoney
		case "Range":
			return readRange
		}
	}
	return nil
}

// readCodeableConcept makes a term of each coding that has a code or a system. A concept with nothing but text is a
// term without a code, which no token finds.
func readCodeableConcept(w *walk, o *output, v fhir.Node) {
	text := w.text(v, "text")
	before := len(w.terms)
	w.items(v, "coding", fhir.Object, func(coding fhir.Node) {
		if display := w.coding(o, coding, text); text == "" {
			text = display
		}
	})
	if len(w.terms) == before && text != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.Token, Text: text})
	}
}

func readCoding(w *walk, o *output, v fhir.Node) {
	before := len(w.terms)
	if display := w.coding(o, v, ""); len(w.terms) == before && display != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.Token, Text: display})
	}
}

// coding makes the term of a Coding that has a code or a system. It returns the display, or text when there is none.
func (w *walk) coding(o *output, v fhir.Node, text string) (display string) {
	t := projections.Term{Param: o.param, Kind: projections.Token, System: w.text(v, "system"), Code: w.text(v, "code")}
	if t.Text = w.text(v, "display"); t.Text == "" {
		t.Text = text
	}
	if t.Code != "" || t.System != "" {
		w.add(t)
	}
	return t.Text
}

func readIdentifier(w *walk, o *output, v fhir.Node) {
	t := projections.Term{Param: o.param, Kind: projections.Token, System: w.text(v, "system"),
		Code: w.text(v, "value")}
	if t.Code != "" || t.System != "" {
		w.add(t)
	}
}

// IsCaseless tells whether the case of a datatype's tokens doesn't count (FHIR R4, section 3.1.1.4.10): they are texts,
// not codes.
func IsCaseless(datatype string) bool {
	return datatype == "string" || datatype == "markdown" || datatype == "ContactPoint"
}

// readContactPoint makes a term without a system: ContactPoint.system ("phone") is no namespace of the value.
func readContactPoint(w *walk, o *output, v fhir.Node) {
	if value := w.text(v, "value"); value != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.Token, Code: projections.FoldCase(value)})
	}
}

func readCaselessText(w *walk, o *output, v fhir.Node) {
	if text := v.Text(); text != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.Token, Code: projections.FoldCase(text)})
	}
}

func readTokenText(w *walk, o *output, v fhir.Node) {
	if text := v.Text(); text != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.Token, Code: text})
	}
}

// readCondition makes the term true or false of an expression that gives a boolean.
func readCondition(w *walk, o *output, v fhir.Node) {
	switch o.condition(w, v) {
	case yes:
		w.add(projections.Term{Param: o.param, Kind: projections.Token, Code: "true"})
	case no:
		w.add(projections.Term{Param: o.param, Kind: projections.Token, Code: "false"})
	}
}

func readString(w *walk, o *output, v fhir.Node) { w.string(o, v.Text()) }

func (w *walk) string(o *output, text string) {
	if text != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.String, Text: text})
	}
}

// readHumanName makes a term of each part and of the text.
func readHumanName(w *walk, o *output, v fhir.Node) {
	w.string(o, w.text(v, "text"))
	w.string(o, w.text(v, "family"))
	part := func(item fhir.Node) { w.string(o, item.Text()) }
	for _, key := range [...]string{"given", "prefix", "suffix"} {
		w.items(v, key, fhir.String, part)
	}
}

// readAddress makes a term of each part and of the text.
func readAddress(w *walk, o *output, v fhir.Node) {
	w.string(o, w.text(v, "text"))
	w.items(v, "line", fhir.String, func(item fhir.Node) { w.string(o, item.Text()) })
	for _, key := range [...]string{"city", "district", "state", "postalCode", "country"} {
		w.string(o, w.text(v, key))
	}
}

// readOwnURL makes terms of a resource's own canonical URL: of the URL, and of the URL with the version that the
// resource has.
func readOwnURL(w *walk, o *output, v fhir.Node) {
	readURI(w, o, v)
	if url, version := v.Text(), w.text(w.root, "version"); url != "" && version != "" && !strings.Contains(url, "|") {
		w.add(projections.Term{Param: o.param, Kind: projections.URI, Text: url + "|" + version})
	}
}

// readURI makes a term of the text as it stands, and one of a canonical without its version: who asks for
// "http://x/StructureDefinition/y" means every version of it.
func readURI(w *walk, o *output, v fhir.Node) {
	text := v.Text()
	if text == "" {
		return
	}
	w.add(projections.Term{Param: o.param, Kind: projections.URI, Text: text})
	if url, _, found := strings.Cut(text, "|"); found && url != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.URI, Text: url})
	}
}

// reference makes the term of a literal reference. A reference to what is contained makes none: it leads nowhere
// outside, and chains alone follow it.
func (w *walk) reference(o *output, text string) {
	if text == "" || text[0] == '#' {
		return
	}
	t := projections.Term{Param: o.param, Kind: projections.Reference, Code: text}
	if r := literal.ParseReference(text); r.Relative && r.ID != "" {
		t.System, t.Code = r.Type, r.ID
	} else if !r.Relative && r.Version != "" {
		t.Code, _, _ = strings.Cut(text, "/_history/")
	}
	w.add(t)
}

// readReference makes a term of the literal reference, and one of the identifier.
func readReference(w *walk, o *output, v fhir.Node) {
	text := w.text(v, "reference")
	if id, inside := strings.CutPrefix(text, "#"); inside && id != "" && o.param != "" {
		w.links = append(w.links, link{o.param, id})
	}
	w.reference(o, text)
	identifier := w.object(v, "identifier")
	if system, value := w.text(identifier, "system"), w.text(identifier, "value"); system != "" || value != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.Reference, Identifier: true, System: system,
			Code: value})
	}
}

// readCanonical makes a term of a canonical: the URL and, as its System, the version.
func readCanonical(w *walk, o *output, v fhir.Node) {
	text := v.Text()
	if url, version, found := strings.Cut(text, "|"); found && url != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.Reference, Code: url, System: version})
		return
	}
	w.reference(o, text)
}

// readResource makes a term of a resource that stands inside a Bundle, as a reference to it would.
func readResource(w *walk, o *output, v fhir.Node) {
	if typ, id := w.text(v, "resourceType"), w.text(v, "id"); typ != "" && id != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.Reference, System: typ, Code: id})
	}
}
