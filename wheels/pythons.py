"""The Pythons of this machine that gesso can be built for."""

import shutil
import subprocess
from pathlib import Path

# Those that are looked for. gesso supports them all.
VERSIONS = [(3, minor) for minor in range(10, 15)]
# Where version managers put them: pyenv and uv.
PLACES = (".pyenv/versions/{}.*/bin", ".local/share/uv/python/cpython-{}.*/bin")
# Prints the version, and the Python itself where this one is that of a virtual environment, if the headers are there.
# Builds without a GIL have another ABI.
PROBE = """
import os, sys, sysconfig, venv
has_headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
if has_headers and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    print("%d.%d" % sys.version_info[:2], sys._base_executable, sep="\\n")
"""


def candidates(name: str) -> list[Path]:
    on_path = shutil.which(f"python{name}")
    managed = [path for place in PLACES for path in sorted(Path.home().glob(place.format(name) + f"/python{name}"))]
    return [*([Path(on_path)] if on_path else []), *managed]


def find_pythons() -> dict[tuple[int, int], Path]:
    """The first Python of each version that runs and has its headers, in order of the versions."""
    found = {}
    for version in VERSIONS:
        name = f"{version[0]}.{version[1]}"
        for python in candidates(name):
            done = subprocess.run([python, "-c", PROBE], text=True, capture_output=True)
            if done.returncode == 0 and done.stdout.startswith(f"{name}\n"):
                found.setdefault(version, Path(done.stdout.splitlines()[1]))
    return found
