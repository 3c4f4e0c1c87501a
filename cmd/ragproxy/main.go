// Command ragproxy is an OpenAI-compatible endpoint that adds retrieval. Run
// `ragproxy help` for what it can do and `ragproxy demo` to see it work.
//
// One file holds one subcommand; wire.go alone knows all parts.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends at once what the first one asked to end
	cmd, err := newRoot().ExecuteContextC(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "ragproxy: %v\nRun `%s --help` to see what there is.\n", err, cmd.CommandPath())
		return exitUsage
	case errors.Is(err, errReported):
		return exitFailed
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "ragproxy: interrupted")
		return exitFailed
	default:
		fmt.Fprintf(os.Stderr, "ragproxy: %s%s\n", clean(err.Error()), nextStep(cmd, err))
		return exitFailed
	}
}

// errReported makes the exit code 1 where the reasons were told already.
var errReported = errors.New("failed")

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ragproxy",
		Short: "An OpenAI-compatible endpoint that adds retrieval",
		Long: `ragproxy stands where an OpenAI base URL stands. It rewrites the last user turn
against the history, searches its index, puts the passages into the system
prompt, relays the upstream's stream, and adds the query and the sources.`,
		Example: `  ragproxy demo                          # see it work: no key, no network
  ragproxy index ./docs https://example.org/post
  ragproxy serve                         # then point an SDK's base_url at it`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
		Args:          onlyCommands,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		PersistentPreRunE: checkCollection,

		SuggestionsMinimumDistance: 2,
	}
	root.PersistentFlags().String("config", "", "configuration `FILE` (default ./ragproxy.yaml if there is one)")
	root.PersistentFlags().String("data-dir", "", "`DIR` of the index (default $XDG_DATA_HOME/ragproxy)")
	root.PersistentFlags().String("log-level", "", "`LEVEL`: debug, info, warn or error")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newIndex(), newServe(), newSearch(), newAsk(), newChat(), newExplain(), newDemo(), newEval(), newCollections(), newDelete(), newVerify(), newCompact(),
		newExport(), newImport(), newCopy(), newKeys(), newConfig(), newDoctor(), newHealthcheck(), newCompletion(), newVersion())
	root.CompletionOptions.DisableDefaultCmd = true
	help := newHelp()
	root.SetHelpCommand(help)
	root.AddCommand(help) // at once, to be completed
	complete(root)
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Example: "  ragproxy version", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "ragproxy", version())
			return err
		},
	}
}

// version is what the Go toolchain stamped: a tag, or a commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	if version == "" || version == "(devel)" {
		version = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				version += "+" + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return version
}
