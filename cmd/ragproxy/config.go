package main

import "github.com/spf13/cobra"

func newConfig() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration",
		Long:  "Print every key with its value and where that is from. Secrets are not shown.",
		Example: `  ragproxy config
  ragproxy --config ragproxy.yaml config`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd, nil, false)
			if err != nil {
				return err
			}
			return cfg.Print(cmd.OutOrStdout())
		},
	}
}
