# Not streamed: the sources are in the answer's `rag`.
curl http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' -d '{
  "model": "gpt-4o-mini",
  "messages": [{"role": "user", "content": "How do I retry?"}]}'
