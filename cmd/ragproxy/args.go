package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/index"
)

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// noArgs is for commands that take flags only.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, got %q", cmd.Name(), args[0])
	}
	return nil
}

// oneText wants a single argument that is not blank; name is its name in the
// help.
func oneText(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 || len(args) == 1 && strings.TrimSpace(args[0]) == "":
			return usagef("%s needs a %s", cmd.Name(), name)
		case len(args) > 1:
			return usagef("%s takes one %s, got %d words: put it in quotes", cmd.Name(), name, len(args))
		}
		return nil
	}
}

// someSources wants at least one SOURCE, none of them blank.
func someSources(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("index needs a SOURCE: a file, a folder, an http or https URL, or -")
	}
	for _, a := range args {
		if strings.TrimSpace(a) == "" {
			return usagef("index got an empty SOURCE")
		}
	}
	return differentNames(args)
}

// differentNames refuses two folders of the same name: it begins the ids of
// their documents, so that docs/a.md would be two documents.
func differentNames(sources []string) error {
	first := map[string]string{} // by name
	for _, source := range sources {
		if webAddress(source) != nil {
			continue
		}
		path := sourceKey(source)
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			continue // what is missing is told later, beside the others
		}
		name := filepath.Base(path)
		if other, ok := first[name]; ok && sourceKey(other) != path {
			return usagef("index got two folders named %q, %s and %s: the name begins the ids of their documents; "+
				"index the folder above them, or each into a --collection of its own", name, other, source)
		}
		first[name] = source
	}
	return nil
}

// checkCollection looks at a command's --collection, if it has one and it was
// given.
func checkCollection(cmd *cobra.Command, _ []string) error {
	flag := cmd.Flags().Lookup("collection")
	if flag == nil || !flag.Changed {
		return nil
	}
	if err := index.CheckName(flag.Value.String()); err != nil {
		return usagef("--collection: %w", err)
	}
	return nil
}

// onlyCommands refuses what is no command, and names the nearest ones.
func onlyCommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var guess string
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		guess = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("unknown command %q%s", args[0], guess)
}

// newHelp replaces cobra's help command, which answers an unknown name with
// the help of the root and exit code 0.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command", Example: "  ragproxy help index",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil {
				return usageError{err}
			}
			if len(rest) > 0 {
				return onlyCommands(cmd.Root(), rest)
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}
