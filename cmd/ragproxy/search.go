package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy"
	"github.com/ragproxy/ragproxy/retrieval"
)

func newSearch() *cobra.Command {
	var req retrieval.SearchRequest
	var filter string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "search QUERY",
		Short: "Show the hits for a query, without any language model",
		Example: `  ragproxy search "what is task decomposition"
  ragproxy search -k 10 --json retries | jq .url`,
		Args: oneText("QUERY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Query = args[0]
			if cmd.Flags().Changed("filter") {
				if err := readSearchFilter(filter, &req.Filters); err != nil {
					return err
				}
			}
			return search(cmd, req, asJSON)
		},
	}
	cmd.Flags().IntVarP(&req.TopK, "top-k", "k", 0, "how many hits (default 4, or retrieval.top_k)")
	cmd.Flags().StringVar(&req.Collection, "collection", defaultCollection, "`NAME` of the collection")
	addFilter(cmd, &filter)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func search(cmd *cobra.Command, req retrieval.SearchRequest, asJSON bool) error {
	cfg, err := loadConfig(cmd, nil, false)
	if err != nil {
		return err
	}
	switch {
	case !cmd.Flags().Changed("top-k"):
		req.TopK = cfg.Retrieval.TopK
	case req.TopK < 1:
		return usagef("-k must be at least 1, got %d", req.TopK)
	}
	engine, err := openEngine(cfg, nil)
	if err != nil {
		return err
	}
	defer engine.Close()
	retriever, err := newRetriever(cfg, engine, nil)
	if err != nil {
		return err
	}
	found, err := retriever.Search(cmd.Context(), req)
	if err != nil {
		return err
	}
	for _, f := range found.Failed {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", legFailure(f.Leg, f.Fallback, legCause(f.Err)))
	}
	if failedLegs(found) == retriever.Legs() {
		return errors.New("search: no leg answered")
	}
	if asJSON {
		return printJSONLines(cmd.OutOrStdout(), proxy.Hits(found.Sources))
	}
	return printHits(cmd.OutOrStdout(), proxy.Hits(found.Sources))
}

// legCause is why a leg failed, with what can be done about it.
func legCause(err *retrieval.StageError) string {
	if errors.Is(err, index.ErrSpace) {
		return err.Err.Error() + ": set embedding.* back, or index anew"
	}
	return err.Error()
}

func failedLegs(found retrieval.Found) int {
	n := 0
	for _, f := range found.Failed {
		if f.Leg != retrieval.StageRerank {
			n++
		}
	}
	return n
}

// legFailure tells a dead leg and who stands in for it.
func legFailure(leg, fallback, cause string) string {
	if leg == retrieval.StageRerank {
		return "the order is that of the search, not of the re-ranker: " + cause
	}
	if fallback == "" {
		return fmt.Sprintf("the %s leg did not answer: %s", leg, cause)
	}
	return fmt.Sprintf("the %s leg did not answer, %s alone does: %s", leg, fallback, cause)
}

func printJSONLines(w io.Writer, hits []proxy.Hit) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, h := range hits {
		if err := enc.Encode(h); err != nil {
			return err
		}
	}
	return nil
}

func printHits(w io.Writer, hits []proxy.Hit) error {
	if len(hits) == 0 {
		_, err := fmt.Fprintln(w, "nothing found")
		return err
	}
	look := newStyle(w)
	for _, h := range hits {
		text := strings.Join(strings.Fields(clean(h.Text)), " ")
		if r := []rune(text); len(r) > 300 {
			text = string(r[:300]) + "…"
		}
		head := look.bold(title(h.Title, h.DocumentID))
		if h.URL != "" {
			head += "  " + look.link(clean(h.URL), linkTarget(h.URL, h.URL, true))
		}
		if _, err := fmt.Fprintf(w, "%s %s\n    %s\n    %s\n", look.cyan(fmt.Sprintf("[%d]", h.Rank)), head,
			look.dim(fmt.Sprintf("score %.3f (vector %s, bm25 %s)", h.Score, score(h.Scores.Vector), score(h.Scores.BM25))), text); err != nil {
			return err
		}
	}
	return nil
}

func score(s *float64) string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f", *s)
}
