package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
)

// upload indexes a file.
func upload(ctx context.Context) error {
	text, err := os.ReadFile("notes.md")
	if err != nil {
		return err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("collection", "notes"); err != nil {
		return err
	}
	part, err := form.CreateFormFile("file", "notes.md")
	if err != nil {
		return err
	}
	part.Write(text) // into memory
	form.Close()
	var result struct {
		IDs    []string
		Failed []any
	}
	if err := post(ctx, "http://127.0.0.1:8080/v1/rag/documents", form.FormDataContentType(), &body, &result); err != nil {
		return err
	}
	fmt.Println("indexed", result.IDs, "failed", result.Failed)
	return nil
}

// search prints the hits, without any model.
func search(ctx context.Context) error {
	var result struct {
		Data []struct {
			Rank      int
			Score     float64
			Title, ID string
		}
	}
	query := strings.NewReader(`{"query": "How do I retry?", "collection": "notes", "top_k": 2}`)
	if err := post(ctx, "http://127.0.0.1:8080/v1/rag/search", "application/json", query, &result); err != nil {
		return err
	}
	for _, hit := range result.Data {
		fmt.Printf("%d %.3f %s %s\n", hit.Rank, hit.Score, hit.Title, hit.ID)
	}
	return nil
}

func post(ctx context.Context, url, contentType string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return json.Unmarshal(answer, into)
}
