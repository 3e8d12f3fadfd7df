"""The texts of a dialogue: the prompt, as the package's chat template writes it, and the reply as a model writes it.

The package renders a template in a sandbox that counts its work. Training renders millions of prompts, so plain Jinja
runs the same template here. A test compares both.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

import gesso
from mini.dialogue import Dialogue

TEMPLATE = Path(gesso.__file__).parent / "synth" / "chat_template.jinja"


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _render(messages: list[dict[str, Any]], **variables: Any) -> str:
    return _template().render(messages=messages, bos_token="<bos>", **variables)


def prompt_text(dialogue: Dialogue) -> str:
    return _render(
        dialogue.messages,
        tools=dialogue.tools or None,
        add_generation_prompt=True,
        enable_thinking=dialogue.thinking,
    )


def reply_text(dialogue: Dialogue) -> str:
    """Returns the reply with its markers, up to the end token."""
    thought = f"<|channel>thought\n{dialogue.thought}\n<channel|>" if dialogue.thought else ""
    if dialogue.call is None:
        return f"{thought}{dialogue.text}<turn|>"
    name, arguments = dialogue.call
    message = {"role": "assistant", "tool_calls": [{"function": {"name": name, "arguments": arguments}}]}
    rendered = _render([message])
    return thought + rendered[rendered.index("<|tool_call>") :]
