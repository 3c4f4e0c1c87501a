// The hits, without any model.
const response = await fetch("http://127.0.0.1:8080/v1/rag/search", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ query: "How do I retry?", collection: "notes", top_k: 2 }),
});
if (!response.ok) throw new Error(await response.text());
for (const hit of (await response.json()).data) console.log(hit.rank, hit.score.toFixed(3), hit.title, hit.id);
