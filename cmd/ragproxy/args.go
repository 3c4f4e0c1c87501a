package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
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
