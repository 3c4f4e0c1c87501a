"""The official client of Python."""

import asyncio

import openai
from ask import serve


def request(ask):
    extra = {"user": ask["user"]} if "user" in ask else {}
    if ask["usage"] and ask["mode"] != "complete":
        extra["stream_options"] = {"include_usage": True}
    return {"model": ask["model"], "messages": ask["messages"], "extra_body": {"rag": ask["rag"]}, **extra}


def connect(ask, kind=openai.OpenAI):
    return kind(base_url=ask["base_url"], api_key="client-key", max_retries=0)


def take(chunk, result, place="chunk"):
    result.look(place, chunk)
    if chunk.usage:
        result.usage = chunk.usage
    for choice in chunk.choices:
        result.answer += choice.delta.content or ""
        result.look(f"{place}.choices[0].delta", choice.delta)


def take_whole(completion, result, place="completion"):
    choice = completion.choices[0]
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop"), choice
    result.answer, result.usage = choice.message.content, completion.usage
    result.look(place, completion)
    result.look(f"{place}.choices[0].message", choice.message)


def stream(ask, result):
    for chunk in connect(ask).chat.completions.create(stream=True, **request(ask)):
        take(chunk, result)


def raw(ask, result):
    response = connect(ask).chat.completions.with_raw_response.create(stream=True, **request(ask))
    assert response.headers["x-rag-request-id"].startswith("req-")
    for chunk in response.parse():
        take(chunk, result)


def helper(ask, result):
    with connect(ask).chat.completions.stream(**request(ask)) as events:
        for event in events:
            if event.type == "chunk":
                take(event.chunk, result, "event.chunk")
        told, result.answer = result.answer, ""
        take_whole(events.get_final_completion(), result, "final")
    assert told == result.answer, f"chunks told {told!r}"


def in_async(ask, result):
    async def run():
        async with connect(ask, openai.AsyncOpenAI) as client:
            async for chunk in await client.chat.completions.create(stream=True, **request(ask)):
                take(chunk, result)

    asyncio.run(run())


def complete(ask, result):
    take_whole(connect(ask).chat.completions.create(**request(ask)), result)


def snippet(ask, result):
    client, messages, answer = connect(ask), ask["messages"], ""
    # snippet
    for chunk in client.chat.completions.create(model="gpt-4o", messages=messages, stream=True):
        if chunk.choices:
            answer += chunk.choices[0].delta.content or ""
        rag = getattr(chunk, "rag", None)
        if rag and rag["type"] == "summary":
            sources = rag["sources"]
    # end
    result.answer = answer
    result.see("snippet", sources)


serve("openai", {"stream": stream, "helper": helper, "async": in_async, "raw": raw, "complete": complete, "snippet": snippet})
