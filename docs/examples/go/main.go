// Command go asks a running ragproxy with OpenAI's client for Go:
//
//	go run ./docs/examples/go stream|complete|filters|upload|search
package main

import (
	"context"
	"fmt"
	"os"
)

func main() {
	examples := map[string]func(context.Context) error{
		"stream": stream, "complete": complete, "filters": filters, "upload": upload, "search": search,
	}
	if len(os.Args) != 2 || examples[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: go stream|complete|filters|upload|search")
		os.Exit(2)
	}
	if err := examples[os.Args[1]](context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
