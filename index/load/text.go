package load

import (
	"context"

	"github.com/ragproxy/ragproxy/index"
)

// textExtensions are the files taken as they are: text, configuration and
// source code.
func textExtensions() []string {
	return []string{
		".txt", ".text", ".rst", ".adoc", ".asciidoc", ".org", ".tex", ".log",
		".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".xml", ".proto", ".graphql",
		".go", ".py", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".java", ".kt", ".kts", ".scala", ".groovy",
		".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".cs", ".fs", ".swift", ".m", ".rs", ".zig",
		".rb", ".php", ".pl", ".pm", ".lua", ".r", ".jl", ".dart", ".ex", ".exs", ".erl", ".hs", ".ml", ".clj", ".lisp", ".el",
		".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat", ".sql", ".css", ".scss", ".less", ".vue", ".svelte",
		".tf", ".gradle", ".cmake", ".mk", ".dockerfile",
	}
}

// loadText takes a text as it is, under its file's name.
func loadText(_ context.Context, in input, opts Options) (index.Document, error) {
	text, err := readText(in, opts)
	if err != nil {
		return index.Document{}, err
	}
	return index.Document{ID: in.id, URL: in.url, Title: in.name, Text: text}, nil
}
