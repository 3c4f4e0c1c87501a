package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

func newCompact() *cobra.Command {
	var collection string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Write a collection anew as one segment, without deleted documents",
		Long: `Merge all segments of a collection into one, without the documents that were
deleted, and make both legs again. Nothing is embedded. What is damaged is named
and nothing is changed then; a damaged leg is made whole.`,
		Example: "  ragproxy compact\n  ragproxy compact --collection notes",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return compact(cmd, collection, asJSON)
		},
	}
	cmd.Flags().StringVar(&collection, "collection", defaultCollection, "`NAME` of the collection")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as one JSON object")
	return cmd
}

func compact(cmd *cobra.Command, collection string, asJSON bool) error {
	idx, err := openLocal(cmd, "it clears up by itself")
	if err != nil {
		return err
	}
	defer idx.Close()
	m, err := idx.Compact(cmd.Context(), collection)
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(toCollectionLine(collection, m))
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "collection %s: %d documents, %d chunks in %d segments, %s\n",
		collection, m.Documents, m.Chunks, len(m.Segments), megabytes(m.Size()))
	return err
}
