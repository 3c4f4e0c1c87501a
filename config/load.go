package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// LoadOptions says what [Load] reads.
type LoadOptions struct {
	// File is the config file that the user named; it must exist. Empty:
	// ragproxy.yaml in Dir, else ragproxy/ragproxy.yaml in $XDG_CONFIG_HOME
	// (~/.config), else none. The extension says the format: .yaml, .yml, .toml
	// or .json; without one it is YAML.
	File string
	// Env is the environment as os.Environ gives it.
	Env []string
	// Dir is the working folder, where .env and ragproxy.yaml are looked for and
	// to which relative paths refer; empty is the process's own.
	Dir string
	// Flags are the values given on the command line, by config key; see
	// [FromFlags].
	Flags map[string]string
	// IgnoreOpenAI reads as if OPENAI_API_KEY and OPENAI_BASE_URL were not set.
	IgnoreOpenAI bool
}

// FromFlags collects the flags that the user gave, for LoadOptions.Flags.
// keyOf maps a flag's name to its config key; other flags are left out.
func FromFlags(flags *pflag.FlagSet, keyOf map[string]string) map[string]string {
	given := map[string]string{}
	flags.Visit(func(f *pflag.Flag) {
		key, ok := keyOf[f.Name]
		if !ok {
			return
		}
		given[key] = f.Value.String()
		// A list flag's String is "[a,b]".
		if list, ok := f.Value.(pflag.SliceValue); ok {
			given[key] = strings.Join(list.GetSlice(), ",")
		}
	})
	return given
}

// Load reads and checks the configuration. The strings are warnings for the
// user, also when there is an error. The error is an [*Error] if the values are
// at fault, and another if a file cannot be read or parsed.
func Load(o LoadOptions) (*Config, []string, error) {
	env, err := readVariables(o)
	if err != nil {
		return nil, nil, err
	}
	c := Default()
	c.sources = map[string]string{}
	l := &loader{v: viper.New(), c: c, leaves: leaves(c, "")}
	if c.file, err = findFile(o, env); err != nil {
		return nil, nil, err
	}
	if c.file != "" {
		if err := l.readFile(c.file); err != nil {
			return nil, nil, err
		}
	}
	l.readEnv(env)
	if err := l.readFlags(o.Flags); err != nil {
		return nil, nil, err
	}
	l.fill()
	l.warnings = append(l.warnings, c.resolve(o.Dir, env)...)
	if problems := append(l.problems, c.validate()...); len(problems) > 0 {
		return nil, l.warnings, &Error{Problems: problems}
	}
	return c, l.warnings, nil
}

// loader carries one Load. Viper holds the layers: the file as its config, the
// environment and then the flags as overrides. Viper's own AutomaticEnv is not
// used: it reads the process's environment only, and misses keys without a
// default.
type loader struct {
	v        *viper.Viper
	c        *Config
	leaves   []leaf
	problems []Problem
	warnings []string
}

func (l *loader) keys() []string {
	keys := make([]string, len(l.leaves))
	for i, f := range l.leaves {
		keys[i] = f.key
	}
	return keys
}

func findFile(o LoadOptions, env variables) (string, error) {
	if o.File != "" {
		return o.File, nil
	}
	candidates := []string{filepath.Join(o.Dir, "ragproxy.yaml")}
	if dir := env.folder("XDG_CONFIG_HOME", ".config"); dir != "" {
		candidates = append(candidates, filepath.Join(dir, "ragproxy", "ragproxy.yaml"))
	}
	for _, path := range candidates {
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find config file: %w", err)
		}
	}
	return "", nil
}

func (l *loader) readFile(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read config file: %w", err)
	}
	format := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	if format == "" {
		format = "yaml"
	}
	if !slices.Contains([]string{"yaml", "yml", "toml", "json"}, format) {
		return fmt.Errorf("read config file %s: the extension must be .yaml, .yml, .toml or .json", path)
	}
	return l.parseFile(path, format, raw)
}

func (l *loader) parseFile(path, format string, raw []byte) error {
	decoder, err := viper.NewCodecRegistry().Decoder(format)
	if err != nil {
		return fmt.Errorf("parse config file %s: %w", path, err)
	}
	tree := map[string]any{}
	if err := decoder.Decode(raw, tree); err != nil {
		return fmt.Errorf("parse config file %s: %w", path, err)
	}
	given := map[string]any{}
	l.flatten(path, tree, "", given)
	l.checkFileKeys(path, given)
	if err := l.v.MergeConfigMap(tree); err != nil {
		return fmt.Errorf("merge config file %s: %w", path, err)
	}
	return nil
}

// flatten lists a file's keys as viper sees them: dotted and in lower case. Viper
// takes Listen and listen, or retrieval.top_k and top_k below retrieval, for
// one key, and which of the two values wins is chance: given twice is refused.
func (l *loader) flatten(path string, tree map[string]any, prefix string, given map[string]any) {
	for name, value := range tree {
		key := strings.ToLower(name)
		if prefix != "" {
			key = prefix + "." + key
		}
		if section, ok := value.(map[string]any); ok && len(section) > 0 {
			l.flatten(path, section, key, given)
			continue
		}
		if _, twice := given[key]; twice {
			l.problems = append(l.problems, Problem{key, fmt.Sprintf("is given twice in %s, perhaps once in capitals", path)})
		}
		given[key] = value
	}
}

func (l *loader) checkFileKeys(path string, given map[string]any) {
	known := l.keys()
	for _, key := range sortedKeys(given) {
		parent, _, _ := cutLast(key)
		isSection := slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, key+".") })
		empty, isMap := given[key].(map[string]any)
		switch {
		case slices.Contains(known, key):
			l.c.sources[key] = path
		case slices.Contains(known, parent):
			l.c.sources[parent] = path // decoding will say that it is no section
		case isSection && (given[key] == nil || isMap && len(empty) == 0):
			// `retrieval:` with everything below it commented out
		case isSection:
			l.problems = append(l.problems, Problem{key, fmt.Sprintf("is a section with keys of its own, got %s (%s)", kind(given[key]), path)})
		default:
			text := fmt.Sprintf("unknown key in %s", path)
			if guess := nearest(key, known); guess != "" {
				text += fmt.Sprintf("; did you mean %s?", guess)
			}
			l.problems = append(l.problems, Problem{key, text})
		}
	}
}

// clientKey is no key of the tree: clients of a server read it.
const clientKey = envPrefix + "KEY"

func (l *loader) readEnv(env variables) {
	keyOf := map[string]string{}
	for _, key := range l.keys() {
		keyOf[envName(key)] = key
	}
	names := sortedKeys(keyOf)
	for _, name := range sortedKeys(env) {
		v := env[name]
		if !strings.HasPrefix(name, envPrefix) || name == clientKey {
			continue
		}
		key, ok := keyOf[name]
		if !ok {
			text := "unknown variable is ignored: " + v.source
			if guess := nearest(name, names); guess != "" {
				text += fmt.Sprintf("; did you mean %s?", guess)
			}
			l.warnings = append(l.warnings, text)
			continue
		}
		if v.value == "" {
			continue
		}
		l.v.Set(key, v.value)
		l.c.sources[key] = v.source
	}
}

func (l *loader) readFlags(flags map[string]string) error {
	known := l.keys()
	for _, key := range sortedKeys(flags) {
		if !slices.Contains(known, key) {
			return fmt.Errorf("bind flag: no config key %q", key)
		}
		l.v.Set(key, flags[key])
		l.c.sources[key] = "flag"
	}
	return nil
}

// fill decodes each key's winning value into the tree.
func (l *loader) fill() {
	for _, f := range l.leaves {
		raw := l.v.Get(f.key)
		if raw == nil { // not given, or null in the file
			delete(l.c.sources, f.key)
			continue
		}
		if aliases, ok := f.field.(*[]Alias); ok {
			*aliases = l.aliases(f.key, raw)
			continue
		}
		if err := decode(raw, f.field); err != nil {
			l.problem(f.key, err.Error())
		}
	}
}

func (l *loader) aliases(key string, raw any) []Alias {
	sections, err := toMaps(raw)
	if err != nil {
		l.problem(key, err.Error())
		return nil
	}
	out := make([]Alias, len(sections))
	for i, section := range sections {
		l.alias(fmt.Sprintf("%s[%d]", key, i), section, &out[i])
	}
	return out
}

func (l *loader) alias(prefix string, section map[string]any, into *Alias) {
	fields := leaves(into, "")
	for _, name := range sortedKeys(section) {
		key := prefix + "." + name
		i := slices.IndexFunc(fields, func(f leaf) bool { return f.key == strings.ToLower(name) })
		if i < 0 {
			text := "unknown key"
			var known []string
			for _, f := range fields {
				known = append(known, f.key)
			}
			if guess := nearest(name, known); guess != "" {
				text += fmt.Sprintf("; did you mean %s?", guess)
			}
			l.problem(key, text)
			continue
		}
		if section[name] == nil {
			continue
		}
		if err := decode(section[name], fields[i].field); err != nil {
			l.problem(key, err.Error())
		}
	}
}

func (l *loader) problem(key, text string) {
	l.problems = append(l.problems, l.c.problem(key, text))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
