package ostest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/internal/ostest"
)

const vectors = `{"settings": {"index": {"knn": true, "number_of_replicas": 1}}, "mappings": {"properties": {"v": {"type": "knn_vector",
	"dimension": 2, "method": {"name": "hnsw", "engine": "lucene", "space_type": "innerproduct"}}}}}`

func TestCluster(t *testing.T) {
	cluster := ostest.Start(t, ostest.Options{Nodes: 3})
	urls := strings.Split(cluster.URL(), ",")
	call(t, http.MethodPut, urls[0]+"/x", vectors)
	call(t, http.MethodPut, urls[1]+"/x/_doc/1?refresh=true", `{"v": [1, 0]}`)
	cluster.Green(t)
	cluster.Kill(t, 0)
	if resp, err := http.Get(urls[0]); err == nil {
		resp.Body.Close()
		t.Fatal("got an answer of a killed node, want none")
	}
	find := func(url string) {
		t.Helper()
		if got := call(t, http.MethodPost, url+"/x/_search", `{"query": {"knn": {"v": {"vector": [1, 0], "k": 1}}}}`); !strings.Contains(got, `"_score":2.0`) {
			t.Errorf("got %s, want a hit", got)
		}
	}
	find(urls[1])
	cluster.Restart(t, 0)
	cluster.Green(t)
	find(urls[0])
}

func call(t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s, %v", method, url, resp.Status, b, err)
	}
	return string(b)
}
