"""Unpacks a Python for 64-bit Arm, which QEMU runs: packages of Debian, in a folder of their own. Nothing is installed.

    arm_python.py FOLDER

FOLDER/python is a script that runs it, and FOLDER/root/usr/include/python3.13 has its headers.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

RELEASE, PYTHON = "trixie", "python3.13"
# With these, pip installs and gesso runs. Nothing else of what Debian would install with them is needed.
PACKAGES = [
    *(f"{PYTHON}-minimal", f"lib{PYTHON}-minimal", f"lib{PYTHON}-stdlib", f"lib{PYTHON}-dev"),
    *("libc6", "libgcc-s1", "libstdc++6"),
    *("libbz2-1.0", "libexpat1", "libffi8", "liblzma5", "libssl3t64", "libzstd1", "zlib1g"),
]
NEEDED = ("apt-get", "dpkg-deb", "qemu-aarch64")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Lists of packages that are apart from the system's, which stay as they are.
SETTINGS = """
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
Dir::State "{state}";
Dir::State::status "{state}/status";
Dir::Cache "{state}/cache";
Dir::Etc::sourcelist "{state}/sources.list";
Dir::Etc::sourceparts "-";
Acquire::Languages "none";
APT::Sandbox::User "";
"""


def output(*command: str) -> str:
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def debian_mirror() -> str:
    """Where this machine gets Debian's packages from."""
    lines = output("apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages").splitlines()
    mirrors = [uri for uri, _, label in (line.partition(" ") for line in lines) if label == "Debian"]
    if not mirrors:
        raise SystemExit("arm_python.py: apt knows no mirror of Debian")
    return mirrors[0]


def download(folder: Path) -> list[Path]:
    """Fetches the packages. They are signed, and apt checks that."""
    state = folder / "apt"
    (state / "lists/partial").mkdir(parents=True)
    (state / "cache/archives/partial").mkdir(parents=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"deb [signed-by={KEYS}] {debian_mirror()} {RELEASE} main\n")
    (state / "apt.conf").write_text(SETTINGS.format(state=state))
    environment = os.environ | {"APT_CONFIG": str(state / "apt.conf")}
    for command in (["update", "-qq"], ["download", "-qq", *PACKAGES]):
        subprocess.run(["apt-get", *command], check=True, cwd=state, env=environment)
    return sorted(state.glob("*.deb"))


def unpack(packages: list[Path], root: Path) -> None:
    for name in ("bin", "lib", "sbin"):  # as on every Debian; the package that makes these links has too much else
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    # Debian's pyconfig.h includes that of the processor from a folder where only Debian's compilers look.
    headers = root / "usr/include"
    shutil.copy(headers / f"aarch64-linux-gnu/{PYTHON}/pyconfig.h", headers / PYTHON)


def main(words: list[str]) -> int:
    if len(words) != 1:
        print(__doc__.split("\n\n")[1].strip(), file=sys.stderr)
        return 2
    folder = Path(words[0]).resolve()
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        print(f"arm_python.py: needs {', '.join(missing)}", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "root"
    unpack(download(folder), root)
    shutil.rmtree(folder / "apt")
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec qemu-aarch64 -L {root} {root}/usr/bin/{PYTHON} "$@"\n')
    script.chmod(0o755)
    print(output(str(script), "-c", "import platform; print('Python', platform.python_version(), platform.machine())"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
