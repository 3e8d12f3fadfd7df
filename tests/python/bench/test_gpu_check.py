"""The plan of bench/gpu_check.sh, with parts that stand for those which need a GPU."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpu_check import figures, kit
from gpu_check.__main__ import SECONDS_OF_CALL, main
from gpu_check.parts import LAST_OF_FIRST_CALL, PARTS, Part
from gpu_check.results import FILES
from gpu_check.setting import ROOT, Setting

ENTRY = {"part", "limit_seconds", "status", "exit_code", "seconds", "commands", "stub", "note", "figures"}
RECORD = {
    "kind": "op",
    "op": "route",
    "median_ms": 0.5,
    "calls_per_step": 2,
    "bytes": 1e6,
    "operations": 2e9,
    "plan": "",
}


def python(code):
    return lambda setting: [[sys.executable, "-c", code]]


def unpacked(setting):
    """In place of unpacking: it writes what the kit says about itself."""
    return python(f"import pathlib as p; f = p.Path(r'{setting.kit}'); f.mkdir(exist_ok=True); "
                  "(f / 'kit.json').write_text('{\"commit\": \"abc\"}')")(setting)  # fmt: skip


def measuring(setting):
    """Writes one record, and then hangs."""
    return python(f"open(r'{setting.records}', 'w').write('''{json.dumps([RECORD])}'''); import time; time.sleep(60)")(
        setting
    )


def part(name, code, seconds=20, read=figures.read_nothing, **rest):
    return Part(name, seconds, code if callable(code) else python(code), read, **rest)


UNPACK = part("unpack", unpacked)
GOOD = part("good", "print('fine')")
BAD = part("bad", "print('no good'); raise SystemExit(3)")


@pytest.fixture
def call(tmp_path):
    """Runs the check with other parts than PARTS. Returns its exit status and what check.json then holds."""
    (tmp_path / "kit.tar.xz").touch()
    folders = ["--kit", str(tmp_path / "kit.tar.xz"), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]

    def run(parts, *options):
        status = main([*folders, *options], [UNPACK, *parts])
        return status, json.loads((tmp_path / "out/check.json").read_text())

    run.out = tmp_path / "out"
    return run


def statuses(check):
    return {entry["part"]: entry["status"] for entry in check["parts"]}


def test_first_call_fits_into_nine_minutes():
    names = [part.name for part in PARTS]
    first = PARTS[: names.index(LAST_OF_FIRST_CALL) + 1]
    assert sum(part.seconds for part in first) <= SECONDS_OF_CALL < 540
    assert len(set(names)) == len(names) and all(part.seconds < 100 for part in PARTS)
    # The order of value: that it computes rightly, what the step model predicts, whole steps, tools.
    order = [
        "ops_bf16",
        "small_models",
        "op_experts",
        "step_q4_k_m",
        "step_q8_0",
        "memcheck",
        "racecheck",
        "ncu_experts",
    ]
    assert sorted(order, key=names.index) == order and set(order) < {part.name for part in first}


def test_results_of_a_call(call):
    status, check = call([GOOD, BAD, part("without", "", tool="no_such_program")])
    assert status == 1
    assert statuses(check) == {"unpack": "passed", "good": "passed", "bad": "failed", "without": "missing"}
    assert all(set(entry) == ENTRY for entry in check["parts"])
    assert check["parts"][2]["exit_code"] == 3 and check["parts"][3]["note"] == "no no_such_program on this machine"
    assert not any(entry["stub"] for entry in check["parts"])
    assert sorted(path.name for path in call.out.iterdir()) == sorted(FILES) and len(FILES) <= 6
    logs = (call.out / "logs.txt").read_text()
    assert logs.index("no good") < logs.index("fine")  # what did not pass stands first


def test_an_ended_part_keeps_what_it_measured(call):
    status, check = call([part("op", measuring, seconds=1, read=figures.read_measured), GOOD])
    assert status == 1 and statuses(check) == {"unpack": "passed", "op": "ended", "good": "passed"}
    entry = check["parts"][1]
    assert entry["exit_code"] is None and 1 <= entry["seconds"] < 10
    assert entry["figures"]["ops"]["route"]["ms_per_step"] == 1.0 == entry["figures"]["sum_of_ops_ms"]
    assert json.loads((call.out / "records.json").read_text()) == [{"part": "op", **RECORD}]


def test_a_part_that_ends_the_call_keeps_the_earlier_results(call):
    """As when the machine's own limit ends the call."""
    with pytest.raises(ZeroDivisionError):
        call([GOOD, part("last", lambda setting: 1 / 0), BAD])
    check = json.loads((call.out / "check.json").read_text())
    assert statuses(check) == {"unpack": "passed", "good": "passed", "last": "not run", "bad": "not run"}


def test_processes_of_a_part_end_with_it(call, tmp_path):
    mark = tmp_path / "mark"
    child = f"import time; time.sleep(2); open(r'{mark}', 'w')"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    call([part("parent", code, seconds=1)])
    time.sleep(1.5)
    assert not mark.exists()


def test_rest_takes_what_is_left(call, tmp_path):
    """First what was not begun, then what had to be ended. What failed has a result."""
    parts = [
        part("hangs", "import time; time.sleep(60)", seconds=1),
        BAD,
        part("long", "print('at last')", seconds=500),
        GOOD,
    ]
    _, check = call(parts, "--seconds", "100")
    assert check["calls"][0]["not_begun"] == ["long"]
    assert statuses(check) == {
        "unpack": "passed",
        "hangs": "ended",
        "bad": "failed",
        "long": "not run",
        "good": "passed",
    }
    earlier = tmp_path / "earlier"
    call.out.rename(earlier)
    parts[0] = part("hangs", "print('no longer')", seconds=9)
    status, check = call(parts, "--rest", "--results", str(earlier), "--seconds", "530")
    assert status == 0
    assert statuses(check) == {
        "unpack": "passed",
        "hangs": "passed",
        "bad": "failed",
        "long": "passed",
        "good": "passed",
    }
    assert [entry["not_begun"] for entry in check["calls"]] == [["long"], []]
    logs = (call.out / "logs.txt").read_text()
    assert [logs.count(f"\n{line}\n") for line in ("fine", "no good", "no longer", "at last")] == [1, 1, 1, 1]


def test_a_call_that_begins_no_part_fails(call, capsys):
    status, check = call([GOOD], "--seconds", "1e-9")
    assert status == 1 and check["calls"][0]["not_begun"] == ["unpack", "good"]
    assert "no part was begun: each needs more than 1e-09 s" in capsys.readouterr().err


def test_chosen_parts_run_again_and_the_others_stay(call, capsys):
    call([GOOD, BAD])
    _, check = call([GOOD, part("bad", "print('mended')")], "--parts", "bad")
    assert statuses(check) == {"unpack": "passed", "good": "passed", "bad": "passed"} and len(check["calls"]) == 2
    assert "fine" in (call.out / "logs.txt").read_text()
    with pytest.raises(SystemExit, match="unknown part nothing; there are: unpack good bad"):
        call([GOOD, BAD], "--parts", "nothing")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seconds", "nan"], "argument --seconds: expected a number above 0, got nan"),
        (["--seconds=-5"], "argument --seconds: expected a number above 0, got -5"),
        (["--seconds", "soon"], "argument --seconds: expected a number above 0, got soon"),
        (["--parts", ""], "argument --parts: expected names with commas between them, got ''"),
        (["--parts", "good,"], "argument --parts: expected names with commas between them, got 'good,'"),
        (["--parts", "good", "--rest"], "argument --rest: not allowed with argument --parts"),
        (["--results", "elsewhere"], "--results: expected --rest or --parts beside it"),
    ],
)
def test_options_that_are_refused(call, capsys, options, message):
    with pytest.raises(SystemExit):
        call([GOOD], *options)
    assert message in capsys.readouterr().err and not call.out.exists()


@pytest.mark.parametrize("option", ["--out", "--work"])
def test_a_file_is_no_folder(call, tmp_path, option):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(SystemExit, match=f"{path}: expected a folder, or a place for one: "):
            call([GOOD], option, str(path))


def test_a_folder_is_no_kit(call, tmp_path):
    """The first part says what it lacks. Commands that take the folder for an archive would say less."""
    setting = Setting(tmp_path, tmp_path / "work", False)
    assert setting.missing("archive") == f"no {tmp_path}, which `make gpu-kit` packs"


def test_earlier_results_are_not_overwritten(call, tmp_path):
    """Neither by a second call like the first, nor by one that continues another folder's results."""
    call([BAD])
    before = (call.out / "check.json").read_text()
    shutil.copytree(call.out, tmp_path / "earlier")
    earlier = ["--results", str(tmp_path / "earlier")]
    for options in ([], ["--rest", *earlier], ["--parts", "bad", *earlier]):
        with pytest.raises(SystemExit, match=f"{call.out}: has results of an earlier call, which would be lost"):
            call([BAD], *options)
    assert (call.out / "check.json").read_text() == before
    _, check = call([BAD], "--rest", "--results", str(call.out))
    assert len(check["calls"]) == 2


def test_chosen_parts_take_over_the_results_that_are_named(call, tmp_path):
    call([GOOD, BAD])
    call.out.rename(tmp_path / "earlier")
    with pytest.raises(SystemExit, match="nowhere: expected the results of an earlier call"):
        call([GOOD, BAD], "--parts", "bad", "--results", str(tmp_path / "nowhere"))
    _, check = call([GOOD, BAD], "--parts", "bad", "--results", str(tmp_path / "earlier"))
    assert statuses(check)["good"] == "passed" and len(check["calls"]) == 2


def test_the_script_finds_its_folder_behind_a_link(tmp_path):
    (tmp_path / "link.sh").symlink_to(ROOT / "bench/gpu_check.sh")
    done = subprocess.run(["sh", "link.sh", "--help"], cwd=tmp_path, capture_output=True, text=True,
                          env=os.environ | {"PYTHON": sys.executable})  # fmt: skip
    assert done.stdout.startswith("usage: bench/gpu_check.sh") and done.returncode == 0, done.stderr


def test_every_tool_of_the_sanitizer_sees_small_and_full_shapes():
    tools = {"memcheck", "racecheck", "synccheck", "initcheck"}
    checked = {part.name for part in PARTS if part.tool == "compute-sanitizer"}
    assert checked == tools | {f"{tool}_layer" for tool in tools}


@pytest.mark.parametrize("log", ['{"model"', '{"model": 1}', '{"model": null, "activations'])
def test_figures_that_cannot_be_read_fail_their_part_alone(call, log):
    status, check = call([part("unread", f"print({log!r})", read=figures.read_answers), GOOD])
    assert status == 1 and statuses(check) == {"unpack": "passed", "unread": "failed", "good": "passed"}
    assert check["parts"][1]["note"].startswith("its figures cannot be read: ")


def test_a_rehearsal_is_no_earlier_call(call):
    _, check = call([GOOD])
    (call.out / "check.json").write_text(json.dumps(check | {"is_rehearsal": True}))
    with pytest.raises(SystemExit, match="a rehearsal's results and those of a GPU cannot be joined"):
        call([GOOD], "--rest")


@pytest.mark.parametrize(
    ("name", "text"),
    [("check.json", ""), ("check.json", "{}"), ("check.json", "[3]"), ("records.json", "{"), ("records.json", "7")],
)
def test_damaged_results_are_no_earlier_call(call, name, text):
    call([GOOD])
    (call.out / name).write_text(text)
    with pytest.raises(SystemExit, match="expected the results of an earlier call: "):
        call([GOOD], "--rest")


def test_rest_needs_earlier_results(call):
    with pytest.raises(SystemExit, match="expected the results of an earlier call"):
        call([GOOD], "--rest")


def test_rehearsal_runs_without_tools_and_says_so(call):
    status, check = call([part("checked", "print('ran')", tool="no_such_program"), GOOD], "--rehearse")
    assert status == 0 and check["is_rehearsal"] and all(set(entry) == ENTRY for entry in check["parts"])
    assert check["parts"][1]["stub"] == ["card", "no_such_program"] and check["parts"][2]["stub"] == ["card"]
    assert "ran" in (call.out / "logs.txt").read_text()


def test_rehearsal_without_a_kit(tmp_path, capsys):
    """Every part of the real plan is a stub, in the plan's order and with its limits."""
    folders = ["--kit", str(tmp_path / "no.tar.xz"), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    assert main(["--rehearse", "--seconds", "5000", *folders]) == 0
    entries = json.loads((tmp_path / "out/check.json").read_text())["parts"]
    assert [(entry["part"], entry["limit_seconds"]) for entry in entries] == [(p.name, p.seconds) for p in PARTS]
    assert {entry["status"] for entry in entries} == {"stub"} and all(set(entry) == ENTRY for entry in entries)
    assert "make gpu-rehearse" in capsys.readouterr().out


def test_commands_of_all_parts(tmp_path):
    """Each part has commands, and those of a rehearsal name the same programs."""
    names = {}
    for is_rehearsal in (False, True):
        setting = Setting(tmp_path / "kit.tar.xz", tmp_path, is_rehearsal)
        setting.kit.mkdir(exist_ok=True)
        (setting.kit / "kit.json").write_text(
            json.dumps({"commit": "abc", "answers": {name: f"tests/golden/{name}.gguf" for name in ("mixed", "q8_0")}})
        )
        names[is_rehearsal] = {
            p.name: {word for c in p.commands(setting) for word in c[:4] if "/" in word} for p in PARTS
        }
    assert names[True].keys() == names[False].keys() and all(names[True].values())


def test_a_step_is_measured_with_and_without_early_starts(tmp_path):
    """Nothing else differs that could change its time."""
    setting = Setting(tmp_path / "kit.tar.xz", tmp_path, False)
    setting.kit.mkdir()
    (setting.kit / "kit.json").write_text('{"commit": "abc"}')
    parts = {part.name: part for part in PARTS}
    (early,), (late,) = (parts[name].commands(setting) for name in ("step_q4_k_m", "step_late_starts"))
    assert late[-2:] == ["--early-starts", "no"] and "--early-starts" not in early
    assert (early[-1], late[-3]) == ("ceilings,steps,ops", "steps") and early[:-1] == late[:-3]


PYTEST_LOG = """
[gw0] [ 10%] PASSED tests/ops/test_add.py::test_sizes[1]
[gw1] [ 20%] FAILED tests/ops/test_add.py::test_sizes[2]
[gw1] [ 30%] SKIPPED tests/ops/test_add.py::test_sizes[3]
SKIPPED [1] tests/ops/test_add.py:9: needs the emulator
FAILED tests/ops/test_add.py::test_sizes[2] - assert 0
"""
SANITIZER_LOG = (
    "========= ERROR SUMMARY: 0 errors\n========= RACECHECK SUMMARY: 2 hazards displayed (2 errors, 0 warnings)\n"
)
NCU_LOG = """
  expert_kernel<1> (132, 1, 1)x(128, 1, 1), Context 1, Stream 7, Device 0, CC 9.0
    Memory Throughput                 %        61.20
    Duration                         us       104.16
    Compute (SM) Throughput           %        42.10
"""


def test_figures():
    setting = Setting(Path("none"), Path("none"), False)
    assert figures.read_tests(setting, PYTEST_LOG) == {"passed": 1, "failures": 1, "errors": 0, "skipped": 1}
    assert figures.read_sanitizer(setting, SANITIZER_LOG) == {"runs": 2, "errors": 2}
    kernel = {"kernel": "expert_kernel<1>", "memory": "61.20 %", "duration": "104.16 us", "compute": "42.10 %"}
    assert figures.read_kernels(setting, NCU_LOG) == {"kernels": [kernel]}
    answer = {"model": "mixed", "activations": "bf16", "mean_kl": 0.1}
    assert figures.read_answers(setting, f"$ command\n{json.dumps(answer)}\n") == {"models": {"mixed bf16": answer}}


def test_gaps(tmp_path):
    """A step of 5 ms whose ops take 0.5 ms twice and 3 ms once leaves 1 ms."""
    setting = Setting(Path("none"), tmp_path, False)
    other = RECORD | {"op": "embed", "median_ms": 3.0, "calls_per_step": 1}
    step = {"kind": "step", "median_ms": 5.0, "floor_ms": 2.0, "mean_entropy": 3.0}
    setting.records.write_text(json.dumps([RECORD, other, step]))
    read = figures.read_measured(setting, "")
    assert (read["sum_of_ops_ms"], read["step_ms"], read["gaps_ms"]) == (4.0, 5.0, 1.0)
    assert read["ops"]["route"]["gb_per_s"] == 2.0 and read["ops"]["route"]["tera_per_s"] == 4.0


def test_a_kit_is_packed_and_unpacked(tmp_path, monkeypatch, capsys):
    def fill(stage, *rest):
        (stage / "program").write_bytes(b"head" + bytes(1 << 20) + b"tail")
        return {"commit": "abc"}

    monkeypatch.setattr(kit, "fill", fill)
    kit.pack(tmp_path, tmp_path / "a/kit.tar.xz", None, True)
    assert (tmp_path / "a/kit.tar.xz").stat().st_size < 10_000 and "with the tracked files" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kit.tar.xz"]
    kit.unpack(tmp_path / "a/kit.tar.xz", tmp_path / "b")
    assert (tmp_path / "b/program").read_bytes() == b"head" + bytes(1 << 20) + b"tail"
    assert json.loads((tmp_path / "b/kit.json").read_text()) == {"commit": "abc"}
    monkeypatch.setattr(kit, "MAX_BYTES", 1000)
    with pytest.raises(SystemExit, match="expected at most"):
        kit.pack(tmp_path, tmp_path / "a/kit.tar.xz", None, False)
