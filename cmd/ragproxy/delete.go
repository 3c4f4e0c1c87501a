package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/index"
)

func newDelete() *cobra.Command {
	var collection string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "delete ID|URI...",
		Short: "Remove documents from a collection",
		Long: `Remove the documents that have one of these ids, or one of these addresses (a
page's URL, a file's path). The very next search does not find them. What is
given and is not there is named; the exit code is 1 if nothing was there.`,
		Example: "  ragproxy delete docs/old.md\n  ragproxy delete https://example.org/post --collection notes",
		Args:    someDocuments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return deleteDocuments(cmd, collection, args, asJSON)
		},
	}
	cmd.Flags().StringVar(&collection, "collection", defaultCollection, "`NAME` of the collection")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as one JSON object")
	return cmd
}

// someDocuments wants at least one argument, none of them blank.
func someDocuments(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("delete needs the ID or URI of a document")
	}
	for _, a := range args {
		if strings.TrimSpace(a) == "" {
			return usagef("delete got an empty ID")
		}
	}
	return nil
}

func deleteDocuments(cmd *cobra.Command, collection string, names []string, asJSON bool) error {
	engine, err := openExisting(cmd)
	if err != nil {
		return err
	}
	defer engine.Close()
	deleted, err := engine.Delete(cmd.Context(), collection, names)
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := printDeleted(cmd, deleted, asJSON); err != nil {
		return err
	}
	for _, name := range names {
		if !isDeleted(deleted, name) {
			fmt.Fprintf(cmd.ErrOrStderr(), "not found: %s\n", name)
		}
	}
	if len(deleted) == 0 {
		return errReported
	}
	return nil
}

func isDeleted(deleted []index.Deleted, name string) bool {
	for _, d := range deleted {
		if d.ID == name || d.URL == name {
			return true
		}
	}
	return false
}

func printDeleted(cmd *cobra.Command, deleted []index.Deleted, asJSON bool) error {
	w := cmd.OutOrStdout()
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]any{"deleted": append([]index.Deleted{}, deleted...)})
	}
	for _, d := range deleted {
		if _, err := fmt.Fprintln(w, strings.TrimSpace("deleted "+d.ID+"  "+d.URL)); err != nil {
			return err
		}
	}
	return nil
}
