package config

import (
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
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
	fmt.Fprintf(&d.b, "\n## aliases\n\nA list; each item is a model name that clients see, with settings of its own. As a variable it is JSON: `RAGPROXY_ALIASES=[{\"name\": \"docs\", \"model\": \"gpt-4o\"}]`.\n\n| member | type | what it is |\n|---|---|---|\n")
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
	d.b.WriteString("| key | variable | type | default | what it is |\n|---|---|---|---|---|\n")
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
		if f.Tag.Get("secret") == "true" {
			text += " Secret: never shown or logged."
		}
		d.variables[envName(key)] = true
		fmt.Fprintf(&d.b, "| `%s` | `%s` | %s | %s | %s |\n", key, envName(key), kindOf(f.Type), d.standard(key, section.Field(i), said), text)
	}
}

var (
	code    = regexp.MustCompile(` ?Code uses \[Config\.\w+\]\.`)
	said    = regexp.MustCompile(` ?Default:? ((?:[^.]|\.\S)+)\.`)
	dotted  = regexp.MustCompile("`[^`]+`|\\b[a-z]+(?:_[a-z]+)*\\.[a-z]+(?:_[a-z]+)*\\b")
	section = regexp.MustCompile(`^(upstream|embedding|rewrite|index|documents|retrieval|rerank|prompt|stream|guard|auth|limits|server|tls|cors|load|degrade|breaker|observability)\.`)
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

func shortDuration(v time.Duration) string {
	s := v.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	return s
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
