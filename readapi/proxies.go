package readapi

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"binnacle/events"
)

// proxies are the addresses whose word on the client's side of a request is believed. From anybody else Forwarded and X-Forwarded-* would steer links, and which
// absolute references count as our own.
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
			return proxies{}, events.Errorf(events.Invalid, "readapi.New", "the trusted proxy %q is no address and no network; write it as 10.0.0.7 or 10.0.0.0/8", text)
		}
		p.networks = append(p.networks, network.Masked())
	}
	return p, nil
}

// forwarding are the headers by which a proxy tells of the client's side.
var forwarding = [...]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Proto"}

// believe takes the headers of proxies off a request that comes from somebody else, and says so once.
func (p *proxies) believe(r *http.Request) {
	for _, name := range forwarding {
		if len(r.Header[name]) == 0 {
			continue
		}
		if p.trusted(r.RemoteAddr) {
			return
		}
		for _, name := range forwarding {
			delete(r.Header, name)
		}
		p.told.Do(func() {
			p.log.Warn("headers of a proxy that is not trusted are ignored; if it is yours, name it with --trusted-proxies", "header", name, "from", r.RemoteAddr)
		})
		return
	}
}

func (p *proxies) trusted(remote string) bool {
	host := remote
	if at := strings.LastIndexByte(remote, ':'); at >= 0 {
		host = strings.Trim(remote[:at], "[]")
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	address = address.Unmap().WithZone("")
	for _, network := range p.networks {
		if network.Contains(address) {
			return true
		}
	}
	return false
}
