package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
)

func newChat() *cobra.Command {
	var f converseFlags
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Talk with your documents in the terminal",
		Long: `Ask questions that build on each other: a follow-up is rewritten against what was
said before. Without --server everything runs in this process. Each line of
standard input is a turn; one that ends in \ goes on in the next. Ctrl-C stops an
answer, and ends the conversation where none is being written.

` + chatHelp,
		Example: `  ragproxy chat
  ragproxy chat --collection docs --rewrite always
  RAGPROXY_KEY=rp-... ragproxy chat --server http://127.0.0.1:8080
  echo "What is task decomposition?" | ragproxy chat`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runChat(cmd, &f) },
	}
	f.add(cmd)
	return cmd
}

func runChat(cmd *cobra.Command, f *converseFlags) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// The command's own context ends with the first interrupt, which here only
	// stops an answer.
	ctx := context.WithoutCancel(cmd.Context())
	return converse(ctx, cmd, f, func(c conversation) error {
		in, interactive := newTurnReader(cmd.InOrStdin(), cmd.OutOrStdout())
		defer in.close()
		chat := &chat{conversation: c, collection: f.collection, out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr(), signals: signals}
		if interactive {
			fmt.Fprintln(chat.notes, "Ask about your documents. /help lists the commands, Ctrl-D ends.")
		}
		if err := chat.run(ctx, in); err != nil {
			return err
		}
		if chat.failed && !interactive {
			return errReported
		}
		return nil
	})
}

// chat is one conversation.
type chat struct {
	conversation
	collection string
	messages   []chatMessage
	last       *screen // of the last turn; nil before the first
	failed     bool    // a turn did

	out, notes io.Writer
	signals    chan os.Signal
}

// run takes turns until the input ends, or a signal comes while nothing is
// answered.
func (c *chat) run(ctx context.Context, in *turnReader) error {
	for {
		text, err := in.next(c.signals)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read question: %w", err)
		}
		switch {
		case strings.TrimSpace(text) == "":
		case strings.HasPrefix(text, "/"):
			if c.command(ctx, text) {
				return nil
			}
		default:
			if c.ask(ctx, text) {
				return nil
			}
		}
	}
}

// ask takes one turn; it says whether the conversation is to end.
func (c *chat) ask(ctx context.Context, question string) (end bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var stopped os.Signal
	var watching sync.WaitGroup
	answered := make(chan struct{})
	watching.Go(func() {
		select {
		case stopped = <-c.signals:
			cancel()
		case <-answered:
		}
	})
	s := newScreen(c.out, c.notes, c.local != nil)
	messages := append(c.messages[:len(c.messages):len(c.messages)], chatMessage{"user", question})
	r, err := c.chat(ctx, messages, c.collection, s.watcher())
	close(answered)
	watching.Wait()
	s.endLine()
	if err != nil && stopped == nil {
		c.fail(c.advise(ctx, err))
		return false
	}
	c.last = s
	if r != nil && r.answer != "" { // also one that was stopped: it was read
		c.messages = append(messages, chatMessage{"assistant", r.answer})
	}
	if stopped != nil {
		fmt.Fprintln(c.out)
		fmt.Fprintln(c.notes, "stopped")
		return stopped != os.Interrupt
	}
	if err := s.end(); err != nil { // nobody reads on
		return true
	}
	fmt.Fprintln(c.out)
	return false
}

func (c *chat) fail(err error) {
	c.failed = true
	fmt.Fprintln(c.notes, newStyle(c.notes).red("error:"), clean(err.Error()))
}
