"""Projects of others, built on what is installed. Each writes what the Python package writes for the same turns.

`make downstream` makes the prefix. The wheel is the one that pip has installed here, and the subdirectory is this
repository. Of gesso nothing is compiled again.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gesso
from downstream.programs import CMAKE, ROOT, SEED, TURNS, run
from gesso.bundled.sudoku_model import bundled_model

HERE = Path(__file__).parent
PREFIX = ROOT / "build/downstream/prefix"
PACKAGE = ROOT / "build/package"
# The number of lines that the project of a stranger has.
MOST_LINES = 8


@pytest.fixture(scope="session")
def expected() -> str:
    """What the package replies, in a session of its own."""
    model = gesso.load(bundled_model(), "cpu")
    session = model.session()
    length = model.config.canvas_length
    replies = [
        session.generate(model.tokenizer.encode(turn, parse_special=False), max_new_tokens=length, seed=SEED).texts[0]
        for turn in TURNS
    ]
    assert len(set(replies)) == len(TURNS)
    return "".join(reply + "\n" for reply in replies)


def reply_of(*command) -> str:
    return run(*command, bundled_model(), str(SEED), input="".join(turn + "\n" for turn in TURNS))


@pytest.fixture(scope="session", autouse=True)
def prefix() -> Path:
    if not PREFIX.exists():
        pytest.skip(f"needs {PREFIX.relative_to(ROOT)}, which `make downstream` makes")
    return PREFIX


def library_of(way: str) -> Path:
    """The shared library of the prefix or of the wheel."""
    return Path(gesso.get_library()) if way == "wheel" else next(PREFIX.rglob("libgesso.so"))


def build(language: str, folder: Path, way: str, *flags: str) -> Path:
    """Builds the project as a stranger would, and returns its build folder."""
    shutil.copytree(HERE / language, folder / "project")
    where = {
        "prefix": [f"-DCMAKE_PREFIX_PATH={PREFIX}"],
        "wheel": [f"-Dgesso_DIR={gesso.get_cmake_dir()}"],
        "subdirectory": [f"-DGESSO_OBJECTS_FROM={PACKAGE}", "-DGESSO_CUDA=OFF"],
    }
    if way == "subdirectory":
        (folder / "project/gesso").symlink_to(ROOT)
    run(CMAKE, "-G", "Ninja", "-S", folder / "project", "-B", folder / "build", *where[way], *flags)
    run(CMAKE, "--build", folder / "build", "--target", "chat")
    return folder / "build"


@pytest.mark.parametrize(
    ("language", "way", "flags"),
    [
        ("cpp", "prefix", []),
        ("cpp", "prefix", ["-DBUILD_SHARED_LIBS=ON"]),
        ("cpp", "wheel", []),
        ("cpp", "subdirectory", []),
        ("c", "prefix", []),
        ("c", "wheel", []),
        ("c", "subdirectory", ["-DBUILD_SHARED_LIBS=ON"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "shared" if value else "as it comes",
)
def test_a_cmake_project(tmp_path, expected, language, way, flags):
    assert len((HERE / language / "CMakeLists.txt").read_text(encoding="utf-8").splitlines()) == MOST_LINES
    build_folder = build(language, tmp_path, way, *flags)
    assert reply_of(build_folder / "chat") == expected
    # Of a static library nothing is loaded. A project in C alone gets the shared one.
    dynamic = run("readelf", "--dynamic", build_folder / "chat")
    assert ("libgesso.so.0" in dynamic) == (language == "c" or way == "wheel" or bool(flags))
    # A C++ program is tied to the minor version of a shared library, a C program to the major one.
    major, minor = gesso.__version__.split(".")[:2]
    tied_to = f"GESSO_{major}" if language == "c" else f"GESSO_CXX_{major}.{minor}"
    needed = set(re.findall(r"GESSO_\w*[.\w]*", run("readelf", "--version-info", "--wide", build_folder / "chat")))
    assert needed == ({tied_to} if "libgesso" in dynamic else set())
    if way == "subdirectory" and not gesso.has_cuda():  # a part of the package's objects is for its backend
        compiled = [path.name for path in build_folder.rglob("*.o")]
        assert sorted(set(compiled) - {"shared.cpp.o"}) == [f"chat.{language}.o"], (
            "the package's objects were not taken"
        )


@pytest.mark.parametrize("is_static", [True, False])
def test_pkg_config(tmp_path, expected, is_static):
    if not shutil.which("pkg-config"):
        pytest.skip("needs pkg-config")
    environment = {"PKG_CONFIG_PATH": str(next(PREFIX.rglob("pkgconfig")))}
    flags = run("pkg-config", "--cflags", "--libs", "gesso", *["--static"] * is_static, environment=environment).split()
    if is_static:  # both libraries are in one folder, where -lgesso means the shared one
        flags[flags.index("-lgesso")] = "-l:libgesso.a"
    source = HERE / "c/chat.c"
    run("cc", "-std=c99", source, *flags, f"-Wl,-rpath,{library_of('prefix').parent}", "-o", tmp_path / "chat")
    assert reply_of(tmp_path / "chat") == expected
    assert ("libgesso.so" in run("readelf", "--dynamic", tmp_path / "chat")) != is_static


@pytest.mark.parametrize("way", ["prefix", "wheel"])
def test_ctypes(expected, way):
    assert reply_of(sys.executable, "-I", HERE / "ctypes/chat.py", library_of(way)) == expected


@pytest.mark.parametrize("way", ["prefix", "static", "wheel"])
def test_rust(tmp_path, expected, way):
    if not shutil.which("cargo"):
        pytest.skip("needs cargo, which is not installed here")
    library = next(PREFIX.rglob("libgesso.a")) if way == "static" else library_of(way)
    shutil.copytree(HERE / "rust", tmp_path / "project")
    environment = {"GESSO_LIBRARY": str(library)}
    run("cargo", "build", "--quiet", "--offline", cwd=tmp_path / "project", environment=environment)
    assert reply_of(tmp_path / "project/target/debug/chat") == expected


def test_another_major_version_is_refused_and_a_missing_component_named(tmp_path):
    for words, message in (("1.0", "0.1.0"), ("COMPONENTS shared rust", '"rust"')):
        (tmp_path / "CMakeLists.txt").write_text(
            f"cmake_minimum_required(VERSION 3.26)\nproject(p C)\nfind_package(gesso {words} REQUIRED)\n"
        )
        command = [CMAKE, "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={PREFIX}"]
        done = subprocess.run(command, text=True, capture_output=True)
        assert done.returncode != 0 and message in done.stderr, done.stderr


@pytest.mark.parametrize("way", ["find_package", "add_subdirectory"])
def test_the_examples_of_the_document_configure(tmp_path, way):
    blocks = re.findall(r"^```cmake\n(.*?)^```$", (ROOT / "docs/building.md").read_text(), re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if way in block)
    (tmp_path / "CMakeLists.txt").write_text(block)
    shutil.copy(HERE / "cpp/chat.cpp", tmp_path / "main.cpp")
    (tmp_path / "gesso").symlink_to(ROOT)
    run(CMAKE, "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={PREFIX}", "-DGESSO_CUDA=OFF")


@pytest.mark.parametrize("installed", ["prefix", "wheel"])
def test_what_is_installed_can_be_moved(installed):
    """No file names a folder of the build, or the prefix itself."""
    folder = PREFIX if installed == "prefix" else Path(gesso.get_include()).parent
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert any(path.name == "gessoConfig.cmake" for path in files)
    naming = [path for path in files if any(str(word).encode() in path.read_bytes() for word in (ROOT, PREFIX))]
    assert naming == []


@pytest.mark.parametrize("installed", ["prefix", "wheel"])
def test_all_headers_are_installed(installed):
    folder = PREFIX / "include" if installed == "prefix" else Path(gesso.get_include())
    names = {path.name for path in (ROOT / "include/gesso").iterdir()}
    assert {path.name for path in (folder / "gesso").iterdir()} == names
