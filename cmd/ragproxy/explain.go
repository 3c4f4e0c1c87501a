package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
)

func newExplain() *cobra.Command {
	var server, key string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain ID",
		Short: "Show what the running server did for a request: query, ranks, cuts, times",
		Long: `Ask the running server what it did for a chat completion. ID is the answer's
X-RAG-Request-Id. The server keeps the last requests where observability.explain
says how many; where clients need keys it tells only the key that asked.`,
		Example: `  ragproxy explain --listen 127.0.0.1:8080 req-QHK3TZ2M5WJ4VZ6XK7NBJYQ2LI
  ragproxy explain --server http://127.0.0.1:8080 --json req-QHK3TZ2M5WJ4VZ6XK7NBJYQ2LI`,
		Args: oneText("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd, nil, false)
			if err != nil {
				return err
			}
			body, err := askExplanation(cmd.Context(), serverURL(cfg, server), cmp.Or(key, os.Getenv(keyVariable)), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				_, err = cmd.OutOrStdout().Write(body)
				return err
			}
			return printExplanation(cmd.OutOrStdout(), body)
		},
	}
	cmd.Flags().StringVar(&server, "server", "", "`URL` of the server (default `listen` on this machine)")
	cmd.Flags().StringVar(&key, "key", "", "client `KEY` (default the variable RAGPROXY_KEY)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the server's own answer")
	cmd.Flags().String("listen", "", "`ADDRESS` of the server, host:port (default 127.0.0.1:8080)")
	return cmd
}

// serverURL is the running server's, without a slash or /v1 at its end.
func serverURL(cfg *config.Config, given string) string {
	if given == "" {
		return scheme(cfg) + "://" + reachable(cfg.Listen)
	}
	return strings.TrimSuffix(strings.TrimRight(given, "/"), "/v1")
}

func askExplanation(ctx context.Context, base, key, id string) ([]byte, error) {
	c := client{base: base + "/v1", key: key}
	resp, err := c.do(ctx, http.MethodGet, "/rag/requests/"+url.PathEscape(id), "")
	if err != nil {
		return nil, conversation{client: c}.advise(ctx, err)
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// explanation is what is printed of a server's answer.
type explanation struct {
	ID, Time, Key, Collection, Original, Query, Rewrite string

	Stages []struct {
		Name, Error string
		MS          float64
	}
	Hits []struct {
		N            *int
		ID, Title    string
		Vector, BM25 *struct {
			Rank  int
			Score float64
		}
		Score  float64
		Rerank *struct{ Rank int }
		Cut    string
	}
	Context struct {
		Passages, Tokens int
		MaxTokens        int `json:"max_tokens"`
	}
	Degraded []string
	Status   int
}

func printExplanation(w io.Writer, body []byte) error {
	var e explanation
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Errorf("read explanation: %w", err)
	}
	fmt.Fprintf(w, "%s  %s  status %d", e.ID, e.Time, e.Status)
	if e.Key != "" {
		fmt.Fprintf(w, "  key %s", e.Key)
	}
	fmt.Fprintf(w, "\nquestion:   %s\nquery:      %s (rewrite: %s)\ncollection: %s\n", flat(e.Original), flat(e.Query), e.Rewrite, cmp.Or(e.Collection, "none was searched"))
	if len(e.Degraded) > 0 {
		fmt.Fprintf(w, "degraded:   %s\n", strings.Join(e.Degraded, ", "))
	}
	fmt.Fprintf(w, "prompt:     %d passages, %d tokens", e.Context.Passages, e.Context.Tokens)
	if e.Context.MaxTokens > 0 {
		fmt.Fprintf(w, " (retrieval.max_context_tokens %d)", e.Context.MaxTokens)
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nSTAGE\tMS\t")
	for _, s := range e.Stages {
		fmt.Fprintf(table, "%s\t%.1f\t%s\n", s.Name, s.MS, flat(s.Error))
	}
	fmt.Fprintln(table, "\nPASSAGE\tSCORE\tVECTOR\tBM25\tRERANK\tCUT\tHIT")
	for _, h := range e.Hits {
		passage, vector, bm25, rerank := "-", "-", "-", "-"
		if h.N != nil {
			passage = fmt.Sprintf("[%d]", *h.N)
		}
		if h.Vector != nil {
			vector = fmt.Sprintf("#%d %.3f", h.Vector.Rank, h.Vector.Score)
		}
		if h.BM25 != nil {
			bm25 = fmt.Sprintf("#%d %.3f", h.BM25.Rank, h.BM25.Score)
		}
		if h.Rerank != nil {
			rerank = fmt.Sprintf("#%d", h.Rerank.Rank)
		}
		fmt.Fprintf(table, "%s\t%.3f\t%s\t%s\t%s\t%s\t%s\n", passage, h.Score, vector, bm25, rerank, cmp.Or(h.Cut, "-"), flat(h.ID)+"  "+flat(h.Title))
	}
	return table.Flush()
}

// flat keeps a cell of the table on its line.
func flat(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }
