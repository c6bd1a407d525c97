package pages

import (
	"errors"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/fhir/form"
)

// InXML makes contents XML before a bundle in XML begins. An error is a [rest.Refusal] with status 406: XML cannot hold
// one of them.
func InXML(versions []projections.Version, contents [][]byte) error {
	for i, content := range contents {
		if content == nil || form.Of(content) == form.InXML {
			continue
		}
		document, err := form.JSON(content)
		if err == nil {
			contents[i], err = form.XML(document)
		}
		if err != nil {
			named := events.Errorf(events.KindOf(err), "pages.InXML", "%s/%s: %s", versions[i].Type, versions[i].ID,
				events.TextOf(err))
			if of := (*events.Error)(nil); errors.As(err, &of) {
				named.Expression = of.Expression
			}
			return rest.Unshown(named)
		}
	}
	return nil
}
