package load

import (
	"fmt"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

// guard refuses connections to addresses that are not public, after the name
// was resolved and for every redirect: it is a net.Dialer's Control.
type guard struct {
	public  *ssrf.Guardian
	private bool // loopback and private addresses are allowed
	allowed map[netip.AddrPort]bool
}

func newGuard(private bool, addresses []string) (*guard, error) {
	g := &guard{
		public: ssrf.New(ssrf.WithAnyPort(),
			// Azure's platform address: public by its number, metadata by what it serves.
			ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32"))),
		private: private,
		allowed: map[netip.AddrPort]bool{},
	}
	for _, a := range addresses {
		address, err := netip.ParseAddrPort(a)
		if err != nil {
			return nil, fmt.Errorf("load.allow_addresses: %q is not ip:port, such as 10.0.0.5:8080 or [::1]:80", a)
		}
		g.allowed[plain(address)] = true
	}
	return g, nil
}

// control has the signature of net.Dialer.Control; address is resolved.
func (g *guard) control(network, address string, c syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("parse address: %w", err)
	}
	to = plain(to)
	ip := to.Addr()
	private := ip.IsLoopback() || ip.IsPrivate()
	if g.allowed[to] || g.private && private {
		return nil
	}
	// The plain form: a mapped IPv4 address is judged as what it reaches.
	if err := g.public.Safe(network, to.String(), c); err != nil {
		if private {
			return fmt.Errorf("refused %s, which is not a public address: set load.allow_private, or add it to load.allow_addresses: %w", to, err)
		}
		return fmt.Errorf("refused %s, which is not a public address: add it to load.allow_addresses (load.allow_private does not cover it): %w", to, err)
	}
	return nil
}

// plain takes the IPv6 clothes off an IPv4 address.
func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
