"""Index a file, with nothing but the standard library."""

import json
import urllib.request
import uuid

boundary = uuid.uuid4().hex
with open("notes.md", "rb") as file:
    parts = [
        b'Content-Disposition: form-data; name="collection"\r\n\r\nnotes',
        b'Content-Disposition: form-data; name="file"; filename="notes.md"\r\n\r\n' + file.read(),
    ]
body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary.encode() + b"--\r\n"
request = urllib.request.Request(
    "http://127.0.0.1:8080/v1/rag/documents", data=body,
    headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
)
with urllib.request.urlopen(request) as response:
    result = json.load(response)
print("indexed", result["ids"], "failed", result["failed"])
