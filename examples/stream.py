"""Shows an answer while it settles.

python examples/stream.py [MODEL]
"""

import sys

import gesso

model = gesso.load(sys.argv[1] if len(sys.argv) > 1 else "mini")
assert model.tokenizer is not None
question = "What can you do?"
prompt = model.tokenizer.apply_chat_template([{"role": "user", "content": question}], tokenize=True)

text = ""
for event in model.stream(prompt, seed=1):
    if event.draft:  # nothing of a draft is certain
        print(f"canvas {event.canvas}, step {event.step}, {event.entropy:.3f} nats: {text + event.draft!r}")
    text += event.delta  # final: it never changes again
    if event.result is not None:  # the last event
        print(f"{event.result.finish_reason}, {event.result.usage.completion_tokens} tokens: {text}")
