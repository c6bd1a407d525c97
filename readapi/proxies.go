package readapi

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"binnacle/events"
)

// proxies are the addresses whose word on the client's side of a request is believed. From anybody else Forwarded and
// X-Forwarded-* would steer links, and which absolute references count as our own.
type proxies struct {
	networks []netip.Prefix
	told     *sync.Once
	log      *slog.Logger
}

func newProxies(list []string, log *slog.Logger) (proxies, error) {
	p := proxies{told: new(sync.Once), log: log}
	for _, text := range list {
		network, err := netip.ParsePrefix(text)
		if address, failed := netip.ParseAddr(text); failed == nil {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return proxies{}, events.Errorf(events.Invalid, "readapi.New",
				"the trusted proxy %q is no address and no network; write it as 10.0.0.7 or 10.0.0.0/8", text)
		}
		p.networks = append(p.networks, network.Masked())
	}
	return p, nil
}

// forwarding are the headers by which a proxy tells of the client's side.
var forwarding = [...]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Prefix",
	"X-Forwarded-Proto"}

// believe leaves of the headers of proxies what trusted ones have written: of a list, where each proxy adds an
// element at its end, the last one, and one more to its left for each trusted proxy that the chain of addresses
// names. From somebody else none of them counts, which is said once.
func (p *proxies) believe(r *http.Request) {
	for _, name := range forwarding {
		if len(r.Header[name]) == 0 {
			continue
		}
		if p.trusted(r.RemoteAddr) {
			p.reduce(r.Header)
			return
		}
		for _, name := range forwarding {
			delete(r.Header, name)
		}
		p.told.Do(func() {
			p.log.Warn("headers of a proxy that is not trusted are ignored; if it is yours, name it with "+
				"--trusted-proxies", "header", name, "from", r.RemoteAddr)
		})
		return
	}
}

// reduce makes of each list of a trusted chain the one element that counts.
func (p *proxies) reduce(header http.Header) {
	if elements := listOf(header["Forwarded"]); len(elements) > 1 {
		from := make([]string, len(elements))
		for i, element := range elements {
			from[i] = forwardedFor(element)
		}
		header["Forwarded"] = []string{strings.Join(elements[max(0, len(elements)-p.hops(from)):], ", ")}
	}
	hops := p.hops(listOf(header["X-Forwarded-For"]))
	for _, name := range [...]string{"X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Proto"} {
		if list := listOf(header[name]); len(list) > 1 {
			header[name] = []string{list[max(0, len(list)-hops)]}
		}
	}
}

// hops is how many trusted proxies a request has come through: the one that it comes from, and further ones by the
// chain of addresses, which each of them has written down of the one before.
func (p *proxies) hops(chain []string) int {
	hops := 1
	for i := len(chain) - 1; i >= 0 && p.trusted(chain[i]); i-- {
		hops++
	}
	return hops
}

// listOf splits the lines of a header at their commas.
func listOf(lines []string) (list []string) {
	for _, line := range lines {
		for element := range strings.SplitSeq(line, ",") {
			list = append(list, strings.TrimSpace(element))
		}
	}
	return list
}

// forwardedFor is who an element of a Forwarded header (RFC 7239) says the request came from.
func forwardedFor(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		if name, value, _ := strings.Cut(pair, "="); strings.EqualFold(strings.TrimSpace(name), "for") {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

// trusted tells whether an address, with or without a port, is one that is believed.
func (p *proxies) trusted(remote string) bool {
	address, err := netip.ParseAddr(strings.Trim(remote, "[]"))
	if err != nil {
		at := strings.LastIndexByte(remote, ':')
		if at < 0 {
			return false
		}
		if address, err = netip.ParseAddr(strings.Trim(remote[:at], "[]")); err != nil {
			return false
		}
	}
	address = address.Unmap().WithZone("")
	for _, network := range p.networks {
		if network.Contains(address) {
			return true
		}
	}
	return false
}
