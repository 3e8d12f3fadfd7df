"""Where the installed package has what C and C++ programs are built with."""

from __future__ import annotations

from pathlib import Path

from gesso import _native


def get_include() -> str:
    """The folder for -I: it holds gesso/gesso.h for C, gesso/model.h and others for C++."""
    return str(_installed("include"))


def get_library() -> str:
    """The shared library: for ctypes.CDLL, or for a linker. The package runs on it, too."""
    folder = _installed("lib")
    (library,) = (path for path in folder.iterdir() if path.name.startswith("libgesso."))
    return str(library)


def get_cmake_dir() -> str:
    """The folder with gessoConfig.cmake. cmake -Dgesso_DIR=... lets find_package(gesso) find the package."""
    return str(_installed("lib/cmake/gesso"))


def _installed(name: str) -> Path:
    path = Path(_native.__file__).parent / name
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: this build of gesso has no headers and library; what pip installs has them")
    return path
