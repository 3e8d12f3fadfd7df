"""gesso-bench of tools/: it measures what the package would measure, and makes the package's random models."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import gesso
from downstream.programs import ROOT, run
from downstream.test_tools import MODEL, refusal
from gesso.files.tensor import stored_bytes
from gesso.synth.model import CONFIGS, make_model

BENCH = ROOT / "build/tools/gesso-bench"
# The sizes in the order of the library's table, as config.json names them.
SIZES = (
    *("vocab_size", "hidden_size", "intermediate_size", "moe_intermediate_size", "num_hidden_layers"),
    *("num_attention_heads", "num_key_value_heads", "num_global_key_value_heads", "head_dim", "global_head_dim"),
    *("num_experts", "top_k_experts", "sliding_window", "max_position_embeddings"),
)
SPREAD = {"median_ms", "p10_ms", "p90_ms", "num_samples"}


@pytest.fixture(scope="session", autouse=True)
def tool():
    if not BENCH.exists():
        pytest.skip(f"needs {BENCH.relative_to(ROOT)}, which `make tools` makes")


def measure(tmp_path, *words) -> list[dict]:
    out = tmp_path / "result.json"
    run(BENCH, *words, "--device", "cpu", "-o", out)
    return json.loads(out.read_text())


def table_row(name: str) -> list[int]:
    """The numbers behind the name of a size in the source of the library."""
    source = (ROOT / "csrc/api/random/random_checkpoint.cpp").read_text(encoding="utf-8")
    found = re.search(rf'\{{"{name}", ([\d, ]+)\}}', source)
    assert found
    return [int(number) for number in found[1].split(",")]


def config_of(name: str) -> dict:
    """The published configuration with the sizes of the library."""
    config = json.loads((CONFIGS / "26b-a4b/config.json").read_text(encoding="utf-8"))
    *sizes, canvas, image = table_row(name)
    config |= {"canvas_length": canvas, "image_token_id": image}
    config["text_config"] |= dict(zip(SIZES, sizes, strict=True))
    return config


def test_all_records_of_a_file(tmp_path):
    parts = [
        "--parts",
        "ceilings,steps,ops,generations",
        "--canvases",
        "1,2",
        "--cached",
        "9",
        "--quick",
        "--note",
        "a=b",
    ]
    records = measure(tmp_path, MODEL, *parts)
    kinds = [record["kind"] for record in records]
    steps = ["encode", "first_step", "step", "commit"]
    assert list(dict.fromkeys(kinds)) == ["ceiling", *steps, "op", "generation"]
    model = gesso.load(MODEL, "cpu")
    for record in records:
        assert (record["device"], record["a"], record["weight_bytes"]) == ("cpu", "b", model.native.weight_bytes)
        assert (record["num_layers"], record["activations"]) == (model.config.num_hidden_layers, "int8")
        if record["kind"] in steps:
            assert record.keys() >= SPREAD and 0 < record["p10_ms"] <= record["median_ms"] <= record["p90_ms"]
    of_steps = [record for record in records if record["kind"] == "step"]
    rows = [(record["canvases"], record["cached"], record["rows"]) for record in of_steps]
    assert rows == [(1, 9, 36), (2, 9, 72)]
    assert all(record["floor_ms"] > 0 and record["mean_entropy"] > 0 for record in of_steps)
    found = {record["name"] for record in records if record["kind"] == "ceiling"}
    assert {"copy", "read"} < found and any(name.endswith(" int8") for name in found)


def test_samples(tmp_path):
    """Each repetition has as many steps with self-conditioning as a canvas has, but for the first one."""
    options = ["--parts", "steps", "--steps", "4", "--repetitions", "3", "--cached", "5"]
    records = {record["kind"]: record for record in measure(tmp_path, MODEL, *options)}
    samples = {kind: record["num_samples"] for kind, record in records.items()}
    assert samples == {"encode": 3, "first_step": 3, "step": 9, "commit": 3}
    assert records["step"]["floor_ms"] is None is records["step"]["share_of_floor"]


def test_ops_are_those_of_a_step(tmp_path):
    """Their calls and their work, as the package counts them in a step with self-conditioning."""
    options = ["--parts", "ops", "--cached", "9", "--steps", "3"]
    records = {record["op"]: record for record in measure(tmp_path, MODEL, *options)}
    session = gesso.load(MODEL, "cpu").session()
    session.encode(range(5, 14))
    session._native.set_profiling(True)
    passes = []
    session.generate(
        max_new_tokens=1,
        max_denoising_steps=3,
        confidence_threshold=0.0,
        end_token_ids=[],
        on_step=lambda _: passes.append(session._native.take_profile()),
    )
    expected = {f"{op.op} {op.weight}".strip(): op for op in passes[-1]}
    assert records.keys() == expected.keys()
    for name, op in expected.items():
        assert (records[name]["calls_per_step"], records[name]["types"]) == (op.calls, op.types)
        operations = (op.float_operations + op.int8_operations) / op.calls
        assert records[name]["operations"] == pytest.approx(operations, rel=1e-5)
        assert records[name]["num_samples"] == 2
    some = measure(tmp_path, MODEL, *options, "--ops", "expert_,router")
    assert {record["op"].split()[0] for record in some} == {"expert_gated_linear", "expert_linear", "router"}
    assert "--ops" in refusal(MODEL, *options, "--ops", "abacus", status=2, program=BENCH, stdout=subprocess.DEVNULL)


def test_the_full_size_is_the_published_one():
    assert config_of("26b-a4b") == json.loads((CONFIGS / "26b-a4b/config.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("preset", ["Q4_K_M", "Q8_0", "Q4_0", "BF16"])
@pytest.mark.parametrize("layers", [2, 6])
def test_random_weights_have_the_types_of_the_presets(tmp_path, preset, layers):
    (tmp_path / "config.json").write_text(json.dumps(config_of("small")), encoding="utf-8")
    _, tensors = make_model(tmp_path, preset, layers, 0)
    records = measure(tmp_path, "--synthetic", f"small:{preset}:{layers}", "--parts", "steps,ops", "--quick")
    step = next(record for record in records if record["kind"] == "step")
    assert step["num_layers"] == layers
    assert step["weight_bytes"] == sum(stored_bytes(tensor.dtype, tensor.shape) for tensor in tensors)
    assert 0.5 < step["mean_entropy"] < 7.5  # of at most log 2048: it is a model that predicts something
    types = {record["op"]: set(record["types"].split()) for record in records if record["kind"] == "op"}
    roles = {"linear ffn_down": ".ffn_down.", "expert_linear ffn_down_exps": ".ffn_down_exps.weight"}
    for op, name in roles.items():
        assert types[op] == {tensor.dtype for tensor in tensors if name in tensor.name}


def test_it_is_one_file():
    """It needs the C library and nothing else."""
    if not shutil.which("readelf"):
        pytest.skip("needs readelf")
    needed = set(re.findall(r"NEEDED.*\[(\w+)", run("readelf", "--dynamic", BENCH)))
    assert "libc" in needed and needed <= {"libc", "libm", "libpthread", "ld"}
    assert BENCH.stat().st_size < 30e6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "usage"),
        ([MODEL, "another"], "usage"),
        ([MODEL, "--synthetic", "small:Q8_0"], "usage"),
        ([MODEL, "--stepz", "3"], "--stepz"),
        ([MODEL, "--steps"], "--steps needs a value"),
        ([MODEL, "--steps", "1"], "--steps: expected a whole number from 2 on"),
        ([MODEL, "--cached", "5,,6"], "--cached"),
        ([MODEL, "--cached", "0"], "--cached"),
        ([MODEL, "--parts", "steps,naps"], "naps"),
        ([MODEL, "--early-starts", "maybe"], "maybe"),
        ([MODEL, "--note", "=b"], "--note"),
        ([MODEL, "--device", "abacus"], "abacus"),
        (["--synthetic", "huge:Q8_0"], "huge"),
        (["--synthetic", "small:Q9"], "Q9"),
        (["--synthetic", "small:Q8_0:7"], "expected 0 to 6, got 7"),
    ],
)
def test_wrong_usage(words, message):
    assert message in refusal(*words, status=2, program=BENCH)


def test_files_that_cannot_be_used(tmp_path):
    missing = tmp_path / "missing"
    assert str(missing) in refusal(missing, status=1, program=BENCH)
    for output in (missing / "result.json", "/dev/null", tmp_path):  # refused before anything is measured
        words = [MODEL, "--device", "cpu", "--steps", "1000000000", "-o", output]
        assert str(output) in refusal(*words, status=1, program=BENCH, stdout=subprocess.DEVNULL)
    assert os.listdir(tmp_path) == []
    words = [MODEL, "--device", "cpu", "--cached", "9,100000"]
    assert "--cached: expected at most" in refusal(*words, status=2, program=BENCH, stdout=subprocess.DEVNULL)
    with open("/dev/full", "w") as full:
        words = [MODEL, "--device", "cpu", "--quick"]
        assert "standard output" in refusal(*words, status=1, program=BENCH, stdout=full)


def test_help_names_every_option():
    text = run(BENCH, "--help")
    source = Path(ROOT / "tools/gesso_bench.cpp").read_text(encoding="utf-8")
    flags = set(re.findall(r'flag == "(-[-\w]+)"', source))
    assert len(flags) > 10 and {flag for flag in flags if flag not in text} == {"--help"}
