"""The C++, C and CMake examples of the documents build and run. gesso within another project changes nothing there.

CMake only configures here. The examples are compiled by the commands that it would run, and linked with the library
from which the package was built.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gesso
from python.tiny_model import tiny_model

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LIBRARY = ROOT / "build/package/libgesso.a"
CMAKE = shutil.which("cmake", path=str(Path(sys.executable).parent)) or shutil.which("cmake")

# What a project does before and after the lines of the README. It says nothing about standards or optimisation.
BEGIN = """
cmake_minimum_required(VERSION 3.26)
project(app C CXX)
add_executable(app main.cpp)
add_executable(app_in_c main.c)
enable_testing()
get_cmake_property(before VARIABLES)
list(FILTER before EXCLUDE REGEX "^(before|name|CMAKE_MATCH_.*|CMAKE_(WARN|ERROR)_DEPRECATED|FETCHCONTENT_.*)$")
foreach(name ${before})
  set(before_${name} "${${name}}")
endforeach()
get_directory_property(options_before COMPILE_OPTIONS)
"""
END = """
target_link_libraries(app_in_c PRIVATE gesso)
foreach(name ${before})
  if(NOT "${${name}}" STREQUAL "${before_${name}}")
    message(WARNING "CHANGED ${name}: \\"${before_${name}}\\" -> \\"${${name}}\\"")
  endif()
endforeach()
get_directory_property(options_after COMPILE_OPTIONS)
if(NOT "${options_before}" STREQUAL "${options_after}")
  message(WARNING "CHANGED COMPILE_OPTIONS")
endif()
"""
FETCH = """
include(FetchContent)
FetchContent_Declare(gesso SOURCE_DIR ${CMAKE_SOURCE_DIR}/gesso)
FetchContent_MakeAvailable(gesso)
target_link_libraries(app PRIVATE gesso)
"""


def example(language, document=README):
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    return text


def configure(folder, lines):
    """Writes the project and configures it without a build type. Returns CMake's output and the compile commands."""
    (folder / "CMakeLists.txt").write_text(BEGIN + lines + END)
    (folder / "main.cpp").write_text(example("cpp"))
    (folder / "main.c").write_text(example("c"))
    (folder / "gesso").symlink_to(ROOT)
    command = [CMAKE, "-S", folder, "-B", folder / "build", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DGESSO_CUDA=OFF"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    entries = json.loads((folder / "build/compile_commands.json").read_text())
    return done.stdout + done.stderr, {Path(entry["file"]).name: entry for entry in entries}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    return folder, *configure(folder, example("cmake"))


def test_the_parent_stays_as_it_was(project):
    folder, output, commands = project
    assert "CHANGED" not in output and "Warning" not in output, output
    cache = (folder / "build/CMakeCache.txt").read_text()
    assert re.search(r"^CMAKE_BUILD_TYPE:STRING=$", cache, re.MULTILINE)
    cached = re.findall(r"^(\w+)", cache, re.MULTILINE)
    assert not [x for x in cached if not re.match("CMAKE_|GESSO_|gesso_|app_|FIND_PACKAGE_MESSAGE_DETAILS_Threads$", x)]
    own = shlex.split(commands["main.cpp"]["command"])
    assert "-std=gnu++20" in own and not [word for word in own if word.startswith(("-O", "-W", "-f"))]
    # The library is optimised all the same, and its tests are not built.
    assert "-O3" in shlex.split(commands["generate.cpp"]["command"])
    assert not [entry["file"] for entry in commands.values() if re.search("tests/|bench/|bindings/", entry["file"])]


def test_nothing_is_installed_and_no_test_added(project, tmp_path):
    build = project[0] / "build"
    command = [CMAKE, f"-DCMAKE_INSTALL_PREFIX={tmp_path / 'prefix'}", "-P", build / "cmake_install.cmake"]
    subprocess.run(command, check=True, capture_output=True)
    assert not (tmp_path / "prefix").exists()
    listed = subprocess.run([Path(CMAKE).with_name("ctest"), "-N"], cwd=build, capture_output=True, text=True)
    assert "Total Tests: 0" in listed.stdout


def test_fetch_content(tmp_path):
    output, commands = configure(tmp_path, FETCH)
    assert "CHANGED" not in output and "Warning" not in output, output
    assert "-std=gnu++20" in shlex.split(commands["main.cpp"]["command"])


def test_a_build_type_of_the_parent_holds(tmp_path):
    """Then the library has it, too."""
    _, commands = configure(tmp_path, "set(CMAKE_BUILD_TYPE Debug)\n" + example("cmake"))
    words = shlex.split(commands["generate.cpp"]["command"])
    assert "-g" in words and "-O3" not in words


def test_the_examples_write_the_same_text(project):
    """The C++ and the C example have the same prompt and seed, and so has this call."""
    if not LIBRARY.exists():
        pytest.skip(f"needs {LIBRARY.relative_to(ROOT)}, which `make demo` and `make native` build")
    folder, _, commands = project
    tiny_model(folder / "model.gguf")
    for source in ("main.cpp", "main.c"):
        subprocess.run(shlex.split(commands[source]["command"]), cwd=commands[source]["directory"], check=True)
        compiled = Path(commands[source]["directory"]) / shlex.split(commands[source]["command"])[-3]
        program = folder / f"run_{source}".replace(".", "_")
        subprocess.run(["c++", compiled, LIBRARY, "-pthread", "-o", program], check=True)
        done = subprocess.run([program], cwd=folder, capture_output=True, text=True, timeout=120)
        expected = gesso.load(folder / "model.gguf", "cpu").generate("Once upon a time", max_new_tokens=256, seed=1)
        assert (done.returncode, done.stdout) == (0, expected.texts[0] + "\n"), done.stderr


def test_the_examples_in_the_c_header_compile(project):
    """Each is the body of a function; those behind the first are given a model. They are C99, with all warnings."""
    header = (ROOT / "include/gesso/gesso.h").read_text(encoding="utf-8")
    blocks = re.findall(r"^(?: \*   .+\n)+", header, re.MULTILINE)
    bodies = [re.sub(r"^ \*   ", "", block, flags=re.MULTILINE) for block in blocks]
    assert "gesso_generate_text" in bodies[0] and bodies[0].endswith("gesso_model_free(model);\n")
    assert "gesso_session_generate" in bodies[1] and bodies[1].endswith("gesso_session_free(session);\n")
    assert "gesso_engine_submit_text" in bodies[2] and bodies[2].endswith("gesso_engine_free(engine);\n")
    continues = "void go_on(gesso_model* model, const int32_t* ids, size_t num_ids)"
    heads = ["int main(void)", continues, "void serve(gesso_model* model)"]
    functions = [f"{head};\n{head} {{\n{body}}}\n" for head, body in zip(heads, bodies, strict=True)]
    source = '#include <stdio.h>\n#include "gesso/gesso.h"\n' + "".join(functions)
    command = ["cc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-xc", "-"]
    subprocess.run([*command, f"-I{ROOT / 'include'}"], input=source, text=True, check=True)
