package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/internal/breaker"
	"github.com/ragproxy/ragproxy/retrieval"
)

// TestPoliciesAreWired holds the keys degrade.* to the names that retrieval has
// for its stages.
func TestPoliciesAreWired(t *testing.T) {
	stages := []string{
		retrieval.StageRewrite, retrieval.StageEmbed, retrieval.LegVector, retrieval.LegKeyword, retrieval.StageRerank, retrieval.StageIndex,
	}
	for _, stage := range stages {
		want := retrieval.Policies{}
		for _, s := range stages {
			want[s] = s == stage
		}
		got := policies(testConfig(t, map[string]string{"degrade." + stage: config.Fail}).Degrade)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("degrade.%s: fail (-want +got):\n%s", stage, diff)
		}
	}
}

// TestBreakersAreWired has an embedder that fails: after breaker.failures
// queries it is not asked any more.
func TestBreakersAreWired(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusUnauthorized) // which is not tried twice
	}))
	t.Cleanup(srv.Close)
	for failures, want := range map[string]int{"2": 2, "0": 5} {
		asked = 0
		cfg := testConfig(t, map[string]string{"embedding.provider": "openai", "embedding.base_url": srv.URL + "/v1", "breaker.failures": failures})
		e, err := newEmbedder(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if _, err = e.EmbedQuery(t.Context(), "q"); err == nil {
				t.Fatal("got a vector, want an error")
			}
		}
		if asked != want || errors.Is(err, breaker.ErrOpen) != (want < 5) || want < 5 && !strings.Contains(err.Error(), "embedding.base_url") {
			t.Errorf("failures %s: got %d requests and %v, want %d requests", failures, asked, err, want)
		}
	}
}
