"""Importance matrices: the sums that a session collects, and the files in llama.cpp's form."""

import gguf
import numpy as np
import pytest

import gesso
from gesso.cli.program import main
from gesso.files import imatrix
from gesso.files.gguf_writer import write_gguf
from gesso.files.tensor import Tensor
from gesso.measure import importance
from python import tiny_model
from python.command_line import run

IDS = [2, 17, 30, 15, 15, 41, 19]
TEXT = list(range(10, 50)) * 4


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny_model.tiny_model(tmp_path_factory.mktemp("imatrix") / "tiny.gguf", seed=3)


def collected(session):
    return {entry.name: entry for entry in session.importance}


def weights(path):
    reader = gguf.GGUFReader(path)
    return {tensor.name: np.array(tensor.data) for tensor in reader.tensors}


def test_sums_are_those_of_the_first_layers_input(path):
    model = gesso.load(path)
    session = model.session()
    session.collect_importance()
    session.encode(IDS)
    tensors = weights(path)
    rows = tensors["token_embd.weight"][IDS].astype(np.float64) * np.sqrt(model.config.hidden_size)
    rows /= np.sqrt((rows**2).mean(axis=1, keepdims=True) + model.config.rms_norm_eps)
    expected = ((rows * tensors["blk.0.attn_norm.weight"]) ** 2).sum(axis=0)
    for name in ("blk.0.attn_q.weight", "blk.0.attn_k.weight"):
        entry = collected(session)[name]
        assert entry.counts.tolist() == [len(IDS)]
        np.testing.assert_allclose(entry.sums, expected[None], rtol=1e-5)


def test_experts_count_the_rows_they_were_given(path):
    model = gesso.load(path)
    session = model.session()
    session.collect_importance()
    session.encode(IDS)
    session.denoise([17] * model.config.canvas_length)
    # The last layer's experts run for the canvas only, because nothing uses their output in an encoding pass.
    rows = len(IDS) + model.config.canvas_length
    for name, entry in collected(session).items():
        if "_exps" in name:
            assert len(entry.counts) == model.config.num_experts
            last = name.startswith(f"blk.{model.config.num_hidden_layers - 1}.")
            expected = model.config.canvas_length if last else rows
            assert entry.counts.sum() == expected * model.config.top_k_experts, name
            np.testing.assert_array_equal(entry.sums.sum(axis=1) > 0, entry.counts > 0)


def test_nothing_is_collected_unless_asked_and_results_stay_the_same(path):
    model = gesso.load(path)
    plain, collecting = model.session(), model.session()
    collecting.collect_importance()
    for session in (plain, collecting):
        session.encode(IDS)
    canvas = [3] * model.config.canvas_length
    np.testing.assert_array_equal(plain.denoise(canvas), collecting.denoise(canvas))
    assert plain.importance == []


def test_threads_do_not_matter(path):
    sums = []
    for num_threads in (1, 3):
        entries = importance.collect(gesso.load(path, num_threads=num_threads), TEXT)
        sums.append(np.concatenate([entry.sums.ravel() for entry in entries]))
    np.testing.assert_array_equal(*sums)


def test_every_matrix_of_every_layer_is_collected(path):
    model = gesso.load(path)
    entries = importance.collect(model, TEXT)
    matrices = {name for name, data in weights(path).items() if data.ndim >= 2} - {"token_embd.weight"}
    assert {entry.name for entry in entries} == matrices


def test_a_file_holds_sums_and_counts_and_reads_as_means(path, tmp_path):
    entries = importance.collect(gesso.load(path), TEXT)
    file = tmp_path / "imatrix.gguf"
    imatrix.write_imatrix(file, entries, {"datasets": ["a.txt"], "chunk_count": 3, "chunk_size": 60})
    reader = gguf.GGUFReader(file)
    assert reader.get_field("general.type").contents() == "imatrix"
    assert reader.get_field("imatrix.datasets").contents() == ["a.txt"]
    stored = {tensor.name: tensor for tensor in reader.tensors}
    read = imatrix.read_imatrix(file)
    assert len(read) == len(entries)
    for entry in entries:
        counts, sums = stored[entry.name + ".counts"], stored[entry.name + ".in_sum2"]
        assert list(counts.shape) == [1, len(entry.counts)]  # ggml's order has columns first
        assert list(sums.shape) == [*entry.sums.shape[::-1]]
        expected = entry.sums / np.maximum(entry.counts, 1)[:, None]
        np.testing.assert_allclose(np.atleast_2d(read[entry.name]), expected, rtol=1e-6)
        assert read[entry.name].ndim == (2 if len(entry.counts) > 1 else 1)


def matrix(name, values):
    return Tensor(name, "F32", np.shape(values), np.array(values, np.float32))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([matrix("a.in_sum2", [[1, 2]])], "missing a.counts"),
        ([matrix("a.in_sum2", [[1, 2]]), matrix("a.counts", [[1], [2], [3]])], "expected 1 values, got 3"),
        ([matrix("a.in_sum2", [[1, -2]]), matrix("a.counts", [[1]])], "a: expected finite values >= 0"),
        ([matrix("a.in_sum2", [[1, np.nan]]), matrix("a.counts", [[1]])], "a: expected finite values >= 0"),
        ([matrix("a.in_sum2", [[1, 2]]), matrix("a.counts", [[-1]])], "a: expected finite values >= 0"),
        ([Tensor("a.in_sum2", "F16", (1, 2), np.ones((1, 2), np.float16))], "a.in_sum2: expected type F32, got F16"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, tensors, message):
    write_gguf(tmp_path / "imatrix.gguf", {"general.type": "imatrix"}, tensors)
    with pytest.raises(gesso.FormatError, match=message):
        imatrix.read_imatrix(tmp_path / "imatrix.gguf")


def test_a_model_is_no_imatrix(path):
    with pytest.raises(gesso.FormatError, match='general.type: expected string "imatrix", got none'):
        imatrix.read_imatrix(path)


def test_a_text_shorter_than_a_canvas_is_refused(path):
    with pytest.raises(gesso.ArgumentError, match="expected at least one canvas of"):
        importance.collect(gesso.load(path), [1, 2])


def test_the_command_writes_what_quantize_reads(path, tmp_path):
    text, file, quantised = tmp_path / "text.txt", tmp_path / "imatrix.gguf", tmp_path / "q8_0.gguf"
    text.write_text("abcab" * 100, encoding="utf-8")
    status, out, _ = run("imatrix", str(path), str(text), str(file), "--canvases", "3", "--steps", "2")
    assert status == 0
    assert "3 canvases of" in out
    one = run("imatrix", str(path), str(text), str(tmp_path / "one.gguf"), "--canvases", "1", "--steps", "1")
    assert ", 1 canvas of" in one[1]
    status, _, err = run("quantize", str(path), str(quantised), "--preset", "Q8_0", "--imatrix", str(file))
    assert (status, gesso.load(quantised).config) == (0, gesso.load(path).config), err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--canvases", "0"], "argument --canvases: expected an integer >= 1, got '0'"),
        (["--steps", "-1"], "argument --steps: expected an integer >= 1, got '-1'"),
        (["--seed", "-1"], "argument --seed: expected an integer from 0 to 18446744073709551615, got '-1'"),
    ],
)
def test_the_commands_options_are_checked(path, tmp_path, options, message):
    status, _, err = run("imatrix", str(path), str(tmp_path / "none.txt"), str(tmp_path / "out.gguf"), *options)
    assert (status, message in err) == (2, True), err


def test_the_command_needs_a_text(path, tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 " * 100)
    status, _, err = run("imatrix", str(path), str(tmp_path / "latin.txt"), str(tmp_path / "out.gguf"))
    assert (status, "latin.txt: not UTF-8" in err) == (1, True)
    assert not (tmp_path / "out.gguf").exists()


def test_sequences_end_with_the_models_context(tmp_path):
    model = gesso.load(tiny_model.tiny_model(tmp_path / "short.gguf", max_position_embeddings=32))
    assert len(TEXT) > 2 * 32
    first, second = (importance.collect(model, TEXT, context=context) for context in (32, 1024))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.sums, b.sums)


def test_a_text_with_an_image_is_refused_before_any_work(path):
    model = gesso.load(path)
    image = model.config.placeholder_token_ids[0]
    with pytest.raises(gesso.ArgumentError, match=f"token {image} stands for an image"):
        importance.collect(model, [*TEXT, image], on_progress=lambda *_: pytest.fail("worked"))


def test_the_text_is_not_overwritten(path, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("abcab" * 100)
    assert main(["imatrix", str(path), *[str(tmp_path / "text.txt")] * 2]) == 1
    assert "text.txt: exists and is no GGUF file" in capsys.readouterr().err
