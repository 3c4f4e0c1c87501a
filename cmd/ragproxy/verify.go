package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/index"
)

func newVerify() *cobra.Command {
	var collection string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check an index for damage",
		Long: `Read every byte of each collection: compare the checksums, the files with each
other, and what both legs find with the documents. Name what is wrong; the exit
code is 1 if anything is.`,
		Example: "  ragproxy verify\n  ragproxy verify --collection notes --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return verify(cmd, collection, asJSON)
		},
	}
	cmd.Flags().StringVar(&collection, "collection", "", "`NAME` of the collection (default: all)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a collection, one a line")
	return cmd
}

func verify(cmd *cobra.Command, collection string, asJSON bool) error {
	engine, err := openExisting(cmd)
	if err != nil {
		return err
	}
	defer engine.Close()
	names := []string{collection}
	if collection == "" {
		if names, err = engine.Names(); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
	}
	damaged := false
	for _, name := range names {
		r, err := engine.Inspect(cmd.Context(), name)
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		damaged = damaged || len(r.Problems) > 0
		if err := printReport(cmd.OutOrStdout(), r, asJSON); err != nil {
			return err
		}
	}
	if damaged {
		return errReported
	}
	return nil
}

func printReport(w io.Writer, r index.Report, asJSON bool) error {
	m := r.Manifest
	if asJSON {
		problems := []string{}
		for _, p := range r.Problems {
			problems = append(problems, p.Error())
		}
		return json.NewEncoder(w).Encode(map[string]any{
			"collection": r.Collection, "generation": m.Generation, "documents": m.Documents, "chunks": m.Chunks,
			"segments": len(m.Segments), "problems": problems,
		})
	}
	state := "whole"
	if len(r.Problems) > 0 {
		state = "DAMAGED"
	}
	if _, err := fmt.Fprintf(w, "collection %s: %s (generation %d, %d documents, %d chunks, %d segments)\n",
		r.Collection, state, m.Generation, m.Documents, m.Chunks, len(m.Segments)); err != nil {
		return err
	}
	for _, p := range r.Problems {
		if _, err := fmt.Fprintf(w, "  %v\n", p); err != nil {
			return err
		}
	}
	return nil
}
