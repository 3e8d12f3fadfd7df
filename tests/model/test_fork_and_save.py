"""A fork, and a session that was saved and loaded, go on exactly as the session that they come from."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import gesso
from python.tiny_model import tiny_model

GOLDEN = Path(__file__).parents[1] / "golden"
OPTIONS = {"max_denoising_steps": 2, "end_token_ids": []}
LONG = 600  # tokens in two pieces: a sliding layer with a small window has dropped the first ones


def pytest_generate_tests(metafunc):
    """One model on a GPU, since the emulated one is slow."""
    if "model" in metafunc.fixturenames:
        is_cpu = metafunc.config.getoption("--device") == "cpu"
        names = ["mixed", "top_1", "bf16", "q8_0", "single_layer"] if is_cpu else ["mixed"]
        metafunc.parametrize("model", names, indirect=True, scope="module")


@pytest.fixture(scope="module")
def model(request, load):
    return load(GOLDEN / f"{request.param}.gguf")


@pytest.fixture(scope="module")
def windowed(tmp_path_factory, load):
    """A model whose context is long enough that its sliding layers drop what is before their window."""
    path = tmp_path_factory.mktemp("windowed") / "windowed.gguf"
    sizes = {"canvas_length": 8, "sliding_window": 5, "max_position_embeddings": 2000}
    return load(tiny_model(path, tokenizer=False, vocab_size=100, **sizes))


def random_ids(model, *lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(3, model.config.vocab_size, length).tolist() for length in lengths]


def encoded(model, *pieces):
    session = model.session(len(pieces[0]))
    for piece in pieces:
        session.encode(piece)
    return session


def go_on(session, seed):
    """What the session says next: two canvases, tokens that differ with the seed, and logits."""
    config = session.model.config
    out = session.generate(
        random_ids(session.model, *[2 + seed] * session.batch_size, seed=seed),
        seed=seed,
        max_new_tokens=2 * config.canvas_length,
        **OPTIONS,
    )
    logits = session.denoise(random_ids(session.model, *[config.canvas_length] * session.batch_size, seed=seed))
    return session.ids, [canvases.tolist() for canvases in out.canvases], logits.tobytes()


@pytest.mark.parametrize("fork_goes_first", [True, False])
def test_both_sides_of_a_fork_go_on_alone(model, fork_goes_first):
    """They take turns. If both wrote to the same memory, the second turn would see the other side's rows."""
    pieces = [random_ids(model, 3, 11), [[5], [6]]]  # after the second piece the cache has room for more
    session = encoded(model, *pieces)
    fork = session.fork()
    assert fork.ids == session.ids
    sides = [(fork, encoded(model, *pieces), 1), (session, encoded(model, *pieces), 2)]
    for side, alone, seed in 2 * (sides if fork_goes_first else sides[::-1]):
        assert go_on(side, seed) == go_on(alone, seed)


def test_a_fork_of_a_fork_and_of_tokens_that_are_not_encoded(model):
    session = encoded(model, random_ids(model, 5))
    session.generate(seed=3, max_new_tokens=1, **OPTIONS)  # the canvas is not encoded yet
    forks = [session.fork(), session.fork().fork()]
    expected = go_on(session, 1)
    del session
    assert [go_on(fork, 1) for fork in forks] == [expected, expected]


def test_rewinding_one_side_leaves_the_other(model):
    first, second = random_ids(model, 9, 4)
    session = encoded(model, [first])
    fork = session.fork()
    fork.rewind(4)
    fork.encode(second)
    assert go_on(session, 1) == go_on(encoded(model, [first]), 1)
    assert go_on(fork, 2) == go_on(encoded(model, [first[:4] + second]), 2)


def test_a_fork_whose_window_has_moved(windowed):
    ids = random_ids(windowed, LONG // 2, LONG // 2, 300)
    session = encoded(windowed, [ids[0]], [ids[1]])
    fork = session.fork()
    fork.encode(ids[2])  # it drops what is before the window, and the original still has it
    session.rewind(LONG - 100)
    assert go_on(session, 1) == go_on(encoded(windowed, [(ids[0] + ids[1])[: LONG - 100]]), 1)
    assert go_on(fork, 2) == go_on(encoded(windowed, [ids[0] + ids[1] + ids[2]]), 2)


def test_an_interrupted_fork_leaves_the_original(model):
    def stop(event):
        raise LookupError

    prompts = random_ids(model, 6)
    session = encoded(model, prompts)
    fork = session.fork()
    with pytest.raises(LookupError):
        fork.generate(random_ids(model, 2), max_new_tokens=1, on_step=stop, **OPTIONS)
    assert go_on(fork, 1) == go_on(session, 1) == go_on(encoded(model, prompts), 1)


def test_save_and_load(model, tmp_path):
    session = encoded(model, random_ids(model, 3, 11))
    session.generate(seed=3, max_new_tokens=1, **OPTIONS)  # the canvas is not encoded yet
    saved = session.save()
    assert session.save(tmp_path / "a.session") is None
    assert (tmp_path / "a.session").read_bytes() == saved
    loaded = [gesso.Session.load(model, source) for source in (tmp_path / "a.session", saved, memoryview(saved))]
    assert all(other.ids == session.ids and other.save() == saved for other in loaded)
    expected = go_on(session, 1)
    assert [go_on(other, 1) for other in loaded] == [expected] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["a.session"]


def test_save_what_a_window_has_left(windowed):
    ids = random_ids(windowed, LONG // 2, LONG // 2)
    session = encoded(windowed, [ids[0]], [ids[1]])
    loaded = gesso.Session.load(windowed, session.save())
    assert go_on(loaded.fork(), 1) == go_on(session.fork(), 1)
    for side in (session, loaded):
        side.rewind(4)
    assert go_on(loaded, 2) == go_on(session, 2) == go_on(encoded(windowed, [ids[0][:4]]), 2)


def test_an_empty_session_can_be_saved(model):
    loaded = gesso.Session.load(model, model.session(3).save())
    assert loaded.ids == [[], [], []] and loaded.cache_bytes == 0
    assert go_on(loaded, 1) == go_on(model.session(3), 1)


def test_a_generated_placeholder_can_be_saved(load, tmp_path):
    """A prompt may not have an id that stands for an image. A generation may, for example because it was pinned."""
    model = load(tiny_model(tmp_path / "a.gguf"))
    image = model.config.placeholder_token_ids[0]
    session = encoded(model, [[5, 6]])
    session.generate(max_new_tokens=1, pinned={0: image}, **OPTIONS)
    loaded = gesso.Session.load(model, session.save())
    assert loaded.ids == session.ids and loaded.ids[0][2] == image
    assert go_on(loaded, 1) == go_on(session, 1)


def test_another_model_is_refused(model, windowed):
    saved = windowed.session().save()
    with pytest.raises(gesso.FormatError, match="buffer: the session was saved with another model"):
        gesso.Session.load(model, saved)


def test_a_model_with_other_weights_is_refused(load, tmp_path):
    models = [load(tiny_model(tmp_path / f"{seed}.gguf", seed=seed)) for seed in (0, 0, 1)]
    saved = encoded(models[0], [[5, 6]]).save()
    assert gesso.Session.load(models[1], saved).ids == [[5, 6]]
    with pytest.raises(gesso.FormatError, match="buffer: the session was saved with another model"):
        gesso.Session.load(models[2], saved)


def test_other_activations_are_refused(load, device, activations):
    other = {"f32": "int8", "int8": "f32" if device == "cpu" else "bf16", "bf16": "int8"}[activations]
    saved = encoded(load(GOLDEN / "q8_0.gguf"), [[5, 6]]).save()
    model = gesso.load(GOLDEN / "q8_0.gguf", activations=other)
    with pytest.raises(gesso.FormatError, match=f"with activations {activations}, and the model has {other}"):
        gesso.Session.load(model, saved)


def test_another_device_is_refused(load, device):
    if device == "cpu":
        pytest.skip("needs a GPU beside the CPU")
    path = GOLDEN / "q8_0.gguf"
    saved = encoded(load(path), [[5, 6]]).save()
    with pytest.raises(gesso.FormatError, match="was saved on a GPU, and the model is on the CPU"):
        gesso.Session.load(gesso.load(path, "cpu"), saved)


def test_paths(model, tmp_path):
    session = encoded(model, [[5, 6]])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        session.save(tmp_path / "nowhere" / "a")
    with pytest.raises(FileNotFoundError, match="nothing"):
        gesso.Session.load(model, tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        session.save(tmp_path)
    with pytest.raises(ValueError, match="empty text"):
        session.save("")
    with pytest.raises(TypeError, match=r"path: expected a str or an os\.PathLike, got bytes"):
        session.save(os.fsencode(tmp_path / "bytes"))  # for load they would be a session
    (tmp_path / "text").write_text("gessoled")
    with pytest.raises(gesso.FormatError, match="text: is no saved session"):
        gesso.Session.load(model, tmp_path / "text")
    with pytest.raises(FileExistsError, match="text: exists and is no saved session; it is not overwritten"):
        session.save(tmp_path / "text")
    (tmp_path / "text").write_bytes(b"")
    session.save(tmp_path / "text")
    session.save(tmp_path / "text")  # a saved session of that name is replaced
    assert gesso.Session.load(model, str(tmp_path / "text")).ids == [[5, 6]]
    assert (tmp_path / "text").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["text"]
