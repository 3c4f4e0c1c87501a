"""LangChain's ChatOpenAI."""

from ask import EXTRAS, serve
from langchain_openai import ChatOpenAI


def connect(ask):
    extra = {"model_kwargs": {"user": ask["user"]}} if "user" in ask else {}
    return ChatOpenAI(
        base_url=ask["base_url"], api_key="client-key", max_retries=0, model=ask["model"],
        extra_body={"rag": ask["rag"]}, stream_usage=ask["usage"], **extra,
    )


def take(message, result):
    result.answer += message.text
    result.usage = message.usage_metadata or result.usage
    for place in ("additional_kwargs", "response_metadata"):
        for name in EXTRAS:
            if value := getattr(message, place).get(name):
                result.see(f'message.{place}["{name}"]', value)
    for block in message.content_blocks:
        if block["type"] == "reasoning":
            result.see("message.content_blocks: reasoning", block["reasoning"])
        if block.get("annotations"):
            result.see("message.content_blocks: annotations", block["annotations"])


def stream(ask, result):
    for chunk in connect(ask).stream(ask["messages"]):
        take(chunk, result)


def invoke(ask, result):
    take(connect(ask).invoke(ask["messages"]), result)


# snippet
class ChatRAG(ChatOpenAI):
    def _convert_chunk_to_generation_chunk(self, chunk, *args):
        generation = super()._convert_chunk_to_generation_chunk(chunk, *args)
        if generation and chunk.get("rag", {}).get("type") == "summary":
            generation.message.response_metadata["rag"] = chunk["rag"]
        return generation
# end


def snippet(ask, result):
    chat, messages, answer = ChatRAG(base_url=ask["base_url"], api_key="client-key", model="gpt-4o"), ask["messages"], ""
    # snippet
    for chunk in chat.stream(messages):
        answer += chunk.text
        if rag := chunk.response_metadata.get("rag"):
            sources = rag["sources"]
    # end
    result.answer = answer
    result.see("snippet", sources)


serve("langchain-openai", {"stream": stream, "invoke": invoke, "snippet": snippet})
