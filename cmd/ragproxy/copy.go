package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
)

type copyFlags struct {
	from, to, fromURL, toURL string
	collection, as           string
	prune, asJSON            bool
}

func newCopy() *cobra.Command {
	var f copyFlags
	cmd := &cobra.Command{
		Use:   "copy --from KIND --to KIND",
		Short: "Copy a collection from one engine to another",
		Long: `Copy a collection from one engine to another: local, postgres or opensearch.
Nothing is embedded. At the end all of it is read back and compared, document by
document, vectors among it; what differs is named and the exit code is 1. A copy
that was broken off goes on where it was when it is begun again; one that is made
again writes what has changed since.

engine.url says where an engine is, data_dir where the local one is; of two of a
kind at least one is named by a flag. Readers of the copy see it grow while it is
made for the first time: serve from it afterwards.`,
		Example: "  ragproxy copy --from local --to postgres --to-url postgres://127.0.0.1/ragproxy --collection notes\n" +
			"  ragproxy copy --from local --to local --to-url copies --collection notes",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return copyCollection(cmd, f) },
	}
	cmd.Flags().StringVar(&f.from, "from", "", "`KIND` of engine that has the collection")
	cmd.Flags().StringVar(&f.to, "to", "", "`KIND` of engine that gets it")
	cmd.Flags().StringVar(&f.fromURL, "from-url", "", "its `URL`, or folder (default engine.url, data_dir)")
	cmd.Flags().StringVar(&f.toURL, "to-url", "", "its `URL`, or folder (default engine.url, data_dir)")
	cmd.Flags().StringVar(&f.collection, "collection", defaultCollection, "`NAME` of the collection")
	cmd.Flags().StringVar(&f.as, "as", "", "its `NAME` in the other engine (default the same)")
	cmd.Flags().BoolVar(&f.prune, "prune", false, "delete there what is not here")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print the result as one JSON object")
	return cmd
}

func copyCollection(cmd *cobra.Command, f copyFlags) error {
	if f.from == "" || f.to == "" {
		return usagef("copy needs --from and --to")
	}
	from, fromURL, err := openKind(cmd, f.from, f.fromURL)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer from.Close()
	to, toURL, err := openKind(cmd, f.to, f.toURL)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	defer to.Close()
	if f.from == f.to && fromURL == toURL {
		return usagef("--from and --to are the same engine")
	}
	begin, last := time.Now(), time.Now()
	report, err := index.Copy(cmd.Context(), from, to, index.CopyOptions{
		Collection: f.collection, As: f.as, Prune: f.prune,
		Copied: func(documents, of int) {
			if time.Since(last) >= interval {
				last = time.Now()
				fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d documents copied (%.0f/s)\n", documents, of, float64(documents)/time.Since(begin).Seconds())
			}
		},
	})
	if err != nil {
		return err
	}
	return printCopy(cmd, f, report)
}

// openKind opens an engine for what needs no embedder, of the configuration but
// for its kind and, where that is given, its place, which it returns.
func openKind(cmd *cobra.Command, kind, url string) (index.Engine, string, error) {
	override, key := map[string]string{"engine.kind": kind}, "engine.url"
	if kind == config.LocalEngine {
		override["engine.url"], key = "", "data_dir"
	}
	if url != "" {
		override[key] = url
	}
	cfg, err := loadConfig(cmd, override, false)
	if err != nil {
		return nil, "", err
	}
	x, err := openEngineWith(cfg, nil, nil)
	if kind == config.LocalEngine {
		return x, cfg.DataDir, err
	}
	return x, cfg.Engine.URL, err
}

func printCopy(cmd *cobra.Command, f copyFlags, r index.CopyReport) error {
	w, name := cmd.OutOrStdout(), cmp.Or(f.as, f.collection)
	if f.asJSON {
		return json.NewEncoder(w).Encode(struct {
			Collection string `json:"collection"`
			Documents  int    `json:"documents"`
			Chunks     int    `json:"chunks"`
			Added      int    `json:"added"`
			Updated    int    `json:"updated"`
			Unchanged  int    `json:"unchanged"`
			Deleted    int    `json:"deleted"`
		}{name, r.Documents, r.Chunks, r.Added, r.Updated, r.Unchanged, r.Pruned})
	}
	_, err := fmt.Fprintf(w, "collection %s: %d documents, %d chunks (%d added, %d updated, %d deleted, %d unchanged), read back and alike\n",
		name, r.Documents, r.Chunks, r.Added, r.Updated, r.Pruned, r.Unchanged)
	return err
}
