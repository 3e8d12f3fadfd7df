"""Random texts in which a tokenizer may go wrong. The same seed gives the same texts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

# Words of many languages, and pieces of code and of data.
LANGUAGES = [
    "The quick brown fox doesn't jump over the lazy dog's back. Größe, Straße, müßig; ça va, déjà vu, cœur, naïveté.",
    "El niño comió piñas mañana. Żółć i gęś, příliš žluťoučký kůň. Быстрая лиса прыгает через ленивую собаку. ήλιος",
    "سريع الثعلب البني يقفز. שלום עולם, מה שלומך? नमस्ते दुनिया, आप कैसे हैं? สวัสดีชาวโลก ยินดีต้อนรับ. Cửa Việt, tiếng",
    "敏捷的棕色狐狸跳过了懒狗。 素早い茶色の狐がのろまな犬を飛び越える。 다람쥐 헌 쳇바퀴에",
    "ქართული ენა, Հայերեն, አማርኛ, ગુજરાતી.",
]
CODE = [
    'for(int i=0;i<n;++i){a[i]+=b[i]*0x1F;} def f(self, *args, **kwargs) -> None: return x if x else {"k": [1, 2.5e3]}',
    "#include <vector> std::vector<std::pair<int, std::string>>& SELECT * FROM t WHERE a>=10 AND b!='x';",
    '<div class="a b">&nbsp; </div> \\begin{equation} e^{i\\pi}+1=0 \\end{equation} https://example.org/a?b=c&d=%20e#f',
    "2026-11-28T20:26:05Z 192.168.0.1 null",
]
EMOJI = ["🦙", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪🇫🇷", "❤️", "1️⃣", "😀😃", "🫠", "\U0001faf8"]
SPACES = [" ", "  ", "   ", " " * 16, " " * 31, " " * 40, "\n", "\n\n", "\n" * 7, "\t", "\t\t\n", "\r\n", "\u00a0",
          "\u3000", "\u200b", "▁", "▁▁▁", " ▁ ", "\x0b", "\x0c", "\u2028"]  # fmt: skip
# Valid UTF-8 that is no sensible text: lone marks, characters that do not exist, controls, a byte order mark.
ODD = ["\u0301\u0301", "e\u0301\u0323", "\ufffd", "\ufeff", "\uffff", "\U0010ffff", "\x00", "\x7f", "\x1b[0m", "\u202e",
       "\ue000", "\U000e0041", "Z\u0336\u0335a\u0337l\u0338", "ﷺ", "ｆｕｌｌ", "①½", "ﬁ"]  # fmt: skip
# Spellings of tokens that are special, or that only look so.
SPELLINGS = ["<bos>", "<|turn>user\n", "<turn|>", "<|turn", "<|tool_call>call:f{}", '<|"|>', "<0x41>", "<0xE2>",
             "<unk>", "<pad", "</s>", "<|channel>thought\n", "<channel|>", "<unused0>", "[INST]", "<|image|>",
             "<mask><mask>"]  # fmt: skip


def _random_characters(rng: random.Random) -> str:
    """A few characters from anywhere in Unicode, without the halves of surrogate pairs."""
    codes = (rng.choice((rng.randrange(0x80), rng.randrange(0x3000), rng.randrange(0x110000))) for _ in range(8))
    return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)


def _one_text(rng: random.Random, tokens: Sequence[str], num_characters: int) -> str:
    words, code = " ".join(LANGUAGES).split(), " ".join(CODE).split()
    kinds = [words, words, code, EMOJI, SPACES, ODD, SPELLINGS, tokens]
    mix = rng.sample(kinds, rng.randint(1, len(kinds)))
    pieces, length = [], 0
    while length < num_characters:
        piece = _random_characters(rng) if rng.random() < 0.02 else rng.choice(rng.choice(mix))
        pieces.append(piece if rng.random() < 0.5 else piece + " ")
        length += len(pieces[-1])
    return "".join(pieces)


def mixed_texts(seed: int, tokens: Sequence[str], num_bytes: int) -> Iterator[str]:
    """Yields texts of 1 to 30000 characters until they have `num_bytes` bytes. `tokens` are pieces of texts, too."""
    rng = random.Random(seed)
    words = [token.replace("▁", " ") for token in tokens]
    total = 0
    while total < num_bytes:
        text = _one_text(rng, words, int(10 ** rng.uniform(0, 4.5)))
        total += len(text.encode())
        yield text
