"""HTML for notebooks: no script, nothing from outside, and every text escaped, since models and files may be hostile.

Colours are translucent, and texts have the notebook's own colour, so that they can be read in dark and light themes.
"""

from __future__ import annotations

import html
import math
import secrets
from collections.abc import Iterable, Sequence
from itertools import groupby

from gesso import _native
from gesso.measure.text import show_bytes, visible
from gesso.notebook.canvas import Canvas

NUM_LEVELS = 10  # of confidence; each is a class of the style
MOST_OPACITY = 0.55  # of the colour of a token that nothing is known of
MOST_STEPS = 200  # that are shown of a generation; of more, every second one, or every third one ...
LEGEND = "The stronger its colour, the less certain is a token. Dotted tokens are not accepted yet."

_LEVELS = "".join(
    f".gesso-{level}{{background:rgba(230,120,0,{MOST_OPACITY * (1 - level / (NUM_LEVELS - 1)):.2f})}}"
    for level in range(NUM_LEVELS)
)
STYLE = f"""<style>
.gesso{{border:1px solid rgba(128,128,128,.4);border-radius:6px;padding:8px 12px;margin:2px 0;max-width:60em;
color:inherit;overflow-wrap:anywhere}}
.gesso-text{{white-space:pre-wrap;font-family:monospace;line-height:1.6;margin:4px 0}}
.gesso-note{{font-size:85%;opacity:.75}}
.gesso-open{{border-bottom:2px dotted currentColor}}
.gesso-bar{{height:6px;border-radius:3px;background:rgba(128,128,128,.3)}}
.gesso-bar>div{{height:100%;border-radius:3px;background:#0072b2}}
.gesso td{{text-align:left;padding:1px 12px 1px 0}}
.gesso-steps{{display:flex;flex-wrap:wrap;position:relative}}
.gesso-steps>input{{position:absolute;opacity:0}}
.gesso-steps>label{{padding:1px 6px;cursor:pointer;border-radius:4px}}
.gesso-steps>div{{display:none;order:1;width:100%}}
.gesso-steps>input:checked+label{{background:rgba(0,114,178,.4)}}
.gesso-steps>input:focus-visible+label{{outline:2px solid currentColor}}
.gesso-steps>input:checked+label+div{{display:block}}
{_LEVELS}
</style>"""

# Characters that change the direction of the text around them, and those that cannot be written as UTF-8.
_DIRECTIONS = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SHOWN = {code: f"[U+{code:04X}]" for code in _DIRECTIONS} | dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def safe(text: str) -> str:
    """Returns a text as HTML that shows it and does nothing else, also within quotes of an attribute."""
    return html.escape(visible(text).translate(_SHOWN))


def page(*parts: str) -> str:
    """What a cell shows. Mathematics is not set: a text with "$" is a text, and its commands could make links."""
    return f'{STYLE}<div class="gesso tex2jax_ignore mathjax_ignore">{"".join(parts)}</div>'


def note(text: str) -> str:
    return f'<div class="gesso-note">{safe(text)}</div>'


def text_html(text: str) -> str:
    return f'<div class="gesso-text" dir="auto">{safe(text)}</div>'


def details(summary: str, content: str) -> str:
    return f"<details><summary>{safe(summary)}</summary>{content}</details>"


def table(rows: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"<tr><td>{safe(name)}</td><td>{safe(value)}</td></tr>" for name, value in rows)
    return f"<table>{lines}</table>"


def level(entropy: float) -> int:
    """The confidence behind an entropy in nats, from 0 to NUM_LEVELS - 1.

    A token that is drawn from n equally likely ones has the entropy log(n). Its confidence is 1/n.
    """
    return min(int(NUM_LEVELS * math.exp(-entropy)), NUM_LEVELS - 1) if entropy >= 0 else 0


def canvas_html(canvases: Sequence[Canvas], is_exact: bool = False) -> str:
    """Draws a text of several canvases, with a line about the last one.

    is_exact: a pointer on a token shows its id and its entropy. This takes much room.
    """
    spans = [_exact_spans(canvas) if is_exact else _spans(canvas) for canvas in canvases]
    return f'{note(canvases[-1].status)}<div class="gesso-text" dir="auto">{"".join(spans)}</div>'


def _classes(level: int, accepted: bool) -> str:
    return f"gesso-{level}" if accepted else f"gesso-{level} gesso-open"


def _token(text: str, accepted: bool) -> str:
    """A line break that is not accepted is an arrow: one that comes and goes would make the lines below it jump."""
    return text if accepted else text.replace("\n", "\u21b5")


def _spans(canvas: Canvas) -> str:
    """Tokens that look alike share a span."""
    looks = [(level(x), ok) for x, ok in zip(canvas.entropies, canvas.accepted, strict=True)]
    pairs = list(zip(looks, canvas.tokens, strict=True))[: canvas.length]
    spans = []
    for look, group in groupby(pairs, key=lambda pair: pair[0]):
        text = "".join(_token(token, look[1]) for _, token in group)
        spans.append(f'<span class="{_classes(*look)}">{safe(text)}</span>')
    return "".join(spans)


def _exact_spans(canvas: Canvas) -> str:
    spans = []
    for i in range(canvas.length):
        entropy, accepted = canvas.entropies[i], canvas.accepted[i]
        title = f"position {i}, id {canvas.ids[i]}, entropy {entropy:.4f} nats"
        text = safe(_token(canvas.tokens[i], accepted))
        spans.append(f'<span class="{_classes(level(entropy), accepted)}" title="{title}">{text}</span>')
    return "".join(spans)


def steps_html(canvases: Sequence[Canvas]) -> str:
    """Draws all steps. One of them is seen: the one that was clicked at, or that the arrow keys have gone to.

    They are the alternatives of a form's choice, which the style shows and hides. So it needs no script.
    """
    if not canvases:
        return note("No steps yet.")
    stride = -(-len(canvases) // MOST_STEPS)
    shown = [*canvases[:-1:stride], canvases[-1]]
    name = f"gesso-{secrets.token_hex(8)}"  # other outputs of the notebook have choices of their own
    steps = []
    for i, canvas in enumerate(shown):
        checked = " checked" if i == len(shown) - 1 else ""
        steps.append(
            f'<input type="radio" name="{name}" id="{name}-{i}"{checked}>'
            f'<label for="{name}-{i}">{canvas.step + 1}</label><div>{canvas_html([canvas])}</div>'
        )
    left_out = f" {len(shown)} of {len(canvases)} steps are shown." if len(shown) < len(canvases) else ""
    return f'<div class="gesso-steps">{"".join(steps)}</div>{note(LEGEND + left_out)}'


def answer_html(text: str, thought: str = "", calls: Iterable[str] = ()) -> str:
    """Draws what a model has written: its thought folded up, its text, and its calls of tools."""
    parts = [details("thought", text_html(thought))] if thought else []
    parts += [text_html(text)] if text else []
    return "".join([*parts, *(details("call of a tool", text_html(call)) for call in calls)])


def facts_html(facts: Iterable[str]) -> str:
    return note(" \u00b7 ".join(facts))


def progress_html(title: str, done: int, total: int, status: str) -> str:
    share = 100 * done / max(total, 1)
    bar = f'<div class="gesso-bar"><div style="width:{min(max(share, 0), 100):.1f}%"></div></div>'
    return page(f'<div class="gesso-text">{safe(title)}</div>', bar, note(status))


def model_html(model: _native.Model, place: str, can_chat: bool) -> str:
    """place: where it runs, and how."""
    config, layers = model.config, len(model.config.layers)
    steps = config.generation["max_denoising_steps"]
    rows = [
        ("gesso.Model", f"{show_bytes(model.weight_bytes)} of weights"),
        ("runs on", place),
        ("layers", f"{layers}, hidden size {config.hidden_size}"),
        ("experts", f"{config.num_experts}, of which a token uses {config.top_k_experts}"),
        ("canvas", f"{config.canvas_length} tokens, at most {steps} steps"),
        ("context", f"{config.max_position_embeddings} tokens"),
        ("vocabulary", f"{config.vocab_size} tokens"),
        ("chat template", "yes" if can_chat else "no"),
    ]
    return page(table(rows))
