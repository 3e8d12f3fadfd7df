"""`gesso bench` on a GPU. Its work is counted as on the CPU, its memory is the device's, and no ceilings are
measured."""

import json
import re
import subprocess
from pathlib import Path

import pytest

import gesso
from gesso.cli import program as cli
from gesso.files.gguf_writer import matrices_as
from python.tiny_model import tiny_model

OP_COUNTS = ("calls", "float_operations", "int8_operations")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    types = matrices_as("Q8_0", "BF16")
    return str(tiny_model(tmp_path_factory.mktemp("bench") / "tiny.gguf", num_experts=2, types=types))


def test_a_row(path, activations, capsys):
    arguments = ["--device", "cuda", "--activations", activations, "-p", "5", "-b", "2", "--steps", "4", "-r", "2"]
    assert cli.main(["bench", path, *arguments, "--profile", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["device"]["name"], record["activations"]) == ("cuda:0", activations)
    assert record["device"]["memory_bytes"] > 0 and record["peak_memory_kind"] == "allocated, device"
    assert record["peak_memory_bytes"] >= record["model"]["weight_bytes"]
    assert (len(record["step_ms"]["samples"]), record["ceilings"]) == (6, [])
    assert record["passes"]["step"]["floor_ms"] is None is record["passes"]["step"]["share_of_floor"]
    assert any("ceilings of a GPU are not measured" in note for note in record["notes"])
    q = next(op for op in record["profile"]["step"] if op["op"] == "linears")
    kind, other = ("int8", "float") if activations == "int8" else ("float", "int8")
    assert q[f"{kind}_operations"] > 0 == q[f"{other}_operations"]
    assert f"mma {activations} " in q["plan"] and q["plan"].endswith(" waves")
    planned = {op["op"].split()[0] for op in record["profile"]["step"] if op["plan"]}
    assert planned == {
        "linears",
        "linear",
        "gated_linear",
        "expert_linear",
        "expert_gated_linear",
        "attention",
        "head_stats",
    }
    head = next(op for op in record["profile"]["step"] if op["op"] == "head_stats")
    assert head["float_operations"] > 0 == head["int8_operations"]


def test_clients(path, capsys):
    arguments = ["-p", "5", "--clients", "1,2", "--requests", "4", "--canvases", "2", "--steps", "4", "--json"]
    assert cli.main(["bench", path, "--device", "cuda", *arguments]) == 0
    one, two = json.loads(capsys.readouterr().out)
    assert (one["passes"], one["sweeps_per_block"]) == (4 * 2 * 4, 4)
    assert two["passes"] <= 4 * 2 * 4 and two["canvas_rows"] == one["canvas_rows"] == 4 * 2 * 4 * 8
    assert one["waiting_share"] is None and one["peak_memory_kind"] == "allocated, device"


def test_the_table_shows_plans(path, activations, capsys):
    arguments = ["--device", "cuda", "--activations", activations, "-p", "5", "--steps", "2", "-r", "1", "--profile"]
    assert cli.main(["bench", path, *arguments]) == 0
    printed = capsys.readouterr().out
    assert "| plan " in printed and re.search(rf"mma {activations} (\d+ by )?\d+ rows x 1 split, \d+ blocks, ", printed)


def test_profiled_steps_are_not_replayed_and_tell_the_same(path, load):
    """The steps of a recorded size run op by op while they are profiled. Their results must be the same."""
    session = load(path).session()
    options = {"max_new_tokens": 8, "max_denoising_steps": 4, "confidence_threshold": 0.0, "end_token_ids": []}
    plain = session.generate([2, 5, 6], **options).sequences
    session.rewind(3)
    session._native.set_profiling(True)
    assert session.generate(**options).sequences == plain
    calls = {(op.op, op.weight): op.calls for op in session._native.take_profile()}
    assert calls["linears", "attn_q, attn_k, attn_v"] == 4 * 3 and calls["head_stats", "token_embd"] == 4


def test_the_work_is_that_of_the_cpu(path, load, activations):
    """The bytes and operations of `linear` are equal. Other ops are not compared: the head makes the soft embedding
    differently, and keys and values are laid out differently."""

    def ops(model):
        session = model.session()
        session._native.set_profiling(True)
        session.encode([2, 5, 6])
        session.generate(max_new_tokens=8, max_denoising_steps=2, confidence_threshold=0.0)
        found = {(op.op, op.weight): op for op in session._native.take_profile() if op.op in ("linear", "linears")}
        return {key: tuple(getattr(op, name) for name in ("stored_bytes", *OP_COUNTS)) for key, op in found.items()}

    on_cpu = gesso.load(path, "cpu", activations="int8" if activations == "int8" else "f32")
    assert ops(load(path)) == ops(on_cpu) != {}


def test_the_tool(tmp_path, activations):
    """tools/gesso-bench with random weights that it makes: its ceilings, its steps, and the plans of its ops."""
    tool = Path(gesso.__file__).parents[2] / "tools/gesso-bench"
    if not tool.exists():
        pytest.skip(f"needs {tool}")
    out = tmp_path / "result.json"
    options = ["--synthetic", "small:Q4_K_M:2", "--quick", "--cached", "9", "--early-starts", "no", "-o", out]
    done = subprocess.run([tool, *options, "--device", "cuda", "--activations", activations], capture_output=True)
    assert done.returncode == 0, done.stderr
    records = json.loads(out.read_text())
    assert all((record["activations"], record["early_starts"]) == (activations, "no") for record in records)
    ceilings = {record["name"]: record for record in records if record["kind"] == "ceiling"}
    assert (
        {"copy", "read", "mma bf16", "mma int8"}
        <= ceilings.keys()
        <= {"copy", "read", "mma bf16", "mma int8", "wgmma bf16"}
    )
    (step,) = (record for record in records if record["kind"] == "step")
    assert step["floor_ms"] > 0 and 0.5 < step["mean_entropy"] < 7.5
    plans = {record["op"].split()[0]: record["plan"] for record in records if record["kind"] == "op"}
    assert all("waves" in plans[op] for op in ("linears", "linear", "gated_linear", "expert_linear", "attention"))
