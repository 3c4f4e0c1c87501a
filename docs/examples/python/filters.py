"""A collection by header, and a filter in the body."""

from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="your upstream's key")
completion = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "How do I retry?"}],
    extra_headers={"X-RAG-Collection": "notes", "X-RAG-Top-K": "2"},
    extra_body={"rag": {"filters": {"document_id": "notes.md"}}},
)
print(completion.choices[0].message.content)
for source in completion.rag["sources"]:
    print(f"[{source['n']}] {source['title']} {source['link']}")
