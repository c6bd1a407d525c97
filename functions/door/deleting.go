package door

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
)

// Deletes say what deletes may take. It travels in their events: what becomes of an event does not depend on what nodes
// allow later, or elsewhere.
type Deletes struct {
	Many    int  // resources that a conditional delete may take; 0: one, and more matches are refused with 412
	All     bool // a delete of a type without criteria takes all of it, within Many
	Cascade int  // further resources that may go because they refer to what goes (_cascade=delete); 0: none
}

// delete answers DELETE [base]/Type/id (FHIR R4, http.html#delete) and, without an id, the conditional form DELETE
// [base]/Type?query (http.html#3.1.0.7.1).
func (d *door) delete(rw http.ResponseWriter, r *http.Request) error {
	change := events.Change{Operation: events.Delete, Type: d.ask.Type, ID: d.ask.ID, Entry: -1}
	err := rest.HeaderPreconditions(&change, r.Header)
	if err == nil {
		err = d.deletion(&change, d.ask.Query, r.URL.ForceQuery || strings.HasSuffix(r.URL.Path, "/"))
	}
	if err != nil {
		return err
	}
	return d.single(rw, r, change, nil)
}

// deletion reads the query of a delete whose preconditions are read. empty: there is a question mark, or a slash, with
// nothing behind it. Who writes so, or an ampersand, may have meant a search or an id, so it is never all of a type.
func (d *door) deletion(change *events.Change, query string, empty bool) error {
	empty = empty || query != "" && slices.Contains(strings.Split(query, "&"), "")
	query, cascade, err := d.cascade(query)
	if err != nil {
		return err
	}
	if cascade {
		change.Cascade = d.Deletes.Cascade
	}
	if change.ID != "" {
		if err := fhir.CheckID(change.ID); err != nil {
			return err
		}
		return onlyResultParameters(query, hintWithID(change))
	}
	ofOne := change.IfMatch != 0 || change.IfNoneMatch // a version is one of one resource: the criteria are to select one
	if !ofOne {
		change.Many = d.Deletes.Many
	}
	if query != "" || empty || ofOne || !d.Deletes.All {
		change.Condition, err = d.condition(change.Type, query)
		if err != nil && query == "" && !d.Deletes.All {
			err = invalid("%s; a delete of all of a type is off here (--delete-all)", events.TextOf(err))
		}
	}
	return err
}

// cascade takes _cascade out of the query of a delete, and tells what it asks for; without it the header X-Cascade
// counts.
func (d *door) cascade(query string) (others string, cascade bool, err error) {
	var kept, wishes []string
	for part := range strings.SplitSeq(query, "&") {
		name, value := parameterOf(part)
		if name != rest.ParamCascade {
			kept = append(kept, part)
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return "", false, invalid("%s: %.60q is not escaped right", rest.ParamCascade, value)
		}
		wishes = append(wishes, value)
	}
	from := rest.ParamCascade
	if len(wishes) == 0 {
		from, wishes = rest.HeaderCascade, d.header.Values(rest.HeaderCascade)
	}
	for n, wish := range wishes {
		wanted, err := cascading(from, wish)
		if err != nil {
			return "", false, err
		}
		if n > 0 && wanted != cascade {
			return "", false, invalid("%s says both delete and none", from)
		}
		cascade = wanted
	}
	if cascade && d.Deletes.Cascade == 0 {
		return "", false, events.Errorf(events.Unsupported, "door.Door", "deletes that cascade are off here (--cascade); "+
			"leave %s out, and delete what refers to the resource before it, or in the same transaction", from)
	}
	return strings.Join(kept, "&"), cascade, nil
}

// cascading reads a value of _cascade or X-Cascade. Bounds of another kind than this server's are refused: passed over,
// more would go than was meant.
func cascading(from, wish string) (bool, error) {
	value, params, err := mime.ParseMediaType(wish)
	switch {
	case err != nil || value != "delete" && value != "none":
		return false, invalid("%s: %.60q is not known; delete is, and none", from, wish)
	case len(params) > 0:
		return false, invalid("%s: %.60q has a bound that is not offered; how many resources may go with one delete is "+
			"bounded by --cascade", from, wish)
	}
	return value == "delete", nil
}

// refusal is the error of a change that was refused. Who may not delete something because it is referred to is told
// what they may do.
func (d *door) refusal(no *events.Refusal, change events.Change) error {
	err := no.Err("door.Door")
	if no.Kind != events.Conflict || change.Operation != events.Delete || change.Cascade > 0 {
		return err
	}
	if d.Deletes.Cascade > 0 {
		err.Text += "; with " + rest.ParamCascade + "=delete it goes, too"
	} else {
		err.Text += "; deletes that cascade are off here (--cascade)"
	}
	return err
}

// answerDelete answers an accepted delete: with a list, when more went than the resource that was named.
func (d *door) answerDelete(rw http.ResponseWriter, result events.Result) {
	if d.tells(result) {
		d.write(rw, http.StatusOK, doneOutcome(result))
		return
	}
	bare(rw, http.StatusNoContent)
}

// tells tells whether the answer to a change lists what it deleted, or is asked to say what became of it.
func (d *door) tells(result events.Result) bool {
	return d.ask.Prefer.Return == rest.Outcome || len(result.Removed) > 0 && d.ask.Prefer.Return != rest.Minimal
}

// doneOutcome is the OperationOutcome of an accepted change, with all that a delete took and what else is to be told.
func doneOutcome(result events.Result, more ...fhir.Issue) []byte {
	text := nameOf(result.Type, result.ID) + ": " + result.Disposition.String()
	if result.Version > 0 {
		text += ", version " + strconv.FormatInt(result.Version, 10)
	}
	issues := make([]fhir.Issue, 1, 1+len(result.Removed))
	switch count := strconv.Itoa(len(result.Removed)); {
	case len(result.Removed) == 0:
	case result.ID == "":
		text += ", " + count + " in all"
		if others := ofOthers(result); others > 0 { // only a cascade takes them
			text += "; " + strconv.Itoa(others) + " of them of other types, because of what they referred to"
		}
	default:
		text += "; " + count + " more went with it, because of what they referred to"
	}
	issues[0] = done(text)
	for _, removed := range result.Removed {
		issues = append(issues, done(nameOf(removed.Type, removed.ID)+": deleted, version "+
			strconv.FormatInt(removed.Version, 10)))
	}
	return fhir.OperationOutcome(append(issues, more...)...)
}

// ofOthers counts what a delete took beside resources of its own type.
func ofOthers(result events.Result) (count int) {
	for _, removed := range result.Removed {
		if removed.Type != result.Type {
			count++
		}
	}
	return count
}

func nameOf(typ, id string) string {
	if id == "" {
		return typ
	}
	return typ + "/" + id
}

// done is what an outcome tells of something that was done.
func done(text string) fhir.Issue {
	return fhir.Issue{Severity: fhir.SeverityInformation, Code: "informational", Diagnostics: text}
}

// deletedAgain is how often the deletes of a batch are tried again that were refused because of references, while
// others of them are done.
const deletedAgain = 8

// heldUp are those deletes of a turn that were refused by a conflict, when others of it have deleted something: it may
// be what referred to theirs. Without this it would be chance which of them come to the log first; so all that can be
// deleted is, in whatever order the bundle has them. nil: there are none.
func heldUp(turn [][]*part) (again [][]*part) {
	done := false
	for _, chain := range turn {
		var held []*part
		for _, p := range chain {
			if p.change.Operation != events.Delete {
				return nil
			}
			switch {
			case p.answer.err == nil && p.answer.result != nil:
				done = done || p.answer.result.Disposition == events.Deleted
			case p.answer.refused && events.KindOf(p.answer.err) == events.Conflict:
				held = append(held, p)
			}
		}
		if len(held) > 0 {
			again = append(again, held)
		}
	}
	if !done {
		return nil
	}
	return again
}
