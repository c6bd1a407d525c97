package door

import (
	"net"
	"net/http"

	"binnacle/events/fhir/rest"
)

// body reads the body of a request, within the limit and the budget. release gives its share of the budget back, once or more often; it is
// never nil.
func (d *door) body(r *http.Request) (data []byte, release func(), err error) {
	held := &holding{budget: d.budget, who: addressOf(r), large: r.ContentLength > largeBody}
	if err := rest.CheckJSON(r.Header); err != nil {
		return nil, held.release, err
	}
	data, err = rest.Body(r, d.Limits.BodyBytes, func(n int64) error { return held.grow(r.Context(), n) })
	switch {
	case err != nil:
		return nil, held.release, err
	case len(data) == 0:
		return nil, held.release, invalid("the body is empty; send the resource as JSON")
	}
	held.keep(int64(len(data)))
	return data, held.release, nil
}

// addressOf is the address that a request's connection comes from: that of a proxy, when there is one.
func addressOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}
