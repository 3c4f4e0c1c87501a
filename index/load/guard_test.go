package load

import (
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	const both, listed = "set load.allow_private, or add it to load.allow_addresses", "add it to load.allow_addresses (load.allow_private does not cover it)"
	for _, test := range []struct {
		network, address string
		closed, private  string // part of the refusal without and with AllowPrivate; "" is let through
	}{
		{"tcp4", "93.184.215.14:80", "", ""},
		{"tcp4", "93.184.215.14:8443", "", ""},
		{"tcp6", "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:443", "", ""},
		{"tcp4", "127.0.0.1:80", both, ""},
		{"tcp4", "127.8.9.10:80", both, ""},
		{"tcp4", "10.1.2.3:80", both, ""},
		{"tcp4", "172.16.0.1:80", both, ""},
		{"tcp4", "192.168.1.1:80", both, ""},
		{"tcp6", "[::1]:80", both, ""},
		{"tcp6", "[fd00::1]:80", both, ""},
		{"tcp6", "[::ffff:10.0.0.1]:80", both, ""},
		{"tcp4", "169.254.169.254:80", listed, listed}, // metadata of most clouds
		{"tcp4", "168.63.129.16:80", listed, listed},   // of Azure
		{"tcp4", "100.100.100.200:80", listed, listed}, // of Alibaba, in the carriers' range
		{"tcp6", "[fe80::1%eth0]:80", listed, listed},
		{"tcp6", "[fd00:ec2::254]:80", both, ""},
		{"tcp6", "[64:ff9b::7f00:1]:80", listed, listed},
		{"tcp6", "[2002:7f00:1::]:80", listed, listed},
		{"tcp4", "0.0.0.0:80", listed, listed},
		{"tcp6", "[::]:80", listed, listed},
		{"tcp4", "224.0.0.1:80", listed, listed},
		{"tcp4", "255.255.255.255:80", listed, listed},
		{"tcp4", "localhost:80", "parse address", "parse address"},
	} {
		for private, want := range map[bool]string{false: test.closed, true: test.private} {
			g, err := newGuard(private, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = g.control(test.network, test.address, nil)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s, private=%v: got %v, want %q", test.address, private, err, want)
			}
		}
	}
}

func TestGuardAllowAddresses(t *testing.T) {
	g, err := newGuard(false, []string{"127.0.0.1:9000", "[::1]:80", "169.254.169.254:80", "[::ffff:10.0.0.1]:81"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"127.0.0.1:9000": true, "127.0.0.1:9001": false, "127.0.0.2:9000": false, "[::1]:80": true,
		"169.254.169.254:80": true, "10.0.0.1:81": true, "[::ffff:127.0.0.1]:9000": true,
	} {
		network := "tcp4"
		if strings.HasPrefix(address, "[") {
			network = "tcp6"
		}
		if err := g.control(network, address, nil); (err == nil) != want {
			t.Errorf("%s: got %v, want allowed=%v", address, err, want)
		}
	}
	for _, bad := range []string{"localhost:80", "127.0.0.1", "127.0.0.1:99999", ""} {
		if _, err := newGuard(false, []string{bad}); err == nil || !strings.Contains(err.Error(), "load.allow_addresses") {
			t.Errorf("%q: got %v, want an error naming the key", bad, err)
		}
	}
}
