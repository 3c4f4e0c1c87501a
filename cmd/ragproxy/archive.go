package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newExport() *cobra.Command {
	var collection string
	cmd := &cobra.Command{
		Use:     "export FILE",
		Short:   "Write a collection to one file",
		Long:    "Write a collection to FILE, a tar archive with checksums, for `ragproxy import`.",
		Example: "  ragproxy export notes.tar --collection notes",
		Args:    oneText("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return export(cmd, collection, args[0])
		},
	}
	cmd.Flags().StringVar(&collection, "collection", defaultCollection, "`NAME` of the collection")
	return cmd
}

func export(cmd *cobra.Command, collection, path string) (err error) {
	idx, err := openLocal(cmd, "`ragproxy copy` takes a collection from one engine to another")
	if err != nil {
		return err
	}
	defer idx.Close()
	tmp := path + ".part" // FILE is whole or not there
	f, err := os.Create(tmp)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	err = idx.Export(cmd.Context(), collection, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("export: %w", err), os.Remove(tmp))
	}
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "collection %s: written to %s, %s\n", collection, path, megabytes(st.Size()))
	return err
}

func newImport() *cobra.Command {
	var collection string
	var replace bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make a collection of a file that export wrote",
		Long: `Make a collection of FILE, which ` + "`ragproxy export`" + ` wrote. Everything in it is
checked first; nothing is embedded.`,
		Example: "  ragproxy import notes.tar --collection notes",
		Args:    oneText("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return importArchive(cmd, collection, args[0], replace)
		},
	}
	cmd.Flags().StringVar(&collection, "collection", defaultCollection, "`NAME` of the collection")
	cmd.Flags().BoolVar(&replace, "replace", false, "put it in the place of the collection of that name")
	return cmd
}

func importArchive(cmd *cobra.Command, collection, path string, replace bool) error {
	idx, err := openLocal(cmd, "`ragproxy copy` takes a collection from one engine to another")
	if err != nil {
		return err
	}
	defer idx.Close()
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	m, err := idx.Import(cmd.Context(), collection, f, st.Size(), replace)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "collection %s: %d documents, %d chunks\n", collection, m.Documents, m.Chunks)
	return err
}
