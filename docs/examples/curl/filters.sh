# A collection by header, and a filter in the body.
curl http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' \
  -H 'X-RAG-Collection: notes' -H 'X-RAG-Top-K: 2' -d '{
  "model": "gpt-4o-mini", "rag": {"filters": {"document_id": "notes.md"}},
  "messages": [{"role": "user", "content": "How do I retry?"}]}'
