from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="your upstream's key")
stream = client.chat.completions.create(
    model="gpt-4o-mini", stream=True,
    messages=[{"role": "user", "content": "How do I retry?"}],
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="")
    rag = getattr(chunk, "rag", None)
    if rag and rag["type"] == "summary":
        print("\n\n" + "\n".join(f"[{s['n']}] {s['title']} {s['link']}" for s in rag["sources"]))
