package lexical

import (
	"fmt"
	"slices"
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/lang/ar"
	"github.com/blevesearch/bleve/v2/analysis/lang/da"
	"github.com/blevesearch/bleve/v2/analysis/lang/de"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"
	"github.com/blevesearch/bleve/v2/analysis/lang/es"
	"github.com/blevesearch/bleve/v2/analysis/lang/fa"
	"github.com/blevesearch/bleve/v2/analysis/lang/fi"
	"github.com/blevesearch/bleve/v2/analysis/lang/fr"
	"github.com/blevesearch/bleve/v2/analysis/lang/hi"
	"github.com/blevesearch/bleve/v2/analysis/lang/hu"
	"github.com/blevesearch/bleve/v2/analysis/lang/in"
	"github.com/blevesearch/bleve/v2/analysis/lang/it"
	"github.com/blevesearch/bleve/v2/analysis/lang/nl"
	"github.com/blevesearch/bleve/v2/analysis/lang/no"
	"github.com/blevesearch/bleve/v2/analysis/lang/pt"
	"github.com/blevesearch/bleve/v2/analysis/lang/ro"
	"github.com/blevesearch/bleve/v2/analysis/lang/ru"
	"github.com/blevesearch/bleve/v2/analysis/lang/sv"
	"github.com/blevesearch/bleve/v2/analysis/lang/tr"
	"github.com/blevesearch/bleve/v2/analysis/token/apostrophe"
	"github.com/blevesearch/bleve/v2/registry"
)

// language is what an analyzer does to words beside what all do: filters of
// bleve's registry, in the order in which bleve's own analyzer has them.
type language struct {
	name   string
	before []string // before stop words are dropped
	stop   string
	after  []string
}

func languages() []language {
	list := func(names ...string) []string { return names }
	return []language{
		{defaultName, nil, en.StopName, list(en.SnowballStemmerName)},
		{"standard", nil, "", nil},
		{"ar", nil, ar.StopName, list(ar.NormalizeName, ar.StemmerName)},
		{"da", nil, da.StopName, list(da.SnowballStemmerName)},
		{"de", nil, de.StopName, list(de.NormalizeName, de.LightStemmerName)},
		{"es", nil, es.StopName, list(es.NormalizeName, es.LightStemmerName)},
		{"fa", list(ar.NormalizeName, fa.NormalizeName), fa.StopName, nil},
		{"fi", nil, fi.StopName, list(fi.SnowballStemmerName)},
		{"fr", list(fr.ElisionName), fr.StopName, list(fr.LightStemmerName)},
		{"hi", list(in.NormalizeName, hi.NormalizeName), hi.StopName, list(hi.StemmerName)},
		{"hu", nil, hu.StopName, list(hu.SnowballStemmerName)},
		{"it", list(it.ElisionName), it.StopName, list(it.LightStemmerName)},
		{"nl", nil, nl.StopName, list(nl.SnowballStemmerName)},
		{"no", nil, no.StopName, list(no.SnowballStemmerName)},
		{"pt", nil, pt.StopName, list(pt.LightStemmerName)},
		{"ro", nil, ro.StopName, list(ro.SnowballStemmerName)},
		{"ru", nil, ru.StopName, list(ru.SnowballStemmerName)},
		{"sv", nil, sv.StopName, list(sv.SnowballStemmerName)},
		{"tr", list(apostrophe.Name), tr.StopName, list(tr.SnowballStemmerName)},
	}
}

// Analyzers are the names that Options.Analyzer may have: "default" (English
// stems and stop words), "standard" (words as they are) and languages by their
// ISO 639-1 code. All of them take text of every script, Chinese, Japanese,
// Korean and Thai among them, and take identifiers apart.
func Analyzers() []string {
	var names []string
	for _, l := range languages() {
		names = append(names, l.name)
	}
	return names
}

// languageFilters returns the filters of a language by name.
func languageFilters(name string) ([]analysis.TokenFilter, error) {
	all := languages()
	at := slices.IndexFunc(all, func(l language) bool { return l.name == name })
	if at < 0 {
		return nil, fmt.Errorf("no analyzer %q: write one of %s", name, strings.Join(Analyzers(), ", "))
	}
	l := all[at]
	named := registry.NewCache()
	var filters []analysis.TokenFilter
	for _, name := range slices.Concat(l.before, []string{l.stop}, l.after) {
		if name == "" {
			continue
		}
		filter, err := named.TokenFilterNamed(name)
		if err != nil {
			return nil, err
		}
		if name == l.stop {
			filter = stopWords{filter}
		}
		filters = append(filters, filter)
	}
	return filters, nil
}

// stopWords drops stop words, but not from a text that is nothing else: "to be
// or not to be" is found by the same words.
type stopWords struct{ filter analysis.TokenFilter }

func (s stopWords) Filter(tokens analysis.TokenStream) analysis.TokenStream {
	all := slices.Clone(tokens) // the filter works in place
	if kept := s.filter.Filter(tokens); len(kept) > 0 {
		return kept
	}
	return all
}
