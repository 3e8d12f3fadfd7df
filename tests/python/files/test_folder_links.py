"""Links in a checkpoint folder: those of the hub's cache are followed, those that lead out of the folder are not."""

import shutil

import pytest

import gesso
from gesso.cli.program import main
from gesso.files.hf.folder import read_checkpoint
from python.expect import raises
from python.hf_folders import hf_folder

SECRET = "a secret of this machine"


@pytest.fixture
def folder(tmp_path):
    folder = hf_folder(tmp_path / "stranger", num_shards=1)
    for name in ("generation_config.json", "tokenizer_config.json"):
        (folder / name).write_text("{}")
    return folder


def load(folder):
    return gesso.load(folder, "cpu").generate([5, 6], max_new_tokens=8).sequences


@pytest.mark.parametrize(
    "name",
    [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "hf_quant_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors.index.json",
    ],
)
def test_a_link_out_of_the_folder_is_refused(folder, tmp_path, name, capsys):
    """Also where the content of the other file would be fine."""
    if (folder / name).exists():
        shutil.move(folder / name, tmp_path / "other")
    else:
        (tmp_path / "other").write_text("{}")
    (folder / name).symlink_to(tmp_path / "other")
    with raises(PermissionError, f"stranger/{name}.*is a link to {tmp_path / 'other'}, outside of its folder"):
        list(read_checkpoint(folder).tensors())
    assert main(["convert", str(folder), str(tmp_path / "out.gguf")]) == 1
    assert f"stranger/{name}: is a link to" in capsys.readouterr().err
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../{up}/secret", "../stranger2/secret"])
def test_no_way_out_is_followed(folder, tmp_path, target, capsys):
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "stranger2").mkdir()  # its name begins with that of the folder
    (tmp_path / "stranger2" / "secret").write_text(SECRET)
    (folder / "chat_template.jinja").unlink()
    (folder / "chat_template.jinja").symlink_to(target.format(up=tmp_path.name))
    assert main(["convert", str(folder), str(tmp_path / "out.gguf")]) == 1
    assert "outside of its folder" in capsys.readouterr().err


def test_a_link_to_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    (folder / "chat_template.jinja").unlink()
    (folder / "inner").symlink_to(tmp_path / "secret")
    (folder / "chat_template.jinja").symlink_to("inner")
    with raises(PermissionError, "chat_template.jinja.*is a link to"):
        gesso.load(folder)


def test_a_link_to_nothing_is_no_missing_file(folder):
    """A download that is not complete must not give a model without a tokenizer."""
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to("blob")
    with raises(OSError, "tokenizer.json.*is a link to .*stranger/blob, which does not exist"):
        gesso.load(folder)


def test_weights_may_lie_on_another_disk(folder, tmp_path):
    expected = load(folder)
    shutil.move(folder / "model.safetensors", tmp_path / "weights")
    (folder / "model.safetensors").symlink_to(tmp_path / "weights")
    assert load(folder) == expected
    (folder / "model.safetensors").unlink()
    (tmp_path / "weights").write_text(SECRET)
    (folder / "model.safetensors").symlink_to(tmp_path / "weights")
    with raises(ValueError, "model.safetensors: not a readable safetensors file"):
        gesso.load(folder)


def test_blobs_that_lead_elsewhere_give_no_other_files(folder, tmp_path):
    """A stranger's archive may have the layout of a hub cache, with a link in the place of `blobs`."""
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "secret").write_text(SECRET)
    revision = tmp_path / "models--a--b" / "snapshots" / "0123"
    shutil.copytree(folder, revision)
    (revision.parents[1] / "blobs").symlink_to(tmp_path / "private")
    (revision / "chat_template.jinja").unlink()
    (revision / "chat_template.jinja").symlink_to("../../blobs/secret")
    with raises(PermissionError, "outside of its folder"):
        gesso.load(revision)


def test_links_within_the_folder_are_followed(folder):
    expected = load(folder)
    for name in ("config.json", "model.safetensors"):
        (folder / name).rename(folder / f"real-{name}")
        (folder / name).symlink_to(f"real-{name}")
    assert load(folder) == expected


def test_a_folder_behind_a_link_is_read(folder, tmp_path):
    (tmp_path / "link").symlink_to("stranger")
    assert load(tmp_path / "link") == load(folder)


@pytest.mark.parametrize("mmap", [True, False])
def test_the_cache_of_the_hub(folder, tmp_path, mmap):
    """models--A--B/snapshots/REVISION/NAME -> ../../blobs/HASH, also where `blobs` lies on another disk."""
    expected = load(folder)
    root = tmp_path / "models--a--b"
    (root / "snapshots" / "0123").mkdir(parents=True)
    (tmp_path / "disk").mkdir()
    (root / "blobs").symlink_to("../disk")
    for number, file in enumerate(sorted(folder.iterdir())):
        shutil.move(file, root / "blobs" / f"{number:064x}")
        (root / "snapshots" / "0123" / file.name).symlink_to(f"../../blobs/{number:064x}")
    model = gesso.load(root / "snapshots" / "0123", "cpu", mmap=mmap)
    assert model.generate([5, 6], max_new_tokens=8).sequences == expected
    # Another folder of the cache is not `blobs`.
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(SECRET)
    (root / "snapshots" / "0123" / "chat_template.jinja").unlink()
    (root / "snapshots" / "0123" / "chat_template.jinja").symlink_to("../../refs/main")
    with raises(PermissionError, "outside of its folder"):
        gesso.load(root / "snapshots" / "0123")
