"""A FastAPI server that sends answers as they come, as server-sent events.

uvicorn --app-dir examples --factory server:make_app     serves on http://127.0.0.1:8000
python examples/server.py [MODEL]                        asks it once, without a network
"""

import json
import sys
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

import gesso


class Question(BaseModel):
    text: str = Field(max_length=10_000)
    seed: int = Field(0, ge=0, lt=2**64)


def make_app(name: str = "mini") -> FastAPI:
    app = FastAPI()
    model = gesso.load(name)
    assert model.tokenizer is not None
    tokenizer = model.tokenizer

    async def events(question: Question) -> AsyncIterator[str]:
        prompt = tokenizer.apply_chat_template([{"role": "user", "content": question.text}], tokenize=True)
        try:
            async for event in model.astream(prompt, seed=question.seed, timeout=60):
                if event.delta:
                    yield f"data: {json.dumps({'text': event.delta})}\n\n"
                if event.result is not None:
                    yield f"event: end\ndata: {json.dumps({'finish_reason': event.result.finish_reason})}\n\n"
        except (ValueError, RuntimeError, TimeoutError) as error:  # too long a question, or too slow an answer
            yield f"event: error\ndata: {json.dumps({'error': str(error)})}\n\n"

    @app.post("/answer")
    async def answer(question: Question) -> StreamingResponse:
        # Requests share the passes over the weights. If a client goes away, its request is cancelled.
        return StreamingResponse(events(question), media_type="text/event-stream")

    return app


if __name__ == "__main__":
    client = TestClient(make_app(*sys.argv[1:2]))
    with client.stream("POST", "/answer", json={"text": "What can you do?", "seed": 1}) as response:
        for line in response.iter_lines():
            print(line)
