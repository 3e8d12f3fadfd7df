"""A sequence must come out the same, bit for bit: alone and in any batch, in any chunks, with any number of threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gesso
from gesso.files.gguf_writer import matrices_as
from python.tiny_model import tiny_model

GOLDEN = Path(__file__).parents[1] / "golden"
SMALL = ["mixed", "top_1", "bf16", "q4_0"]
LENGTHS = [1, 40, 9, 290, 23]  # 290 tokens are more than one pass


@pytest.fixture(scope="module")
def wide_path(tmp_path_factory, activations):
    """A model that is large enough for the library to start threads."""
    types = matrices_as("Q8_0") if activations == "int8" else None
    sizes = {"hidden_size": 128, "intermediate_size": 256, "moe_intermediate_size": 64, "num_experts": 6}
    path = tmp_path_factory.mktemp("wide") / "wide.gguf"
    return tiny_model(path, tokenizer=False, vocab_size=2002, canvas_length=24, sliding_window=33, types=types, **sizes)


@pytest.fixture(params=[*SMALL, "wide"])
def path(request, wide_path):
    return wide_path if request.param == "wide" else GOLDEN / f"{request.param}.gguf"


def random_case(model: gesso.Model, count: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Prompts of different lengths, canvases [count, C] and processed logits [count, C, V]."""
    rng, config = np.random.default_rng(count), model.config
    prompts = [rng.integers(0, config.vocab_size, LENGTHS[i % len(LENGTHS)]) for i in range(count)]
    canvases = rng.integers(0, config.vocab_size, (count, config.canvas_length))
    z = rng.normal(0, 4, (*canvases.shape, config.vocab_size)).astype(np.float32)
    return prompts, canvases, z


def logits_of(model: gesso.Model, prompts: list[np.ndarray], canvases: np.ndarray, z: np.ndarray) -> np.ndarray:
    """[2, B, C, V]: the logits of a first step, and of a step that is conditioned on z."""
    session = model.session(len(prompts))
    session.encode(prompts)
    return np.stack([session.denoise(canvases), session.denoise(canvases, z)])


def test_logits(path, load, device):
    alone = load(path, num_threads=1)
    prompts, canvases, z = random_case(alone, len(LENGTHS))
    rows = [slice(i, i + 1) for i in range(len(prompts))]
    expected = np.concatenate([logits_of(alone, prompts[i], canvases[i], z[i]) for i in rows], axis=1)
    for num_threads in (1, 2, 3, 4) if device == "cpu" else (1,):
        model = load(path, num_threads=num_threads)
        assert np.array_equal(logits_of(model, prompts, canvases, z), expected)
        backwards = logits_of(model, prompts[::-1], canvases[::-1], z[::-1])
        assert np.array_equal(backwards[:, ::-1], expected)


def test_batch_of_several_passes(wide_path, load):
    """12 canvases of 24 have more rows than one pass."""
    model = load(wide_path, num_threads=2)
    prompts, canvases, z = random_case(model, 12)
    together = logits_of(model, prompts, canvases, z)
    for i in (0, 3, 10, 11):
        one = slice(i, i + 1)
        assert np.array_equal(logits_of(model, prompts[one], canvases[one], z[one]), together[:, one])


# Numbers of threads, and which of four sequences are generated together.
BATCHES = [(1, [0, 1, 2, 3]), (2, [3, 1, 0, 2]), (3, [1, 2]), (4, [2, 0, 3, 1])]


def test_generation(path, load, device):
    """Tokens, step counts and the entropies of every step are equal. The sequences end at different times."""

    def run(model, rows):
        steps = []
        out = model.generate(
            [prompts[i] for i in rows],
            seed=[seeds[i] for i in rows],
            max_new_tokens=2 * model.config.canvas_length,
            max_denoising_steps=5,
            entropy_bound=1.0,
            confidence_threshold=0.5,
            end_token_ids=list(range(0, model.config.vocab_size, 31)),
            on_step=lambda e: steps.append((rows[e.sequence], e.canvas, e.step, e.entropies, e.accepted, e.argmax)),
        )
        log = {(row, canvas, step): arrays for row, canvas, step, *arrays in steps}
        results = zip(out.sequences, [canvases.tolist() for canvases in out.canvases], out.denoising_steps, strict=True)
        return dict(zip(rows, results, strict=True)), log

    model = load(path, num_threads=1)
    prompts, _, _ = random_case(model, 4)
    seeds = [5, 2**63 + 11, 5, 0]
    expected, expected_log = {}, {}
    for row in range(4):
        out, log = run(model, [row])
        expected, expected_log = expected | out, expected_log | log
    for num_threads, rows in BATCHES if device == "cpu" else BATCHES[1:3]:  # threads matter on the CPU alone
        out, log = run(load(path, num_threads=num_threads), rows)
        assert out == {row: expected[row] for row in rows}
        assert all(np.array_equal(x, y) for key in log for x, y in zip(log[key], expected_log[key], strict=True))
        assert log.keys() == {key for key in expected_log if key[0] in rows}


def test_encoding_in_chunks(path, load):
    model = load(path, num_threads=2)
    rng = np.random.default_rng(0)
    for length in (2, 31, 300):
        ids = rng.integers(0, model.config.vocab_size, length)
        canvas = rng.integers(0, model.config.vocab_size, model.config.canvas_length)
        whole = model.session()
        whole.encode(ids)
        expected = whole.denoise(canvas)
        for num_chunks in (2, 3, 7):
            session = model.session()
            for chunk in np.split(ids, np.sort(rng.integers(1, length + 1, num_chunks - 1))):
                session.encode(chunk)
            assert np.array_equal(session.denoise(canvas), expected)


def test_ragged_chunks(load):
    """The sequences of a batch grow at different speeds, and some do not grow in a call."""
    model = load(GOLDEN / "mixed.gguf")
    prompts, canvases, z = random_case(model, 3)
    session = model.session(3)
    session.encode([prompts[0], prompts[1][:7], prompts[2][:1]])
    session.encode([[], prompts[1][7:], prompts[2][1:5]])
    session.encode([[], [], prompts[2][5:]])
    assert session.length == [len(ids) for ids in prompts]
    assert np.array_equal(session.denoise(canvases, z), logits_of(model, prompts, canvases, z)[1])


def test_rewind(load):
    model = load(GOLDEN / "mixed.gguf")
    prompts, canvases, _ = random_case(model, 2)
    session = model.session(2)
    session.encode([prompts[1], prompts[1]])
    session.denoise(canvases)
    for lengths in ([39, 30], [20, 3], [1, 2]):
        session.rewind(lengths)
        fresh = model.session(2)
        fresh.encode([prompts[1][:length] for length in lengths])
        assert session.length == lengths
        assert np.array_equal(session.denoise(canvases), fresh.denoise(canvases))
    session.rewind(0)
    session.encode([prompts[0], prompts[0]])
    fresh = model.session()
    fresh.encode(prompts[0])
    assert np.array_equal(session.denoise(canvases)[:1], fresh.denoise(canvases[0]))


def test_rewind_of_a_long_text(load):
    """A sliding layer has dropped most of the text by then. So a rewind may encode everything again."""
    model = load(GOLDEN / "mixed.gguf")
    ids = np.random.default_rng(0).integers(0, model.config.vocab_size, 900)
    canvas = np.zeros(model.config.canvas_length, int)
    session = model.session()
    for chunk in np.array_split(ids, 25):
        session.encode(chunk)
    for length in (899, 896, 895, 880, 600, 5):
        fork, fresh = session.fork(), model.session()
        fork.rewind(length)
        fork.encode([1, 2])
        fresh.encode([*ids[:length], 1, 2])
        assert np.array_equal(fork.denoise(canvas), fresh.denoise(canvas)), length


@pytest.mark.parametrize("name", SMALL)
def test_same_seed_same_text(name, load):
    model = load(GOLDEN / f"{name}.gguf")
    options = {"max_new_tokens": 2 * model.config.canvas_length, "max_denoising_steps": 4, "end_token_ids": []}
    first, again, other = (model.generate([5, 6, 7], seed=seed, **options).sequences for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", SMALL)
def test_two_calls_are_as_one(name, load):
    """Draws depend on absolute positions. So a session that goes on draws what one long generation would have drawn."""
    model = load(GOLDEN / f"{name}.gguf")
    options = {"max_denoising_steps": 4, "end_token_ids": [], "seed": 8}
    whole = model.generate([5, 6, 7], max_new_tokens=3 * model.config.canvas_length, **options)
    session = model.session()
    parts = [session.generate([5, 6, 7], max_new_tokens=model.config.canvas_length, **options)]
    parts.append(session.generate(max_new_tokens=2 * model.config.canvas_length, **options))
    assert parts[0].sequences[0] + parts[1].sequences[0] == whole.sequences[0]
    assert session.ids == [[5, 6, 7, *whole.sequences[0]]]


def canvas_by_canvas(session: gesso.Session, prompts: list, count: int, separately: bool, **options) -> list[list[int]]:
    """The ids of every sequence after `count` canvases. Separately: everything is encoded in passes of its own, instead
    of by the first step of the canvas behind it."""
    lengths = [len(prompt) for prompt in prompts]
    if separately:
        session.encode(prompts)
    for index in range(count):
        if separately:
            session.encode([[] for _ in prompts])
        first = index == 0 and not separately
        session.generate(prompts if first else None, max_new_tokens=session.model.config.canvas_length, **options)
    return [ids[length:] for ids, length in zip(session.ids, lengths, strict=True)]


def test_what_stands_before_a_canvas_is_encoded_by_its_first_step(path, load, device):
    """That step's rows, and what is kept of the text for later, are those of separate passes. The prompts are shorter
    than a slice, as long as one, and longer; the canvases of the first batch do not fit one pass with their texts."""
    options = {"max_denoising_steps": 2, "end_token_ids": [], "seed": 3}
    cases = [(3, (257, 3)), (1, (1, 256, 255)), (2, (400,))]
    # How texts are cut does not depend on the model. On the emulator one model sees all cases.
    for num_threads, lengths in cases if device == "cpu" or path.stem == "mixed" else cases[:1]:
        model = load(path, num_threads=num_threads)
        rng = np.random.default_rng(len(lengths))
        prompts = [rng.integers(0, model.config.vocab_size, length).tolist() for length in lengths]
        count = len(prompts)
        expected = canvas_by_canvas(model.session(count), prompts, 2, True, **options)
        assert canvas_by_canvas(model.session(count), prompts, 2, False, **options) == expected


def test_no_sweep_over_the_weights_is_for_encoding_alone(load):
    """A block of k steps reads the weights k times, and so does a prompt of one slice with its first canvas."""
    session = load(GOLDEN / "mixed.gguf").session()
    session._native.set_profiling(True)
    options = {"max_denoising_steps": 16, "confidence_threshold": 0.0, "end_token_ids": []}
    session.generate([5, 6, 7], max_new_tokens=3 * session.model.config.canvas_length, **options)
    assert num_passes(session) == 3 * 16


def num_passes(session: gesso.Session) -> int:
    """Passes since the last call. Each makes keys in every layer."""
    calls = {op.weight: op.calls for op in session._native.take_profile()}
    return calls["attn_q, attn_k, attn_v"] // session.model.config.num_hidden_layers


@pytest.mark.parametrize(("count", "length"), [(6, 645), (3, 430)])
def test_a_batch_takes_no_more_passes_than_if_it_encoded_apart(count, length, load):
    """The texts beside canvases must not keep the canvases from sharing a pass."""
    model = load(GOLDEN / "mixed.gguf")
    options = {"max_new_tokens": 1, "max_denoising_steps": 1}
    prompts = [[5 + i] * length for i in range(count)]
    passes = []
    for encode_apart in (True, False):
        session = model.session(count)
        session._native.set_profiling(True)
        if encode_apart:
            session.encode(prompts)
        session.generate(None if encode_apart else prompts, **options)
        passes.append(num_passes(session))
    assert passes[1] <= passes[0]
