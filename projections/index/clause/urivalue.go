package clause

import (
	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
)

// uriValue adds to an access what answers a uri with its modifier.
func (x *Resolver) uriValue(param int64, modifier projections.Modifier, uri string, a *Access) error {
	dictionary := x.Of(param, keys.RoleText)
	whole := func(uri string) {
		if len(uri) > projections.OrderBytes {
			a.Texts = append(a.Texts, TextScan{Key: dictionary, Form: textIs, Text: uri})
		} else {
			a.AddKeyOn(x.Value(param, keys.RoleText, "", uri), x.URIsOnRow())
		}
	}
	switch modifier {
	case projections.Below:
		below := projections.BelowURI(uri)
		if below != uri {
			whole(uri)
		}
		a.Texts = append(a.Texts, TextScan{Key: dictionary, Form: TextBegins, Text: below})
		if len(below) <= projections.OrderBytes {
			a.addWide(wideCode{dictionary: dictionary, begins: below, onRow: x.URIsOnRow()})
		}
	case projections.Above:
		whole(uri)
		separator := byte('/')
		for i := range len(uri) {
			if uri[i] == '|' { // versions, see projections.BelowURI
				separator = '.'
			}
			if uri[i] != separator {
				continue
			}
			whole(uri[:i])
			if i+1 < len(uri) {
				whole(uri[:i+1])
			}
			if len(a.Texts)+len(a.Keys)+len(a.OnRow) > maxSegments {
				return events.Errorf(events.TooCostly, searching,
					"the uri has too many segments for :above; give one with fewer than %d", maxSegments/2)
			}
		}
	default:
		whole(uri)
	}
	return nil
}

// maxSegments is how many uris one value with :above stands for.
const maxSegments = 100
