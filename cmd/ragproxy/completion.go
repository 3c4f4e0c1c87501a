package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/proxy/access"
	"github.com/ragproxy/ragproxy/proxy/dialect"
	"github.com/ragproxy/ragproxy/retrieval/eval"
)

// newCompletion replaces cobra's command, whose help has no examples.
func newCompletion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a shell's completion script: bash, zsh, fish or powershell",
		Long: `Print the script that lets SHELL complete commands, flags and their values, such
as the names of collections. Have your shell read it:

  bash        in ~/.bashrc:      source <(ragproxy completion bash)
  zsh         in your $fpath:    ragproxy completion zsh > ~/.zfunc/_ragproxy
  fish        once:              ragproxy completion fish > ~/.config/fish/completions/ragproxy.fish
  powershell  in your $PROFILE:  ragproxy completion powershell | Out-String | Invoke-Expression

bash needs the package bash-completion.`,
		Example: `  ragproxy completion bash > ragproxy.bash
  ragproxy completion zsh > _ragproxy
  ragproxy completion fish > ragproxy.fish
  ragproxy completion powershell > ragproxy.ps1`,
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			return printCompletion(cmd.Root(), cmd.OutOrStdout(), args[0])
		},
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 || !slices.Contains(cmd.ValidArgs, args[0]) {
			return usagef("completion needs a SHELL: %s", strings.Join(cmd.ValidArgs, ", "))
		}
		return nil
	}
	return cmd
}

func printCompletion(root *cobra.Command, w io.Writer, shell string) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(w)
	}
	return fmt.Errorf("no completion for %s", shell)
}

// flagValues says what completes the value of a flag, in whatever command it
// is. A flag that is not listed takes a file.
func flagValues() map[string]cobra.CompletionFunc {
	values := map[string]cobra.CompletionFunc{
		"collection":  completeCollections,
		"collections": completeCollections,
		"rewrite":     fixed(rewriteModes()...),
		"log-level":   fixed("debug", "info", "warn", "error"),
		"dialect":     fixed(dialect.Names()...),
		"legs":        fixed("hybrid", "vector", "bm25"),
		"turns":       fixed(eval.TurnsLast, eval.TurnsRewrite, eval.TurnsHistory),
		"from":        fixed(config.EngineKinds()...),
		"to":          fixed(config.EngineKinds()...),
		"analyzer":    fixed(lexical.Analyzers()...),
		"config":      files(cobra.ShellCompDirectiveFilterFileExt, "yaml", "yml", "toml", "json"),
		"data-dir":    files(cobra.ShellCompDirectiveFilterDirs),
		"keep":        files(cobra.ShellCompDirectiveFilterDirs),
	}
	for _, name := range []string{"listen", "filter", "model", "server", "key", "class", "select", "expires", "as"} {
		values[name] = cobra.NoFileCompletions
	}
	return values
}

func fixed(values ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

func files(directive cobra.ShellCompDirective, extensions ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(extensions, directive)
}

// completeCollections lists those in the data folder.
func completeCollections(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	names, err := existingCollections(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return beginning(names, begun), cobra.ShellCompDirectiveNoFileComp
}

func completeKeys(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	cfg, _, err := readConfig(cmd, nil, false)
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	keys, err := access.NewFile(cfg.Auth.File).Keys()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, k := range keys {
		if k.Revoked.IsZero() {
			names = append(names, k.Name)
		}
	}
	return beginning(names, begun), cobra.ShellCompDirectiveNoFileComp
}

func completeCommands(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	of, _, err := cmd.Root().Find(args)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, c := range of.Commands() {
		names = append(names, c.Name())
	}
	return beginning(names, begun), cobra.ShellCompDirectiveNoFileComp
}

func beginning(names []string, begun string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, begun) })
}

// complete gives every command below cmd its completions.
func complete(cmd *cobra.Command) {
	for name, values := range flagValues() {
		if cmd.Flags().Lookup(name) != nil || cmd.PersistentFlags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, values) // fails only for no flag, or a second time
		}
	}
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && !cmd.HasSubCommands() {
		switch cmd.CommandPath() {
		case "ragproxy index", "ragproxy eval", "ragproxy export", "ragproxy import":
		case "ragproxy keys revoke":
			cmd.ValidArgsFunction = completeKeys
		case "ragproxy help":
			cmd.ValidArgsFunction = completeCommands
		default:
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
	for _, c := range cmd.Commands() {
		complete(c)
	}
}
