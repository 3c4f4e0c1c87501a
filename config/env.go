package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"
)

// variable is one variable of the environment or of .env.
type variable struct {
	value  string
	source string // "env: NAME" or ".env: NAME"
	dotenv bool
}

type variables map[string]variable

// readVariables merges .env below the environment. The process's environment is
// not changed. A variable that is set but empty hides the one in .env: that is
// how to switch one off for a single run.
func readVariables(o LoadOptions) (variables, error) {
	vars := variables{}
	path := filepath.Join(o.Dir, ".env")
	file, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read .env: %w", err)
	}
	fromFile, err := godotenv.UnmarshalBytes(file)
	if err != nil {
		// godotenv's own text quotes the rest of the file, secrets and all.
		return nil, fmt.Errorf("parse %s: a line is not NAME=value, or a quote is not closed", path)
	}
	for name, value := range fromFile {
		vars[name] = variable{value: strings.TrimSpace(value), source: ".env: " + name, dotenv: true}
	}
	for _, entry := range o.Env {
		name, value, _ := strings.Cut(entry, "=")
		vars[name] = variable{value: strings.TrimSpace(value), source: "env: " + name}
	}
	if o.IgnoreOpenAI {
		delete(vars, "OPENAI_API_KEY")
		delete(vars, "OPENAI_BASE_URL")
	}
	return vars, nil
}

// home is the user's home folder, "" if unknown.
func (vars variables) home() string {
	if dir := vars["HOME"].value; dir != "" {
		return dir
	}
	return vars["USERPROFILE"].value
}

// folder is an XDG base folder: the variable's value, else below the home
// folder, "" if that is unknown. The specification wants relative values
// ignored (XDG Base Directory 0.8).
func (vars variables) folder(name, belowHome string) string {
	if dir := vars[name].value; filepath.IsAbs(dir) {
		return dir
	}
	if home := vars.home(); home != "" {
		return filepath.Join(home, belowHome)
	}
	return ""
}

// path expands a leading ~/, which no shell does inside a file, and joins a
// relative path to the working folder.
func (vars variables) path(dir, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && vars.home() != "" {
		return filepath.Join(vars.home(), rest)
	}
	if path == "" || dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
