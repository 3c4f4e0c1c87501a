"""The hits, without any model."""

import json
import urllib.request

request = urllib.request.Request(
    "http://127.0.0.1:8080/v1/rag/search",
    data=json.dumps({"query": "How do I retry?", "collection": "notes", "top_k": 2}).encode(),
    headers={"Content-Type": "application/json"},
)
with urllib.request.urlopen(request) as response:
    for hit in json.load(response)["data"]:
        print(hit["rank"], round(hit["score"], 3), hit["title"], hit["id"])
