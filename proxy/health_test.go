package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// TestReadyWithEngine: a server that has not reached its engine is not ready;
// one that has lost it is, unless the configuration wants no answers then.
func TestReadyWithEngine(t *testing.T) {
	for _, required := range []bool{false, true} {
		away := errors.New("dial 10.0.0.1")
		s := New(Options{
			Upstream: Upstream{BaseURL: "http://127.0.0.1:1/v1"}, Logger: slog.New(slog.DiscardHandler),
			EngineRequired: required, EngineReady: func(context.Context) error { return away },
		})
		look := func(code int, part string) {
			t.Helper()
			w := serve(s, http.MethodGet, "/readyz", "", "Host", "localhost")
			if w.Code != code || !strings.Contains(w.Body.String(), part) || strings.Contains(w.Body.String(), "10.0.0.1") {
				t.Errorf("required %t: got %d %s, want %d with %s and no word of where it is", required, w.Code, w.Body, code, part)
			}
		}
		look(503, `"code":"engine_unavailable"`)
		away = nil
		look(200, `"ok"`)
		away = errors.New("dial 10.0.0.1")
		if required {
			look(503, `"code":"engine_unavailable"`)
		} else {
			look(200, `"degraded"`)
		}
		s.stopping.Store(true)
		look(503, `"code":"not_ready"`)
	}
}
