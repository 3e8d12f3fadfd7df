"""Pins the skeleton of a JSON object, so that the model only fills in the values.

python examples/json_skeleton.py [MODEL]

A pinned token has one position, and nobody knows beforehand how many tokens a value takes. So there is a canvas for
each combination of lengths, all in one batch. Of those that become JSON, the one with the lowest entropy counts.
"""

import itertools
import json
import sys

import gesso

model = gesso.load(sys.argv[1] if len(sys.argv) > 1 else "mini")
assert model.tokenizer is not None
tokenizer = model.tokenizer
question = "Extract name and city as JSON: Dana is 34 years old, lives in Oslo and works as a nurse."
prompt = tokenizer.apply_chat_template([{"role": "user", "content": question}], tokenize=True)


def skeleton(name_length: int, city_length: int) -> dict[int, int]:
    """The pinned tokens by their positions. The values have as many free positions as their lengths say."""
    pinned: dict[int, int] = {}
    position = 0
    for text, num_free in (('{"name": "', name_length), ('", "city": "', city_length), ('"}', 0)):
        ids = tokenizer.encode(text, parse_special=False)
        pinned |= {position + i: token for i, token in enumerate(ids)}
        position += len(ids) + num_free
    return pinned | {position: model.config.end_token_ids[0]}


def is_json(text: str) -> bool:
    try:
        return sorted(json.loads(text)) == ["city", "name"]
    except ValueError:
        return False


lengths = list(itertools.product((1, 2, 3), repeat=2))
entropies = [0.0] * len(lengths)  # the mean over the free positions after the last step, in nats


def note(event: gesso.StepEvent) -> None:
    entropies[event.sequence] = event.mean_entropy


pinned = [skeleton(*pair) for pair in lengths]
out = model.generate([prompt] * len(pinned), pinned=pinned, max_new_tokens=64, seed=1, on_step=note)
good = [(entropy, result.text) for entropy, result in zip(entropies, out, strict=True) if is_json(result.text or "")]
if not good:
    sys.exit("no skeleton became JSON: the values may be longer")
print(f"{len(good)} of {len(pinned)} skeletons became JSON; the surest one:")
print(min(good)[1])
