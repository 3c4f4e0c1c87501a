package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// lineReader reads a line without its end. A pasted one has more behind it.
type lineReader interface {
	line(prompt string) (text string, pasted bool, err error)
	close() error
}

// turnReader reads turns of one or more lines, while a signal can end the wait.
type turnReader struct {
	lines lineReader
	ask   chan string // a prompt
	got   chan readLine
}

type readLine struct {
	text   string
	pasted bool
	err    error
}

// newTurnReader edits lines where both ends are a terminal.
func newTurnReader(in io.Reader, out io.Writer) (r *turnReader, interactive bool) {
	var lines lineReader = pipedLines{bufio.NewReader(in)}
	if keys, ok := openKeyboard(in, out); ok {
		lines, interactive = keys, true
	}
	r = &turnReader{lines: lines, ask: make(chan string), got: make(chan readLine, 1)}
	go func() {
		for prompt := range r.ask {
			text, pasted, err := r.lines.line(prompt)
			r.got <- readLine{text, pasted, err}
		}
	}()
	return r, interactive
}

// close leaves behind a read that waits for input, which nothing can end.
func (r *turnReader) close() error {
	close(r.ask)
	return r.lines.close()
}

// next is the next turn. The error is io.EOF at the end of the input and where
// a signal came.
func (r *turnReader) next(signals <-chan os.Signal) (string, error) {
	var turn []string
	for prompt := "> "; ; prompt = ". " {
		r.ask <- prompt
		var l readLine
		select {
		case l = <-r.got:
		case <-signals:
			return "", io.EOF
		}
		switch {
		case errors.Is(l.err, errHungUp): // also amid a turn of several lines
			return "", io.EOF
		case l.err != nil && (len(turn) == 0 || !errors.Is(l.err, io.EOF)):
			return "", l.err
		}
		text, more := strings.CutSuffix(l.text, `\`)
		if l.err == nil || text != "" {
			turn = append(turn, text)
		}
		if l.err != nil || !more && !l.pasted {
			return strings.TrimRight(strings.Join(turn, "\n"), "\n"), nil
		}
	}
}

// pipedLines are those of a file or a pipe, of any length.
type pipedLines struct{ r *bufio.Reader }

func (p pipedLines) line(string) (string, bool, error) {
	text, err := p.r.ReadString('\n')
	if text != "" && errors.Is(err, io.EOF) {
		err = nil // the last line; the end comes with the next read
	}
	return strings.TrimRight(text, "\r\n"), false, err
}

func (pipedLines) close() error { return nil }

// errHungUp is Ctrl-C and Ctrl-D at the prompt.
var errHungUp = errors.New("the conversation was ended")

// keyboard edits lines on a terminal, with those before them a key away. The
// terminal is raw only while a line is read, so that Ctrl-C is an interrupt
// while an answer is written.
type keyboard struct {
	fd     int
	before *term.State
	term   *term.Terminal
}

func openKeyboard(in io.Reader, out io.Writer) (*keyboard, bool) {
	if !isTerminal(in) || !isTerminal(out) || os.Getenv("TERM") == "dumb" {
		return nil, false
	}
	fd := int(in.(*os.File).Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, false
	}
	return &keyboard{fd: fd, before: before, term: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "")}, true
}

func (k *keyboard) line(prompt string) (string, bool, error) {
	if _, err := term.MakeRaw(k.fd); err != nil {
		return "", false, err
	}
	if width, height, err := term.GetSize(k.fd); err == nil && width > 0 {
		_ = k.term.SetSize(width, height) // the next prompt is drawn for it
	}
	k.term.SetPrompt(prompt)
	k.term.SetBracketedPasteMode(true)
	text, err := k.term.ReadLine()
	k.term.SetBracketedPasteMode(false)
	pasted := errors.Is(err, term.ErrPasteIndicator)
	switch {
	case pasted:
		err = nil
	case errors.Is(err, io.EOF):
		err = errHungUp
		fmt.Fprint(k.term, "\n")
	}
	return text, pasted, errors.Join(err, k.close())
}

func (k *keyboard) close() error { return term.Restore(k.fd, k.before) }
