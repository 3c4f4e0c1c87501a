# The hits, without any model.
curl http://127.0.0.1:8080/v1/rag/search -H 'Content-Type: application/json' \
  -d '{"query": "How do I retry?", "collection": "notes", "top_k": 2}'
