# Index a file.
curl http://127.0.0.1:8080/v1/rag/documents -F file=@notes.md -F collection=notes
