package readapi

import (
	"slices"
	"strings"
	"sync"

	"binnacle/events"
	"binnacle/events/fhir/rest"
)

// tenantPath is what stands in front of a tenant's name: "/t/clinic/fhir/Patient".
const tenantPath = "/t/"

// tenantLabels is how many tenants are counted by name when any may come; all later ones are counted together.
const tenantLabels = 100

// otherTenants is the label of those; no tenant has it for a name.
const otherTenants = "(other)"

// tenants tells which tenants there are.
type tenants struct {
	listed []string // the tenant of requests that name none, and the configured ones
	any    bool     // and all others with a valid name
	seen   *labels
}

// labels are the names of unlisted tenants that are counted by name.
type labels struct {
	mu    sync.Mutex
	names map[string]struct{}
}

func newTenants(own string, others []string) (tenants, error) {
	t := tenants{listed: []string{own}, seen: &labels{names: make(map[string]struct{})}}
	for _, name := range others {
		if name == "*" {
			t.any = true
			continue
		}
		if err := events.CheckTenant(name); err != nil {
			return tenants{}, err
		}
		t.listed = append(t.listed, name)
	}
	return t, nil
}

// known tells whether a tenant is served.
func (t *tenants) known(name string) bool {
	return name == t.listed[0] || slices.Contains(t.listed, name) || t.any && events.CheckTenant(name) == nil
}

// label is a known tenant's name in metrics: there is a bounded number of them.
func (t *tenants) label(name string) string {
	if name == t.listed[0] || slices.Contains(t.listed, name) {
		return name
	}
	t.seen.mu.Lock()
	defer t.seen.mu.Unlock()
	if _, seen := t.seen.names[name]; seen {
		return name
	}
	if len(t.seen.names) >= tenantLabels {
		return otherTenants
	}
	t.seen.names[strings.Clone(name)] = struct{}{}
	return name
}

// tenancyOf takes the tenant off a path: "/t/clinic/fhir/Patient" is "/fhir/Patient" of clinic. A path that does not
// go on with the base names no tenant.
func tenancyOf(path, base string) (tenancy rest.Tenancy, behind string, named bool) {
	below, named := strings.CutPrefix(path, tenantPath)
	if !named {
		return rest.Tenancy{}, path, false
	}
	at := strings.IndexByte(below, '/')
	if at <= 0 {
		return rest.Tenancy{}, path, false
	}
	name, behind := below[:at], below[at:]
	if behind != base && !strings.HasPrefix(behind, base+"/") {
		return rest.Tenancy{}, path, false
	}
	return rest.Tenancy{Tenant: name, Prefix: tenantPath + name}, behind, true
}
