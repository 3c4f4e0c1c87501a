package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/retrieval/eval"
)

type evalFlags struct {
	run, compare, keep string
	legs, turns        string
	depth, topK        int
	asJSON             bool
	indexFlags         // collection, classes, size and overlap
}

func newEval() *cobra.Command {
	var f evalFlags
	cmd := &cobra.Command{
		Use:   "eval DIR",
		Short: "Measure the search on a set of questions with known answers",
		Long: `Index the set in DIR as the index command would, ask its questions through the
pipeline that serve uses, with the configuration's settings, and print how good
the hits are. A set is told by its files, one object a line in the .jsonl:

  corpus.jsonl         {"_id", "title", "text"}, with
  queries.jsonl        {"_id", "text"}, and
  qrels.tsv            query, document and grade with tabs between: BEIR's layout
  conversations.jsonl  instead of queries: {"_id", "messages", "rewrite"}
  corpora/*.md         with questions.jsonl {"_id", "doc", "question", "spans"},
                       spans of doc's characters: [[from, to], ...]
  *.html               with questions.jsonl {"_id", "messages", "must_contain"}

A document counts with its best chunk, every judged query counts, and each mean
has a 95% interval (1,000 bootstrap resamples over the queries). nDCG and MRR
end at rank 10. Of conversations the parts whose ids begin with the same word
and a colon are told, too.

With --json, one object:
  set, layout, legs, turns   what was measured; layout is queries,
                             conversations, spans or strings
  queries, documents, chunks how many; and "indexed", those new in the index
  rewritten                  queries for which a rewrite was searched
  ndcg@10, r@4, r@5, mrr     the means; for spans covered@K, the share of their
                             characters in the first K chunks; for strings
                             contained@K, the share of questions whose strings
                             are all there
  intervals                  {"ndcg@10": [low, high], ...}
  groups                     {"NAME": {queries, the means, intervals}, ...}
  compare                    {difference, interval, p, real}, with --compare`,
		Example: `  ragproxy eval ./scifact
  ragproxy eval ./scifact --legs bm25 --run bm25.run
  ragproxy eval ./scifact --keep ./cache --compare bm25.run
  ragproxy eval ./blog --class post-title,post-content -k 8`,
		Args: oneText("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error { return runEval(cmd, args[0], f) },
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.asJSON, "json", false, "print the result as one JSON object")
	fs.StringVar(&f.run, "run", "", "write the ranked documents to `FILE` as a TREC run")
	fs.StringVar(&f.compare, "compare", "", "compare nDCG@10 with that of the TREC run in `FILE`")
	fs.StringVar(&f.legs, "legs", "hybrid", "`LEGS` to search: vector, bm25, or hybrid (both)")
	fs.StringVar(&f.turns, "turns", eval.TurnsLast, "`WHAT` of a conversation is searched: last (user turn), rewrite (the\npublished one, with the user's words), or history (without a model)")
	fs.StringSliceVar(&f.classes, "class", nil, "keep only HTML elements with these CSS `classes`")
	fs.IntVar(&f.size, "chunk-size", 1000, "characters of a chunk, at most")
	fs.IntVar(&f.overlap, "chunk-overlap", 200, "characters that neighbouring chunks share, at most")
	fs.IntVar(&f.depth, "depth", 0, "chunks to ask for, and of each leg (default 100, or retrieval.depth)")
	fs.IntVarP(&f.topK, "top-k", "k", 0, "chunks that count in sets of spans and strings\n(default 4, or retrieval.top_k)")
	fs.StringVar(&f.keep, "keep", "", "keep the index in `DIR`, and use what an earlier run left there")
	return cmd
}

func runEval(cmd *cobra.Command, dir string, f evalFlags) error {
	splitter, overrides, err := f.read(cmd)
	if err != nil {
		return err
	}
	set, err := eval.Open(dir)
	if err != nil {
		return err
	}
	other, err := f.other(set)
	if err != nil {
		return err
	}
	folder := f.keep
	if folder == "" {
		if folder, err = os.MkdirTemp("", "ragproxy-eval-"); err != nil {
			return fmt.Errorf("make temporary folder: %w", err)
		}
		defer os.RemoveAll(folder)
	}
	overrides["data_dir"] = folder
	cfg, err := loadConfig(cmd, overrides, false)
	if err != nil {
		return err
	}
	e := evaluation{flags: f, set: set}
	if err := e.measure(cmd, cfg, splitter); err != nil {
		return err
	}
	if other != nil {
		if err := e.compare(other); err != nil {
			return err
		}
	}
	if err := e.print(cmd.OutOrStdout()); err != nil || f.run == "" {
		return err
	}
	return writeRun(f.run, e.report.Run)
}

// read checks the flags: those that are keys of the configuration are
// overrides of it.
func (f *evalFlags) read(cmd *cobra.Command) (index.Splitter, map[string]string, error) {
	splitter, err := split.NewRecursive(split.Options{Size: f.size, Overlap: f.overlap})
	if err != nil {
		return nil, nil, usagef("--chunk-size, --chunk-overlap: %w", err)
	}
	// A token budget is for prompts: it would cut the rankings.
	overrides := map[string]string{"retrieval.max_context_tokens": "0"}
	switch f.legs {
	case "vector":
		overrides["retrieval.vector_weight"] = "1"
	case "bm25":
		overrides["retrieval.vector_weight"] = "0"
	case "hybrid":
	default:
		return nil, nil, usagef("--legs: write vector, bm25 or hybrid, not %q", f.legs)
	}
	if !slices.Contains([]string{eval.TurnsLast, eval.TurnsRewrite, eval.TurnsHistory}, f.turns) {
		return nil, nil, usagef("--turns: write last, rewrite or history, not %q", f.turns)
	}
	for flag, n := range map[string]int{"depth": f.depth, "top-k": f.topK} {
		if cmd.Flags().Changed(flag) {
			overrides["retrieval."+strings.ReplaceAll(flag, "-", "_")] = strconv.Itoa(n)
		}
	}
	return splitter, overrides, nil
}

// other reads the run to compare with; nil without one. What the set cannot
// do is told before the work.
func (f *evalFlags) other(set *eval.Set) (eval.Run, error) {
	if !set.JudgesDocuments() && (f.run != "" || f.compare != "") {
		return nil, fmt.Errorf("--run and --compare: the set %s judges passages, a run holds documents", set.Name)
	}
	if f.compare == "" {
		return nil, nil
	}
	file, err := os.Open(f.compare)
	if err != nil {
		return nil, fmt.Errorf("--compare: %w", err)
	}
	defer file.Close()
	run, err := eval.ReadRun(file)
	if err != nil {
		return nil, fmt.Errorf("--compare: read %s: %w", f.compare, err)
	}
	return run, nil
}

func writeRun(path string, run eval.Run) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("--run: %w", err)
	}
	return errors.Join(run.Write(f, "ragproxy"), f.Close())
}

// evaluation is one run of the command.
type evaluation struct {
	flags                      evalFlags
	set                        *eval.Set
	documents, chunks, indexed int
	report                     *eval.Report
	comparison                 *evalComparison // nil without --compare
}

func (e *evaluation) measure(cmd *cobra.Command, cfg *config.Config, splitter index.Splitter) error {
	engine, err := e.openEngine(cfg, splitter)
	if err != nil {
		return err
	}
	defer e.close(cmd, engine)
	if err := e.index(cmd, cfg, engine); err != nil {
		return fmt.Errorf("index the set: %w", err)
	}
	retriever, err := newRetriever(cfg, engine, nil)
	if err != nil {
		return err
	}
	e.report, err = eval.Evaluate(cmd.Context(), e.set, eval.Options{
		Retriever: retriever, Collection: e.flags.collection, Turns: e.flags.turns,
		Depth: cfg.Retrieval.Depth, TopK: cfg.Retrieval.TopK,
	})
	return err
}

// openEngine opens the engine that the set goes into, and names the collection
// after all that decides what is in it: another set or other settings in the
// same folder, or on the same server, are another collection.
func (e *evaluation) openEngine(cfg *config.Config, splitter index.Splitter) (index.Engine, error) {
	f := &e.flags
	space := noVectors
	if f.legs != "bm25" {
		space = strings.Join([]string{cfg.Embedding.Provider, cfg.Embedding.BaseURL, cfg.Embedding.Model, strconv.Itoa(cfg.Embedding.Dimensions)}, "\n")
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q", space, splitter.Name(), f.classes)
	for _, source := range e.set.Sources {
		fmt.Fprintf(h, " %q", sourceKey(source))
	}
	f.collection = "eval-" + hex.EncodeToString(h.Sum(nil)[:8])
	if f.legs != "bm25" {
		return openEngine(cfg, splitter)
	}
	plain := *cfg
	plain.Index.Vector = "exact" // no graph is made of vectors that are none
	return openEngineWith(&plain, noEmbedder{}, splitter)
}

// close leaves nothing behind that was not asked for with --keep; the folder is
// removed by itself.
func (e *evaluation) close(cmd *cobra.Command, engine index.Engine) {
	if server, ok := engine.(index.Server); ok && e.flags.keep == "" {
		ctx := context.WithoutCancel(cmd.Context()) // an evaluation that was interrupted clears up, too
		if err := server.Drop(ctx, e.flags.collection); err != nil && !errors.Is(err, index.ErrNotFound) {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: collection %s stays in the engine: %v\n", e.flags.collection, err)
		}
	}
	engine.Close()
}

// index brings the collection up to date with the set's sources.
func (e *evaluation) index(cmd *cobra.Command, cfg *config.Config, engine index.Engine) error {
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.end()
	options, err := loadOptions(cmd, cfg, e.flags.indexFlags)
	if err != nil {
		return err
	}
	in := ingestion{
		engine: engine, build: index.BuildOptions{Collection: e.flags.collection},
		load: options, sources: typedSources(e.set.Sources), prune: true, whole: true,
		watcher: &indexTeller{progress: progress, stderr: cmd.ErrOrStderr()},
	}
	r, err := in.run(cmd.Context())
	if errors.Is(err, errNotWhole) {
		return fmt.Errorf("%d of its documents failed, so the measure would be of another set", r.Failed)
	}
	if err != nil {
		return err
	}
	e.documents, e.chunks, e.indexed = r.Documents, r.Chunks, r.Added+r.Updated
	return nil
}

// noVectors is the embedding space of an index for keywords alone.
const noVectors = "none@1"

// noEmbedder saves the time of an embedder whose vectors nobody asks for.
type noEmbedder struct{}

func (noEmbedder) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	for i := range vectors {
		vectors[i] = []float32{0}
	}
	return vectors, nil
}

func (noEmbedder) EmbedQuery(context.Context, string) ([]float32, error) { return []float32{0}, nil }

func (noEmbedder) Space(context.Context) (string, error) { return noVectors, nil }

type evalComparison struct {
	Difference float64    `json:"difference"`
	Interval   [2]float64 `json:"interval"`
	P          float64    `json:"p"`
	Real       bool       `json:"real"`
}

func (e *evaluation) compare(other eval.Run) error {
	c, err := e.report.CompareRun(other)
	if err != nil {
		return fmt.Errorf("--compare %s: %w", e.flags.compare, err)
	}
	e.comparison = &evalComparison{c.Difference, [2]float64{c.Low, c.High}, c.P, c.Real()}
	return nil
}

func (e *evaluation) print(w io.Writer) error {
	names, members := e.set.Groups()
	if e.flags.asJSON {
		return e.printJSON(w, names, members)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d documents, %d chunks of %d/%d characters; %s", e.set.Name, e.documents, e.chunks, e.flags.size, e.flags.overlap, e.flags.legs)
	if e.set.Layout == eval.Conversations {
		fmt.Fprintf(&b, "; turns %s (%d rewritten)", e.flags.turns, e.report.Rewritten)
	}
	fmt.Fprintf(&b, "\n\n%-8s%8s", "", "queries")
	for i, name := range e.report.Measures {
		width := 20 // of a mean with its interval
		if i == len(e.report.Measures)-1 {
			width = 0
		}
		fmt.Fprintf(&b, "  %-*s", width, name)
	}
	printSummary(&b, "all", e.report.All())
	for _, name := range names {
		printSummary(&b, name, e.report.Of(members[name]))
	}
	b.WriteString("\n")
	if c := e.comparison; c != nil {
		verdict := "not distinguishable"
		if c.Real {
			verdict = "real"
		}
		fmt.Fprintf(&b, "\nndcg@10 against %s: %+.3f [%+.3f, %+.3f], p %.4f: %s\n", e.flags.compare, c.Difference, c.Interval[0], c.Interval[1], c.P, verdict)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printSummary(b *strings.Builder, name string, s eval.Summary) {
	fmt.Fprintf(b, "\n%-8s%8d", name, s.Queries)
	for _, m := range s.Means {
		fmt.Fprintf(b, "  %.3f [%.3f, %.3f]", m.Value, m.Low, m.High)
	}
}

func (e *evaluation) printJSON(w io.Writer, names []string, members map[string][]int) error {
	out := summaryJSON(e.report.All())
	for key, value := range map[string]any{
		"set": e.set.Name, "layout": e.set.Layout, "legs": e.flags.legs, "turns": e.flags.turns,
		"documents": e.documents, "chunks": e.chunks, "indexed": e.indexed, "rewritten": e.report.Rewritten,
	} {
		out[key] = value
	}
	groups := map[string]any{}
	for _, name := range names {
		groups[name] = summaryJSON(e.report.Of(members[name]))
	}
	if len(groups) > 0 {
		out["groups"] = groups
	}
	if e.comparison != nil {
		out["compare"] = e.comparison
	}
	return json.NewEncoder(w).Encode(out)
}

// summaryJSON is flat, because the names of the measures are the set's.
func summaryJSON(s eval.Summary) map[string]any {
	intervals := map[string][2]float64{}
	out := map[string]any{"queries": s.Queries, "intervals": intervals}
	for _, m := range s.Means {
		out[m.Measure] = m.Value
		intervals[m.Measure] = [2]float64{m.Low, m.High}
	}
	return out
}
