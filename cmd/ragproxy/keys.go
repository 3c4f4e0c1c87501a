package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/proxy/access"
)

func newKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke the keys of clients",
		Long: `Clients send a key as they would send OpenAI's. Once there is one, every request
needs one. A running server takes changes within seconds. The file (auth.file)
holds only hashes of the keys.`,
		Example: `  ragproxy keys add alice --collections docs,wiki --rpm 60 --expires 90d
  ragproxy keys list
  ragproxy keys revoke alice`,
		Args: onlyCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newKeysAdd(), newKeysList(), newKeysRevoke())
	return cmd
}

func newKeysAdd() *cobra.Command {
	var key access.Key
	var collections, expires, filter string
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a key and print it, this once, as the last word",
		Example: `  ragproxy keys add alice
  ragproxy keys add editor --collections docs --write
  ragproxy keys add ci --collections docs --rpm 60 --tpm 100000 --expires 90d
  ragproxy keys add guest --filter '{"public": true}'`,
		Args: oneText("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			key.Name = args[0]
			given := cmd.Flags().Changed // an empty value must not mean "everything"
			if given("collections") {
				if key.Collections = splitNames(collections); len(key.Collections) == 0 {
					return usagef("--collections needs at least one name; leave it out to allow all")
				}
			}
			if given("filter") {
				if err := readFilter(filter, &key.Filter); err != nil {
					return err
				}
			}
			if key.Write && given("filter") {
				return usagef("--write and --filter exclude each other: the key could change what it may not see")
			}
			if given("expires") {
				at, err := expiry(expires, time.Now())
				if err != nil {
					return err
				}
				key.Expires = at
			}
			return addKey(cmd, key)
		},
	}
	cmd.Flags().StringVar(&collections, "collections", "", "`NAMES` that the key may search, separated by commas (default all)")
	cmd.Flags().StringVar(&filter, "filter", "", "`JSON` that every search of the key is held to, in the form of rag.filters")
	cmd.Flags().BoolVar(&key.Write, "write", false, "the key may also index and delete documents, of the collections that it may search")
	cmd.Flags().StringVar(&expires, "expires", "", "`WHEN`: 90d, 12h or a day, 2030-12-31 (default never)")
	cmd.Flags().IntVar(&key.RPM, "rpm", 0, "requests a minute (default limits.requests_per_minute)")
	cmd.Flags().IntVar(&key.TPM, "tpm", 0, "tokens a minute (default limits.tokens_per_minute)")
	cmd.Flags().IntVar(&key.Concurrency, "concurrency", 0, "requests at a time (default limits.concurrency_per_key)")
	return cmd
}

func addKey(cmd *cobra.Command, key access.Key) error {
	file, err := keysFile(cmd)
	if err != nil {
		return err
	}
	secret, err := file.Add(key)
	if err != nil {
		return fmt.Errorf("add key: %w", err)
	}
	may := "use"
	if key.Write {
		may = "use and change"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s may %s %s. The key is shown this once; %s holds its hash.\n%s\n", key.Name, may, all(key.Collections), file.Path(), secret)
	return err
}

func keysFile(cmd *cobra.Command) (access.File, error) {
	cfg, err := loadConfig(cmd, nil, false)
	if err != nil {
		return access.File{}, err
	}
	return access.NewFile(cfg.Auth.File), nil
}

func splitNames(list string) []string {
	var out []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

func readFilter(text string, to *map[string]any) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	err := dec.Decode(to)
	if err == nil && dec.More() {
		err = fmt.Errorf("something stands behind it")
	}
	if err == nil && len(*to) == 0 {
		err = fmt.Errorf("it holds for everything; leave it out for that")
	}
	if err != nil {
		return usagef("--filter must be a JSON object such as {\"public\": true}: %v", err)
	}
	return nil
}

// expiry reads a span in days or Go's units, or a day, at whose end (UTC) the
// key ends.
func expiry(text string, now time.Time) (time.Time, error) {
	span, err := time.ParseDuration(text)
	if day, wrong := time.Parse(time.DateOnly, text); wrong == nil {
		span, err = day.AddDate(0, 0, 1).Sub(now), nil
	} else if number, ok := strings.CutSuffix(text, "d"); ok {
		var days int
		days, err = strconv.Atoi(number)
		span = time.Duration(min(days, 36500)) * 24 * time.Hour
	}
	if err != nil || span <= 0 {
		return time.Time{}, usagef("--expires must be a time to come such as 90d, 12h or 2030-12-31, got %q", text)
	}
	return now.Add(span).UTC().Truncate(time.Second), nil
}

func newKeysList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the keys: never what they are, only whose",
		Example: "  ragproxy keys list --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := keysFile(cmd)
			if err != nil {
				return err
			}
			keys, err := file.Keys()
			if err != nil {
				return err
			}
			if asJSON {
				return listJSON(cmd.OutOrStdout(), keys)
			}
			return listKeys(cmd.OutOrStdout(), keys)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func listJSON(w io.Writer, keys []access.Key) error {
	for _, k := range keys {
		status := k.Status(time.Now())
		k.SHA256 = "" // of no use to a reader
		line := struct {
			access.Key
			SHA256 string `json:"sha256,omitempty"`
			Status string `json:"status"`
		}{Key: k, Status: status}
		if err := json.NewEncoder(w).Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func listKeys(w io.Writer, keys []access.Key) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATUS\tCOLLECTIONS\tWRITE\tRPM\tTPM\tEXPIRES\tFILTER")
	for _, k := range keys {
		expires, filter := "never", "-"
		if !k.Expires.IsZero() {
			expires = k.Expires.Format(time.RFC3339)
		}
		if k.Filter != nil {
			raw, err := json.Marshal(k.Filter)
			if err != nil {
				return err
			}
			filter = string(raw)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Name, k.Status(time.Now()), all(k.Collections), yesNo(k.Write), rate(k.RPM), rate(k.TPM), expires, filter)
	}
	return table.Flush()
}

func all(collections []string) string {
	switch {
	case collections == nil:
		return "all collections"
	case len(collections) == 0:
		return "none"
	}
	return strings.Join(collections, ",")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func rate(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

func newKeysRevoke() *cobra.Command {
	return &cobra.Command{
		Use:     "revoke NAME",
		Short:   "End a key, within seconds in a running server",
		Example: "  ragproxy keys revoke alice",
		Args:    oneText("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := keysFile(cmd)
			if err != nil {
				return err
			}
			if err := file.Revoke(args[0]); err != nil {
				return fmt.Errorf("revoke key: %w", err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is revoked\n", args[0])
			return err
		},
	}
}
