// Index a file.
import { readFile } from "node:fs/promises";

const form = new FormData();
form.set("collection", "notes");
form.set("file", new Blob([await readFile("notes.md")]), "notes.md");
const response = await fetch("http://127.0.0.1:8080/v1/rag/documents", { method: "POST", body: form });
if (!response.ok) throw new Error(await response.text());
const result = await response.json();
console.log("indexed", result.ids, "failed", result.failed);
