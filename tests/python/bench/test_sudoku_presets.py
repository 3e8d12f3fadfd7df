"""The bundled Sudoku model still solves puzzles when it is quantised. bench/sudoku_presets.py makes a larger table."""

import math

import numpy as np
import pytest

import gesso
from gesso.bundled.sudoku_model import bundled_model, make_puzzles
from gesso.files.gguf_reader import read_gguf
from sudoku_presets import make_sources, measure_presets, quantize, write_wide_model

PRESETS = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M")  # from many bits to few
NUM_PUZZLES, NUM_COMPARED = 20, 5
MAX_LOSS = 0.02  # a quantised model may fail at this share of all puzzles more than its source


def most_lost(count):
    """Returns a number of failures that is still likely enough, out of `count` puzzles.

    A model that fails at the share MAX_LOSS of all puzzles has so many failures or more with a probability above 0.001.
    """
    chances = [math.comb(count, k) * MAX_LOSS**k * (1 - MAX_LOSS) ** (count - k) for k in range(count + 1)]
    return max(k for k in range(count + 1) if sum(chances[k:]) > 0.001)


def test_the_bound_is_as_meant():
    assert most_lost(NUM_PUZZLES) == 3
    assert 6 < most_lost(300) < 18


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return make_sources(tmp_path_factory.mktemp("presets"))


def test_the_twin_computes_the_same_function(tmp_path):
    narrow, wide = tmp_path / "narrow.gguf", tmp_path / "wide.gguf"
    quantize(bundled_model(), narrow, "F32")
    write_wide_model(narrow, wide)
    assert all(x.shape[-1] % 256 == 0 for x in read_gguf(wide).tensors() if len(x.shape) > 1)
    canvas = np.random.default_rng(0).integers(272, size=36)
    logits = []
    for path in (narrow, wide):
        model = gesso.load(path, "cpu")
        session = model.session()
        session.encode(model.tokenizer.encode_prompt(make_puzzles(0, 1)[0]))
        first = session.denoise(canvas)
        logits.append((first, session.denoise(canvas, first / np.float32(0.8))))
    for a, b in zip(*logits, strict=True):
        assert np.abs(a - b).max() <= 64 * np.finfo(np.float32).eps * np.abs(a).max()


@pytest.mark.parametrize("index", [0, 1], ids=["bundled", "twin"])
def test_presets_solve_what_their_source_solves(sources, index):
    source, *rows = measure_presets(list(sources.values())[index], PRESETS, make_puzzles(1, NUM_PUZZLES), NUM_COMPARED)
    assert sum(source.solved) >= 0.9 * NUM_PUZZLES
    for row in rows:
        lost = sum(source.solved) - sum(row.solved)
        assert lost <= most_lost(NUM_PUZZLES), row
    assert source.mean_kl == 0
    kl, sizes = [row.mean_kl for row in rows], [row.file_bytes for row in rows]
    assert 0 < kl[0] < kl[1] < min(kl[2:])  # for the bundled model, Q5_K_M and Q4_K_M are nearly the same
    assert max(kl) < 0.01  # nats
    assert sizes == sorted(sizes, reverse=True)


def test_the_twin_has_the_k_types(sources):
    *_, row = measure_presets(list(sources.values())[1], ["Q4_K_M"], make_puzzles(1, 1))
    assert sum(share for dtype, share in row.types.items() if dtype in ("Q4_K", "Q6_K", "Q5_K")) > 0.9
