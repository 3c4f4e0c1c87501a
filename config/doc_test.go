package config

import (
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const docFile = "../docs/configuration.md"

//go:embed testdata/configuration.md.head
var docHead string

// TestConfigurationDoc holds docs/configuration.md to the tree, its comments
// and its defaults.
func TestConfigurationDoc(t *testing.T) {
	d := docWriter{t: t, comments: readComments(t), variables: map[string]bool{}}
	want := d.write()
	if *update {
		if err := os.WriteFile(docFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/configuration.md is not up to date: run this test with -update (-want +got):\n%s", diff)
	}
	for _, f := range leaves(Default(), "") {
		if !d.variables[envName(f.key)] {
			t.Errorf("docs/configuration.md has no line for %s", f.key)
		}
	}
}

// comment is what the source says of a type or a field. A field without one of
// its own has that of an earlier field, which names both.
type comment struct {
	text string
	at   int // place among the fields of that comment
}

// readComments gives the comments by "Type" and "Type.Field".
func readComments(t *testing.T) map[string]comment {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]comment{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok {
				readTypes(gen, all)
			}
		}
	}
	return all
}

func readTypes(gen *ast.GenDecl, all map[string]comment) {
	for _, spec := range gen.Specs {
		typ, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		all[typ.Name.Name] = comment{text: oneLine(gen.Doc)}
		structure, ok := typ.Type.(*ast.StructType)
		if !ok {
			continue
		}
		var shared []comment
		for _, field := range structure.Fields.List {
			if field.Doc != nil {
				shared = append(shared, comment{text: oneLine(field.Doc)})
			}
			for _, name := range field.Names {
				for i := len(shared) - 1; i >= 0; i-- {
					if !regexp.MustCompile(`\b` + name.Name + `\b`).MatchString(shared[i].text) {
						continue
					}
					all[typ.Name.Name+"."+name.Name] = shared[i]
					shared[i].at++
					break
				}
			}
		}
	}
}

func oneLine(doc *ast.CommentGroup) string { return strings.Join(strings.Fields(doc.Text()), " ") }

type docWriter struct {
	t         *testing.T
	comments  map[string]comment
	variables map[string]bool // that were written
	b         strings.Builder
}

func (d *docWriter) write() string {
	d.b.WriteString(docHead)
	tree := reflect.ValueOf(Default()).Elem()
	d.b.WriteString("\n## Top level\n\n")
	d.table(tree, "")
	for i := range tree.NumField() {
		field := tree.Type().Field(i)
		name := field.Tag.Get("key")
		if name == "" || field.Type.Kind() != reflect.Struct {
			continue
		}
		fmt.Fprintf(&d.b, "\n## %s\n\n%s\n\n", name, d.about(field.Type, name))
		d.table(tree.Field(i), name)
	}
	fmt.Fprintf(&d.b, "\n## aliases\n\nA list; each item is a model name that clients see, with settings of its own. As a variable it is JSON: `RAGPROXY_ALIASES=[{\"name\": \"docs\", \"model\": \"gpt-4o\"}]`.\n\n| member | values | what it is |\n|---|---|---|\n")
	alias := reflect.TypeFor[Alias]()
	for i := range alias.NumField() {
		f := alias.Field(i)
		text, _ := d.meaning(alias, f)
		fmt.Fprintf(&d.b, "| `%s` | %s | %s |\n", f.Tag.Get("key"), kindOf(f.Type), text)
	}
	return d.b.String()
}

// about is what a section is for.
func (d *docWriter) about(typ reflect.Type, name string) string {
	text := d.comments[typ.Name()].text
	if text == "" {
		d.t.Fatalf("type %s has no comment", typ.Name())
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, typ.Name()+" "), "is ")
	text = strings.ReplaceAll(text, "see [Config.Traces]", "[operating.md](operating.md#traces)")
	return strings.ToUpper(text[:1]) + text[1:]
}

func (d *docWriter) table(section reflect.Value, prefix string) {
	d.b.WriteString("| key | variable | values | default | what it is |\n|---|---|---|---|---|\n")
	for i := range section.NumField() {
		f := section.Type().Field(i)
		key := f.Tag.Get("key")
		if key == "" || f.Type.Kind() == reflect.Struct {
			continue
		}
		if prefix != "" {
			key = prefix + "." + key
		}
		text, said := d.meaning(section.Type(), f)
		if key == "aliases" {
			text += " See [aliases](#aliases)."
		}
		switch f.Tag.Get("secret") {
		case "true":
			text += " Secret: never logged, shown by its last four characters at most."
		case "url":
			text += " Secret: shown without its password."
		}
		d.variables[envName(key)] = true
		fmt.Fprintf(&d.b, "| `%s` | `%s` | %s | %s | %s |\n", key, envName(key), d.values(key, f.Type), d.standard(key, section.Field(i), said), text)
	}
}

var (
	code    = regexp.MustCompile(` ?Code uses \[Config\.\w+\]\.`)
	said    = regexp.MustCompile(` ?Default:? ((?:[^.]|\.\S)+)\.`)
	dotted  = regexp.MustCompile("`[^`]+`|\\b[a-z]+(?:_[a-z]+)*\\.[a-z]+(?:_[a-z]+)*\\b")
	section = regexp.MustCompile(`^(upstream|embedding|rewrite|engine|index|documents|retrieval|rerank|prompt|stream|guard|auth|limits|server|tls|cors|load|degrade|breaker|observability)\.`)
)

// meaning is the comment of a field for people who do not read Go, and what it
// says of the default.
func (d *docWriter) meaning(typ reflect.Type, f reflect.StructField) (text, standard string) {
	c := d.comments[typ.Name()+"."+f.Name]
	if c.text == "" {
		d.t.Errorf("%s.%s has no comment", typ.Name(), f.Name)
	}
	text = code.ReplaceAllString(c.text, "")
	if m := said.FindStringSubmatch(text); m != nil {
		text, standard = said.ReplaceAllLiteralString(text, ""), strings.TrimSuffix(m[1], " each")
		if parts := strings.Split(standard, " and "); len(parts) == 2 {
			standard = parts[min(c.at, 1)]
		}
	}
	for i := range typ.NumField() { // the comment names fields; people know keys
		other := typ.Field(i)
		text = regexp.MustCompile(`\b`+other.Name+`\b`).ReplaceAllString(text, "`"+other.Tag.Get("key")+"`")
	}
	own := "`" + f.Tag.Get("key") + "` "
	for _, verb := range []string{"is ", "are "} {
		if rest, ok := strings.CutPrefix(text, own+verb); ok {
			text = rest
		}
	}
	text = dotted.ReplaceAllStringFunc(text, func(word string) string {
		if section.MatchString(word) {
			return "`" + word + "`"
		}
		return word
	})
	return strings.ReplaceAll(strings.ReplaceAll(text, "nil =", "not set ="), "|", `\|`), standard
}

// standard is the default as it is written into a file. What the comment says
// of it must be true; it speaks alone where the tree has nothing before it is
// resolved.
func (d *docWriter) standard(key string, v reflect.Value, said string) string {
	value := fmt.Sprint(v.Interface())
	switch v := v.Interface().(type) {
	case time.Duration:
		value = shortDuration(v)
	case []string, Events, []Alias:
		value = ""
	}
	switch {
	case value == "" && said == "":
		return "empty"
	case value == "":
		return strings.ReplaceAll(said, "|", `\|`)
	case said != "" && said != value && !strings.HasPrefix(said, "`"):
		d.t.Errorf("the comment of %s says that the default is %s, but it is %s", key, said, value)
	}
	return "`" + value + "`"
}

// shortDuration writes 10m, not 10m0s.
func shortDuration(v time.Duration) string {
	s := v.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

var (
	oneOfRule   = regexp.MustCompile(`^must be one of (.*), got `)
	betweenRule = regexp.MustCompile(`^must be between (\S+) and (\S+), got `)
)

// values says what may be written, in the words of the check that refuses
// everything else.
func (d *docWriter) values(key string, typ reflect.Type) string {
	refusal := d.refusal(key)
	if m := oneOfRule.FindStringSubmatch(refusal); m != nil {
		return "`" + strings.ReplaceAll(m[1], ", ", "`, `") + "`"
	}
	if m := betweenRule.FindStringSubmatch(refusal); m != nil {
		low, high := boundary(m[1]), boundary(m[2])
		if high == strconv.Itoa(math.MaxInt32) {
			return kindOf(typ) + ", " + low + " or more"
		}
		return kindOf(typ) + ", " + low + " to " + high
	}
	switch {
	case strings.HasPrefix(refusal, "must be host:port"):
		return "host:port"
	case strings.Contains(refusal, "URL"):
		return "URL"
	case strings.HasPrefix(refusal, "must be a file"):
		return "file"
	}
	return kindOf(typ)
}

func boundary(text string) string {
	if v, err := time.ParseDuration(text); err == nil && text != "0" {
		return shortDuration(v)
	}
	return text
}

// refusal is what the check says of a value of the key that cannot be right, ""
// if there is none.
func (d *docWriter) refusal(key string) string {
	c := Default()
	c.sources, c.DataDir, c.Rerank.Kind = map[string]string{}, d.t.TempDir(), "tei"
	for _, f := range leaves(c, "") {
		if f.key != key {
			continue
		}
		switch field := f.field.(type) {
		case *string:
			*field = "\x01 no such value"
		case *int:
			*field = math.MinInt32
		case *float64:
			*field = math.Inf(-1)
		case *time.Duration:
			*field = math.MinInt64
		case *Bytes:
			*field = math.MinInt64
		}
	}
	for _, p := range c.validate() {
		if p.Key == key {
			return p.Text
		}
	}
	return ""
}

func kindOf(typ reflect.Type) string {
	switch typ {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Bytes]():
		return "size"
	case reflect.TypeFor[[]Alias]():
		return "list"
	}
	switch typ.Kind() {
	case reflect.Slice:
		return "list"
	case reflect.Bool, reflect.Pointer:
		return "true, false"
	case reflect.Int, reflect.Float64:
		return "number"
	}
	return "text"
}
