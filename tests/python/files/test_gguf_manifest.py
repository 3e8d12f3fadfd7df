"""gesso opens the published files and finds all 692 tensors with their types, places and sizes."""

import pytest

import gesso
from gesso.loading import open_checkpoint
from python.command_line import run
from python.gguf_manifest import FILES, VOCABULARY_SIZE, num_bytes, read_manifest, write_hollow


@pytest.fixture(scope="module", params=FILES)
def hollow(request, tmp_path_factory):
    """Yields the name of the file, its path and where its data begin."""
    path = tmp_path_factory.mktemp("hollow") / f"{request.param}.gguf"
    data_start = write_hollow(path, request.param)
    yield request.param, path, data_start
    path.unlink()


def test_every_tensor_is_found(hollow):
    file, path, data_start = hollow
    checkpoint = open_checkpoint(path)
    got = [(t.name, tuple(t.shape), t.type, t.offset - data_start, t.num_bytes) for t in checkpoint.tensors]
    expected = [(e.name, e.shape, e.type, e.offset, num_bytes(e)) for e in read_manifest()[file]]
    assert len(got) == 692
    assert got == expected
    last = max(expected, key=lambda row: row[3])
    assert -(-(last[3] + last[4]) // 32) * 32 == FILES[file][1]  # the last tensor ends where the file ends
    assert checkpoint.file_bytes == data_start + FILES[file][1]
    assert len(checkpoint.metadata) == 44


def test_it_is_a_model(hollow):
    """Names, shapes and types fit the configuration. Values are read only by steps, and the test runs none."""
    model = gesso.load(hollow[1], num_threads=1)
    config = model.config
    assert (config.hidden_size, config.num_hidden_layers, config.num_experts) == (2816, 30, 128)
    assert (config.vocab_size, config.canvas_length) == (VOCABULARY_SIZE, 256)
    assert config.layer_types == (("sliding_attention",) * 5 + ("full_attention",)) * 5
    assert list(model.tokenizer.encode("<bos>th<|turn>")) == [2, 1003, 105]
    assert sorted(config.end_token_ids) == [1, 50, 106]


def test_inspect_shows_it(tmp_path):
    path = tmp_path / "hollow.gguf"
    write_hollow(path, "Q4_K_M")
    status, out, _ = run("inspect", str(path))
    path.unlink()  # pytest keeps temporary files; this one is 16 GB long, although it takes little room
    assert status == 0
    assert "cannot" not in out
    assert "692" in out
