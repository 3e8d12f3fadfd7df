"""The tokenizer: a byte-fallback BPE of the released model's kind, learnt from the dialogues.

Special tokens and bytes have the ids that they have in the released model. A digit is one token, and no token goes
beyond a word, so a number or a name is copied token by token.

    python -m mini.tokenizer        (in python/training) learns it again and writes mini/tokenizer.json
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from gesso.synth.tokenizer import CONTROL, FIRST_BYTE, LINE_BREAKS, SPACE, VISIBLE
from mini.generator import draw_dialogue
from mini.rendering import prompt_text, reply_text

FILE = Path(__file__).with_name("tokenizer.json")
VOCAB_SIZE = 2688
NUM_DIALOGUES = 20_000
SEED = 1
# The ids of the released model that lie in this vocabulary; those of images and sounds do not.
SPECIAL = {i: text for i, text in sorted((CONTROL | VISIBLE).items()) if i < VOCAB_SIZE}
PAD, EOS, BOS, END_OF_TURN, TOOL_RESPONSE = 0, 1, 2, 106, 50
END_TOKENS = (EOS, END_OF_TURN, TOOL_RESPONSE)
FIXED = {
    **SPECIAL,
    **LINE_BREAKS,
    **{FIRST_BYTE + byte: f"<0x{byte:02X}>" for byte in range(256)},
}
# What the trainer must not join: words, digits, signs, line breaks.
PIECES = Regex(rf"{SPACE}?[A-Za-z]+|{SPACE}(?=[0-9])|[0-9]|\n+|{SPACE}?[^A-Za-z0-9{SPACE}\n]+|{SPACE}")


def _texts() -> list[str]:
    """Returns what stands between the special tokens of some thousand dialogues."""
    marker = re.compile("|".join(re.escape(text) for text in SPECIAL.values()))
    texts = []
    for index in range(NUM_DIALOGUES):
        _, dialogue = draw_dialogue(SEED, index)
        texts += [part for part in marker.split(prompt_text(dialogue) + reply_text(dialogue)) if part]
    return texts


def _learn(texts: list[str], size: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Returns at most `size` tokens, and the merges that make them, best first."""
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", SPACE)
    learner.pre_tokenizer = pre_tokenizers.Split(PIECES, "isolated")
    alphabet = [SPACE, *map(chr, range(ord("!"), ord("~") + 1)), "\n"]
    learner.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=size, min_frequency=2, initial_alphabet=alphabet, show_progress=False)
    )
    model = json.loads(learner.to_str())["model"]
    merges = [(first, second) for first, second in model["merges"]]
    return sorted(model["vocab"], key=model["vocab"].get), merges


def build(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in SPECIAL.values()])
    return tokenizer


def learn() -> Tokenizer:
    free = VOCAB_SIZE - len(FIXED)
    tokens, merges = _learn(_texts(), free + len(LINE_BREAKS))
    fixed = set(FIXED.values())
    words = iter([token for token in tokens if token not in fixed][:free])
    by_id = {i: FIXED[i] if i in FIXED else next(words, f"{SPACE}unused{i}") for i in range(VOCAB_SIZE)}
    known = set(by_id.values())
    kept = [(a, b) for a, b in merges if a in known and b in known and a + b in known]
    for runs in (("\n", "\n"), ("\n\n", "\n")):
        if runs not in kept:
            kept.append(runs)  # llama.cpp takes a run of line breaks as one token
    return build({text: i for i, text in by_id.items()}, kept)


def load() -> Tokenizer:
    return Tokenizer.from_file(str(FILE))


if __name__ == "__main__":
    learn().save(str(FILE))
