package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/index"
)

func newCollections() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "collections",
		Short:   "List the collections of the index",
		Example: "  ragproxy collections\n  ragproxy collections --json | jq .documents",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			engine, err := openExisting(cmd)
			if err != nil {
				return err
			}
			defer engine.Close()
			list, damage := engine.Collections()
			if err := printCollections(cmd.OutOrStdout(), list, asJSON); err != nil {
				return err
			}
			return damage
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

// collectionLine is a line of `collections --json`. Bytes is the size on disk
// of what is published.
type collectionLine struct {
	Name       string `json:"name"`
	Documents  int    `json:"documents"`
	Chunks     int    `json:"chunks"`
	Space      string `json:"space"`
	Generation int    `json:"generation"`
	Segments   int    `json:"segments"`
	Bytes      int64  `json:"bytes"`
}

func toCollectionLine(name string, m index.Manifest) collectionLine {
	return collectionLine{name, m.Documents, m.Chunks, m.Space, m.Generation, len(m.Segments), m.Size()}
}

func printCollections(w io.Writer, list []index.CollectionInfo, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		for _, c := range list {
			if err := enc.Encode(toCollectionLine(c.Name, c.Manifest)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no collections: `ragproxy index SOURCE` makes one")
		return err
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "NAME\tDOCUMENTS\tCHUNKS\tSPACE\tGENERATION\tSEGMENTS\tSIZE")
	for _, c := range list {
		m := c.Manifest
		fmt.Fprintf(out, "%s\t%d\t%d\t%s\t%d\t%d\t%s\n", c.Name, m.Documents, m.Chunks, m.Space, m.Generation, len(m.Segments), megabytes(m.Size()))
	}
	return out.Flush()
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
