package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func newHealthcheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "healthcheck",
		Short:   "Ask a running server whether it is alive",
		Long:    "Ask the server on `listen` for /livez; exit 1 if it does not answer. Made for a container's HEALTHCHECK.",
		Example: "  ragproxy healthcheck --listen 127.0.0.1:8080",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd, nil, false)
			if err != nil {
				return err
			}
			return healthcheck(cmd, scheme(cfg), cfg.Listen)
		},
	}
	cmd.Flags().String("listen", "", "`ADDRESS` of the server (default 127.0.0.1:8080)")
	return cmd
}

// reachable is the address under which a server that listens on address is
// found from here: who listens everywhere listens on 127.0.0.1 too.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil { // the configuration was checked
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func healthcheck(cmd *cobra.Command, scheme, listen string) error {
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{
		// It is asked by an address that its certificate need not name, and told nothing.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, scheme+"://"+reachable(listen)+"/livez", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask server: %w: is `ragproxy serve` running there? --listen names another address", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask server: it answered %s", resp.Status)
	}
	return nil
}
