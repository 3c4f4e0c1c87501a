package load

import (
	"bytes"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// textNames are files that are text by their name, in lower case: they have no
// extension, or, behind a dot or a dash, one that tells no format
// (LICENSE-MIT, Dockerfile.dev).
func textNames() []string {
	return []string{
		"readme", "license", "licence", "copying", "copyright", "notice", "patents", "authors", "contributors", "maintainers", "owners", "codeowners",
		"credits", "thanks", "changelog", "changes", "history", "news", "releases", "version", "todo", "bugs", "faq", "install", "hacking", "contributing", "security", "upgrading",
		"makefile", "gnumakefile", "justfile", "dockerfile", "containerfile", "vagrantfile", "jenkinsfile", "procfile", "caddyfile", "tiltfile", "earthfile",
		"rakefile", "gemfile", "guardfile", "brewfile", "podfile", "fastfile", "pipfile", "build", "workspace", "sconstruct", "sconscript", "kconfig",
	}
}

// formatOfFile finds the format of a file by its extension, or by a name that
// is known for text.
func formatOfFile(name string) (format, bool) {
	if f, ok := formatByExtension(name); ok {
		return f, true
	}
	base := strings.ToLower(path.Base(name))
	if i := strings.IndexAny(base, ".-_"); i > 0 && !binaryExtension(base) {
		base = base[:i]
	}
	if slices.Contains(textNames(), base) {
		return formatByName("text"), true
	}
	return format{}, false
}

// sniffed is how much of a file is looked at to see whether it is text.
const sniffed = 64 << 10

// isTextFile says whether a file that has been named is UTF-8 text, as far as its
// beginning tells, whose name does not say that it is something else.
func isTextFile(file string) bool {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || binaryExtension(file) {
		return false
	}
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, sniffed))
	if err != nil || bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	if len(head) == sniffed { // a character may be cut at the end
		for i := 0; i < utf8.UTFMax && !utf8.Valid(head); i++ {
			head = head[:len(head)-1]
		}
	}
	return utf8.Valid(head)
}

// binaryExtension: what such a file holds is no text for people, even where
// its bytes are.
func binaryExtension(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".bin", ".dat", ".exe", ".dll", ".so", ".dylib", ".a", ".o", ".obj", ".class", ".jar", ".war", ".wasm", ".pyc", ".db", ".sqlite",
		".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".bmp", ".ico", ".tif", ".tiff", ".psd", ".svg",
		".mp3", ".mp4", ".wav", ".ogg", ".flac", ".avi", ".mov", ".mkv", ".webm", ".woff", ".woff2", ".ttf", ".otf", ".eot",
		".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".iso", ".dmg", ".deb", ".rpm",
		".doc", ".xls", ".ppt", ".rtf", ".ps", ".pem", ".key", ".p12", ".pfx", ".der":
		return true
	}
	return false
}
