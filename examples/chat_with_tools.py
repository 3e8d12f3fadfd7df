"""A conversation in which the model calls a Python function.

python examples/chat_with_tools.py [MODEL]
"""

import sys

import gesso


def weather(city: str) -> str:
    """Weather of a city

    Args:
        city: the city's name
    """
    return "sunny, 24 degrees" if city == "Lisbon" else "rainy, 9 degrees"


model = gesso.load(sys.argv[1] if len(sys.argv) > 1 else "mini")
chat = model.chat(tools=[weather], seed=1)  # the function's docstring and types tell the model what it is
for question in ("How is the weather in Lisbon?", "How is the weather in Oslo?"):
    print("you:  ", question)
    for event in chat.stream(question):
        if event.tool_call:
            print("call: ", event.tool_call.name, event.tool_call.arguments)
        if event.tool_message:
            print("tool: ", event.tool_message["content"])
        if event.reply:
            usage = event.reply.results[-1].usage
            print("model:", event.reply.text)
            print(f"       ({usage.cached_tokens} of {usage.prompt_tokens} prompt tokens were encoded before)")
