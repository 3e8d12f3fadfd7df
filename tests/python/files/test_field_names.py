"""An error about a checkpoint folder names the folder's field, although the native code knows GGUF keys only."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gesso
from gesso.cli.program import main
from gesso.files.hf.field_names import PLACES, TEXT_FIELDS, with_fields
from gesso.files.hf.folder import read_checkpoint
from python.expect import raises

pytest.importorskip("ml_dtypes")

from python.hf_folders import hf_folder, values


@pytest.fixture
def folder(tmp_path):
    return hf_folder(tmp_path / "folder")


def edit(file, change):
    content = json.loads(file.read_text()) if file.exists() else {}
    change(content)
    file.write_text(json.dumps(content))


def steps(folder):
    edit(folder / "generation_config.json", lambda c: c.update(max_denoising_steps=2**30))


def soft_cap(folder):
    edit(folder / "config.json", lambda c: c["text_config"].update(final_logit_softcapping=0))


def merge(folder):
    edit(folder / "tokenizer.json", lambda c: c["model"]["merges"].append(["no-such-part", "a"]))


CASES = {
    steps: r"eb_max_steps: expected .* got 1073741824 \(max_denoising_steps of generation_config.json\)",
    soft_cap: r"softcapping: expected .* \(text_config.final_logit_softcapping of config.json\)",
    merge: r"merges\[\d+\]: left part: expected a token, .* \(model.merges of tokenizer.json\)",
}


@pytest.mark.parametrize("damage", CASES, ids=lambda damage: damage.__name__)
def test_fields(folder, tmp_path, capsys, damage):
    damage(folder)
    with raises(gesso.FormatError, f"^{folder}: .*{CASES[damage]}$"):
        gesso.load(folder)
    place = CASES[damage].split(r"\(")[-1].removesuffix(r"\)")
    assert main(["convert", str(folder), str(tmp_path / "a.gguf")]) == 1
    assert place in capsys.readouterr().err
    main(["inspect", str(folder)])
    assert place in capsys.readouterr().out


def test_bench(folder, capsys):
    soft_cap(folder)
    assert main(["bench", str(folder), "--hash", "none"]) == 1
    assert "text_config.final_logit_softcapping of config.json" in capsys.readouterr().err


def test_tensors(tmp_path):
    name = "model.decoder.layers.1.self_attn.k_proj.weight"
    stored = values()
    folder = hf_folder(tmp_path / "folder", stored=stored | {name: np.zeros((8, 64), np.float32)})
    with raises(gesso.FormatError, rf"blk.1.attn_k.weight: expected shape .*, got \[8, 64\] \({name}\)"):
        gesso.load(folder)
    del stored[name]
    folder = hf_folder(tmp_path / "second", stored=stored)
    with raises(gesso.FormatError, rf"missing blk.1.attn_k.weight \[.*\] \({name}\)"):
        gesso.load(folder)


def test_what_has_no_field_stays_as_it_is():
    assert with_fields("rope_freqs.weight: a.b.c\nblk.0.other: x") == "rope_freqs.weight: a.b.c\nblk.0.other: x"


def test_every_key_is_one_of_a_folder(folder):
    metadata = read_checkpoint(folder).metadata
    optional = {"diffusion.eb_entropy_bound", "gesso.image_token_id"}
    assert set(PLACES) - optional <= set(metadata)
    assert len(set(TEXT_FIELDS.values())) == len(TEXT_FIELDS)
