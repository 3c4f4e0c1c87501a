// Package browser starts Chromium for tests and drives its pages. A test that
// has no browser is skipped.
package browser

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Variable names the browser's program.
const Variable = "RAGPROXY_TEST_BROWSER"

// Start runs the browser until the test ends, or skips the test. Tabs are made
// from its context. Every name but loopback's is unknown to the browser, so
// that no page reaches another machine.
func Start(t testing.TB) context.Context {
	t.Helper()
	path := os.Getenv(Variable)
	if path == "" {
		t.Skip("needs a browser: bash internal/browsertest/install.sh DIR, and " + Variable)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost"),
		chromedp.WSURLReadTimeout(60*time.Second))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start browser: %v", err)
	}
	return ctx
}
