package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newAsk() *cobra.Command {
	var f converseFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ask QUESTION",
		Short: "Ask a question in the terminal: the whole pipeline, streamed",
		Long: `Ask one question and print the answer as it comes, then its sources. What happens
on the way goes to standard error. Without --server everything runs in this
process.

With --json a line is an event: those of the server's stream with their "type"
(rewrite.delta, rewrite.done, retrieval.done, summary, ...; see docs/api.md), and

  {"type":"answer.delta","delta":"..."}     a piece of the answer
  {"type":"answer.done","answer":"..."}     the last line: the whole answer
  {"error":{"message","type","code"}}       the last line instead, if it failed`,
		Example: `  ragproxy ask "What is task decomposition?"
  ragproxy ask --collection docs -k 8 "How do I retry?"
  ragproxy ask --json "How do I retry?"
  ragproxy ask --server http://127.0.0.1:8080 "How do I retry?"`,
		Args: oneText("QUESTION"),
		RunE: func(cmd *cobra.Command, args []string) error { return ask(cmd, args[0], &f, asJSON) },
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line: events, pieces of the answer")
	return cmd
}

func ask(cmd *cobra.Command, question string, f *converseFlags, asJSON bool) error {
	err := converse(cmd.Context(), cmd, f, func(c conversation) error {
		turn := askPlain
		if asJSON {
			turn = askJSON
		}
		err := turn(cmd, c, question, f.collection)
		if err != nil {
			return c.advise(cmd.Context(), err)
		}
		return nil
	})
	var usage usageError
	if asJSON && err != nil && !errors.As(err, &usage) {
		fmt.Fprint(cmd.OutOrStdout(), errorLine(err))
	}
	return err
}

func askPlain(cmd *cobra.Command, c conversation, question, collection string) error {
	s := newScreen(cmd.OutOrStdout(), cmd.ErrOrStderr(), c.local != nil)
	if _, err := c.chat(cmd.Context(), []chatMessage{{"user", question}}, collection, s.watcher()); err != nil {
		s.endLine()
		return err
	}
	return s.end()
}

func askJSON(cmd *cobra.Command, c conversation, question, collection string) error {
	out := cmd.OutOrStdout()
	c.events = []string{"rewrite", "retrieval", "guard", "summary"}
	r, err := c.chat(cmd.Context(), []chatMessage{{"user", question}}, collection, watcher{
		retrieved: func(*reply) {}, degraded: func(string) {}, // told as events
		event: func(raw string) { fmt.Fprintln(out, raw) },
		delta: func(text string) { printEvent(out, "answer.delta", "delta", text) },
	})
	if err != nil {
		return err
	}
	printEvent(out, "answer.done", "answer", r.answer)
	return nil
}

// printEvent writes {"type":kind,name:text}. A closed pipe ends the program
// with its signal.
func printEvent(w io.Writer, kind, name, text string) {
	b, _ := json.Marshal(text) // a string: cannot fail
	fmt.Fprintf(w, "{\"type\":%q,%q:%s}\n", kind, name, b)
}
