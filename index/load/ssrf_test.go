package load

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// recorder stands for the network: it asks the guard as a net.Dialer does, for
// every address of a name, and writes down what would be dialed. It dials
// nothing but home, which is a test server on the loopback interface.
type recorder struct {
	guard  *guard
	names  map[string][]string // what a resolver answers
	home   string
	mu     sync.Mutex
	dialed []string
}

var errRecorded = errors.New("recorded, not dialed")

func (r *recorder) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses := r.names[host]
	if _, err := netip.ParseAddr(host); err == nil {
		addresses = []string{host}
	}
	err = errors.New("no such host")
	for _, a := range addresses {
		to, family := net.JoinHostPort(a, port), "tcp4"
		if strings.Contains(a, ":") {
			family = "tcp6"
		}
		if err = r.guard.control(family, to, nil); err != nil {
			continue
		}
		if to == r.home {
			return (&net.Dialer{}).DialContext(ctx, network, r.home)
		}
		r.mu.Lock()
		r.dialed = append(r.dialed, to)
		r.mu.Unlock()
		return nil, errRecorded
	}
	return nil, err
}

// newRecorded opens a URL whose network is a recorder.
func newRecorded(t *testing.T, source string, opts Options) (*web, *recorder, error) {
	t.Helper()
	w, err := newWeb(source, opts.withDefaults())
	if err != nil {
		return nil, nil, err
	}
	g, err := newGuard(opts.AllowPrivate, opts.AllowAddresses)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{guard: g, names: map[string][]string{}}
	w.fetch.dial = r.dial
	return w, r, nil
}

// refusedAddresses are the addresses that a page must never be able to reach.
func refusedAddresses() map[string]string {
	return map[string]string{
		"loopback": "127.0.0.1", "loopback, another": "127.8.9.10", "loopback, the last": "127.255.255.254", "loopback of IPv6": "::1",
		"unspecified": "0.0.0.0", "this network": "0.1.2.3", "unspecified of IPv6": "::",
		"private 10": "10.0.0.1", "private 10, the last": "10.255.255.255", "private 172.16": "172.16.0.1", "private 172.31": "172.31.255.254", "private 192.168": "192.168.0.1",
		"carriers' NAT": "100.64.0.1", "carriers' NAT, the last": "100.127.255.254", "metadata of Alibaba": "100.100.100.200",
		"link-local": "169.254.1.1", "metadata of most clouds": "169.254.169.254", "metadata of containers": "169.254.170.2", "metadata of Azure": "168.63.129.16", "metadata of Oracle": "192.0.0.192",
		"protocol assignments": "192.0.0.1", "documentation 1": "192.0.2.1", "documentation 2": "198.51.100.1", "documentation 3": "203.0.113.1",
		"6to4 relays": "192.88.99.1", "benchmarks": "198.18.0.1", "benchmarks, the last": "198.19.255.254",
		"multicast": "224.0.0.1", "multicast, the last": "239.255.255.255", "reserved": "240.0.0.1", "broadcast": "255.255.255.255",
		"link-local of IPv6": "fe80::1", "link-local with a zone": "fe80::1%eth0", "link-local with a numbered zone": "fe80::1%1", "site-local": "fec0::1",
		"unique local fc": "fc00::1", "unique local fd": "fd12:3456:789a::1", "metadata of AWS over IPv6": "fd00:ec2::254", "metadata of Google over IPv6": "fd20:ce::254",
		"multicast of IPv6": "ff02::1", "multicast of IPv6, global": "ff0e::1", "documentation of IPv6": "2001:db8::1", "documentation of IPv6, new": "3fff::1", "discard": "100::1",
		"mapped loopback": "::ffff:127.0.0.1", "mapped private": "::ffff:10.0.0.1", "mapped metadata": "::ffff:169.254.169.254", "mapped metadata in hex": "::ffff:a9fe:a9fe", "mapped Azure": "::ffff:168.63.129.16", "mapped unspecified": "::ffff:0.0.0.0",
		"compatible loopback": "::127.0.0.1", "compatible metadata": "::169.254.169.254", "translated (SIIT) loopback": "::ffff:0:127.0.0.1",
		"NAT64 loopback": "64:ff9b::7f00:1", "NAT64 private": "64:ff9b::10.0.0.1", "NAT64 metadata": "64:ff9b::169.254.169.254", "NAT64 Azure": "64:ff9b::168.63.129.16", "NAT64, local use": "64:ff9b:1::7f00:1", "NAT64, local use, metadata": "64:ff9b:1:a9fe:a9:fe00::",
		"6to4 loopback": "2002:7f00:1::", "6to4 private": "2002:a00:1::1", "6to4 metadata": "2002:a9fe:a9fe::1", "Teredo": "2001::1", "Teredo of a private client": "2001:0:53aa:64c:0:0:f5ff:fffe", "ORCHID": "2001:10::1", "ORCHIDv2": "2001:20::1",
		"ISATAP private": "fe80::5efe:10.0.0.1", "segment routing": "5f00::1",
	}
}

func TestRefusedAddresses(t *testing.T) {
	all := refusedAddresses()
	if len(all) < 60 {
		t.Errorf("got %d addresses, want 60", len(all))
	}
	for name, address := range all {
		literal := address
		if strings.Contains(address, ":") {
			literal = "[" + strings.ReplaceAll(address, "%", "%25") + "]"
		}
		for how, source := range map[string]string{"by its number": "http://" + literal + "/", "by https": "https://" + literal + ":8443/x", "by a name": "http://rebound.example.com/"} {
			w, r, err := newRecorded(t, source, Options{})
			if err != nil {
				t.Errorf("%s, %s: got error %v", name, how, err)
				continue
			}
			r.names["rebound.example.com"] = []string{address}
			docs, failures := results(w.Load(t.Context()))
			if len(r.dialed) > 0 || len(docs) > 0 || len(failures) != 1 || !strings.Contains(failures[0], "not a public address") {
				t.Errorf("%s (%s), %s: dialed %q, got %q, want it refused", name, address, how, r.dialed, failures)
			}
		}
	}
}

// What is public is dialed: the table above is not refused for nothing.
func TestPublicAddresses(t *testing.T) {
	for _, address := range []string{"93.184.215.14", "1.1.1.1", "172.32.0.1", "100.128.0.1", "192.169.0.1", "198.20.0.1", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"} {
		w, r, err := newRecorded(t, "http://public.example.com/", Options{})
		if err != nil {
			t.Fatal(err)
		}
		r.names["public.example.com"] = []string{address}
		if _, failures := results(w.Load(t.Context())); len(r.dialed) != 1 {
			t.Errorf("%s: dialed %q, got %q, want it dialed", address, r.dialed, failures)
		}
	}
}

// A name may have a public and a private address, in any order.
func TestMixedNames(t *testing.T) {
	w, r, err := newRecorded(t, "http://mixed.example.com/", Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.names["mixed.example.com"] = []string{"10.0.0.1", "::1", "93.184.215.14", "169.254.169.254"}
	results(w.Load(t.Context()))
	if len(r.dialed) != 1 || r.dialed[0] != "93.184.215.14:80" {
		t.Errorf("dialed %q, want the public address only", r.dialed)
	}
}

// A redirect leads to every address, to names for them, and to other schemes.
func TestRefusedRedirects(t *testing.T) {
	target := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusFound)
	}))
	defer server.Close()
	home := strings.TrimPrefix(server.URL, "http://")
	targets := map[string]string{
		"decimal": "http://2130706433/", "hexadecimal": "http://0x7f000001/", "octal": "http://0177.0.0.1/", "short": "http://127.1/", "hexadecimal parts": "http://0x7f.0x0.0x0.0x1/",
		"metadata in decimal": "http://2852039166/", "metadata in octal": "http://0251.0376.0251.0376/", "a trailing dot": "http://127.0.0.1./", "too many digits": "http://127.0.0.0001/",
		"file": "file:///etc/passwd", "gopher": "gopher://127.0.0.1/", "ftp": "ftp://127.0.0.1/", "unix": "unix:///run/docker.sock", "data": "data:text/plain,x", "javascript": "javascript:alert(1)",
		"no host": "http:///x", "credentials": "http://public.example.com@127.0.0.1/", "without a scheme": "//127.0.0.1:1/", "a name for it": "http://localhost:1/", "full-width digits": "http://１２７.０.０.１/",
	}
	for name, address := range refusedAddresses() {
		if strings.Contains(address, ":") {
			address = "[" + strings.ReplaceAll(address, "%", "%25") + "]"
		}
		targets[name] = "http://" + address + ":1/"
	}
	for name, to := range targets {
		target = to
		w, r, err := newRecorded(t, server.URL, Options{AllowAddresses: []string{home}})
		if err != nil {
			t.Fatal(err)
		}
		r.home = home
		r.names["localhost"] = []string{"::1", "127.0.0.1"}
		for _, libc := range []string{"2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.0x0.0x0.0x1", "127.0.0.1.", "127.0.0.0001"} {
			r.names[libc] = []string{"127.0.0.1"} // as the C library's resolver has it
		}
		r.names["2852039166"], r.names["0251.0376.0251.0376"] = []string{"169.254.169.254"}, []string{"169.254.169.254"}
		if docs, failures := results(w.Load(t.Context())); len(r.dialed) > 0 || len(docs) > 0 || len(failures) != 1 {
			t.Errorf("%s (%s): dialed %q, got %v and %q, want an error", name, to, r.dialed, docs, failures)
		}
	}
}

// The same hosts and schemes are refused where the user gives them.
func TestRefusedSources(t *testing.T) {
	for _, source := range []string{
		"http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://127.0.0.1./x", "http://1.2.3.4.5/", "http://a.0x7f/", "http:///x", "file:///etc/passwd", "gopher://127.0.0.1/",
	} {
		if _, err := Open(source, Options{}); err == nil {
			t.Errorf("%s: got no error", source)
		}
	}
}

func mustParse(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
