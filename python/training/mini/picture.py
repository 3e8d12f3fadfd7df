"""A picture of a reply that settles: a row for each denoising step, as SVG. README.md shows it.

    python python/training/mini/picture.py

lets the bundled model answer, and writes docs/mini.svg. `bundle_mini.py` does it, too.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from pathlib import Path

import gesso

ROOT = Path(__file__).resolve().parents[3]
BUNDLED, PICTURE = ROOT / "python/gesso/bundled/mini.gguf", ROOT / "docs/mini.svg"
QUESTION = "What is the capital of France?"
SEED = 2
COLUMNS = 96  # characters of a row
CHARACTER, ROW, MARGIN = 8.4, 22, 14  # pixels; a character is 0.6 of the font's 14
CERTAIN, UNCERTAIN, LABEL = "#1a1a1a", "#b0b0b0", "#0072b2"

# A thought is shown in brackets. Its header and its end are two tokens each, which may settle one by one.
MARKERS = {"<|channel>": "[", "thought\n": "", "\n<channel|>": "] ", "<channel|>": "] ", "<pad>": "", "\n": " "}

Piece = tuple[str, bool]  # a text, and whether its tokens are accepted


def settle(model: gesso.Model, question: str, seed: int) -> list[list[Piece]]:
    """Returns the pieces of each step, and at last those of the reply. A thinking model answers."""
    tokenizer, steps = model.tokenizer, gesso.Steps(model)
    assert tokenizer is not None
    messages = [{"role": "user", "content": question}]
    prompt = tokenizer.apply_chat_template(messages, enable_thinking=True, tokenize=True)
    length = model.config.canvas_length
    ids = model.generate(prompt, max_new_tokens=length, seed=seed, on_step=steps)[0].ids
    reply = (_visible(tokenizer.decode(ids, skip_special_tokens=False)), True)
    return [*(_pieces(canvas) for canvas in steps), [reply]]


def _pieces(canvas: gesso.Canvas) -> list[Piece]:
    """What stands in front of the first accepted end token."""
    pairs = list(zip(canvas.tokens, canvas.accepted, strict=True))[: canvas.length]
    return [
        (_visible("".join(token for token, _ in group)), ok) for ok, group in groupby(pairs, key=lambda pair: pair[1])
    ]


def _visible(text: str) -> str:
    for marker, shown in MARKERS.items():
        text = text.replace(marker, shown)
    return "".join(character if character.isprintable() else "\u00b7" for character in text)


def _row(label: str, pieces: list[Piece], y: float) -> str:
    spans, room = [f'<tspan fill="{LABEL}">{escape(label):8}</tspan>'], COLUMNS
    for text, ok in pieces:
        spans.append(f'<tspan fill="{CERTAIN if ok else UNCERTAIN}">{escape(text[:room])}</tspan>')
        room -= len(text)
        if room <= 0:
            spans.append(f'<tspan fill="{UNCERTAIN}">\u2026</tspan>')
            break
    return f'<text x="{MARGIN}" y="{y}" xml:space="preserve">{"".join(spans)}</text>'


def svg(question: str, rows: list[list[Piece]]) -> str:
    """rows: of `settle`."""
    labels = [f"step {i}" for i in range(1, len(rows))] + ["reply"]
    lines = [_row("", [(f"> {question}", True)], MARGIN + ROW / 2)]
    lines += [
        _row(label, pieces, MARGIN + ROW * (i + 2)) for i, (label, pieces) in enumerate(zip(labels, rows, strict=True))
    ]
    width, height = 2 * MARGIN + (COLUMNS + 10) * CHARACTER, 2 * MARGIN + ROW * (len(rows) + 1.5)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
            f' font-family="monospace" font-size="14">',
            f'<rect width="{width:.0f}" height="{height:.0f}" rx="6" fill="#f7f7f4"/>',
            *lines,
            "</svg>\n",
        ]
    )


def picture(model: gesso.Model) -> str:
    return svg(QUESTION, settle(model, QUESTION, SEED))


def draw() -> None:
    PICTURE.write_text(picture(gesso.load(BUNDLED, "cpu")), encoding="utf-8")


if __name__ == "__main__":
    draw()
