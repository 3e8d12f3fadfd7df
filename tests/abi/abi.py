"""What a program that was built with gesso relies on: the functions of the C interface with their types, its structs
with the place of each field, its constants, and the C++ functions that the shared library shows.

    python tests/abi/abi.py              compares the installed library with gesso.abi
    python tests/abi/abi.py --write      adds to gesso.abi what is new; this is `make abi`
    ... --write --remove                 also takes away what is gone

Programs that were built keep running as long as lines are only added, and structs that begin with their size only grow.
"""

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "include/gesso/gesso.h"
LIST = Path(__file__).with_name("gesso.abi")

# Prints what the compiler makes of the names in the header. Types are those behind the typedefs of 64-bit Linux.
PROGRAM = """
#include <cxxabi.h>
#include <cstdio>
#include <cstdlib>
#include <typeinfo>
#include "gesso/gesso.h"
template <typename T> struct Type {};
template <typename T> void print(const char* what) {
  char* name = abi::__cxa_demangle(typeid(Type<T>).name(), nullptr, nullptr, nullptr);
  std::printf("%s %s\\n", what, name);
  std::free(name);
}
int main() {
"""


def names_in(header: str) -> tuple[list[str], dict[str, list[str]], list[str]]:
    """The functions, the structs with their fields, and the constants of enums and macros."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    functions = re.findall(r"GESSO_API\b[^;(]*?\b(gesso_\w+)\(", text)
    structs = {}
    for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} (\w+);", text, re.DOTALL):
        declared = re.sub(r"\[.*?\]", "", body).replace(";", ",").split(",")  # "int64_t a", " b", "const char* c", ...
        structs[name] = [re.findall(r"\w+", each)[-1] for each in declared if each.strip()]
    constants = [
        re.findall(r"\w+", each)[0]
        for body in re.findall(r"typedef enum \w* ?\{(.*?)\}", text, re.DOTALL)
        for each in body.split(",")
        if each.strip()
    ]
    return functions, structs, constants


def lines_of_header(path: Path = HEADER) -> list[str]:
    functions, structs, constants = names_in(path.read_text(encoding="utf-8"))
    body = [f'print<decltype({name})>("function {name}");' for name in functions]
    body += [f'std::printf("constant {name} %lld\\n", static_cast<long long>({name}));' for name in constants]
    for struct, fields in structs.items():
        body.append(f'std::printf("struct {struct} %zu bytes\\n", sizeof({struct}));')
        for field in fields:
            body.append(f'std::printf("field {struct}.{field} at %zu, ", offsetof({struct}, {field}));')
            body.append(f'print<decltype({struct}::{field})>("of type");')
    with TemporaryDirectory() as folder:
        program = Path(folder) / "abi"
        command = ["c++", "-std=c++20", f"-I{path.parents[1]}", "-xc++", "-", "-o", str(program)]
        # The functions are declared and not called, so no library is needed.
        subprocess.run(command, input=PROGRAM + "\n".join(body) + "}\n", text=True, check=True)
        output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return re.sub(r"\bType<(.*)>$", r"\1", output, flags=re.MULTILINE).splitlines()


def symbols_of(library: Path) -> list[tuple[str, str]]:
    """The kind of each symbol that the library shows, as nm has it, and its name."""
    command = ["nm", "--dynamic", "--defined-only", "--demangle", str(library)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    symbols = [(line[17:18], line[19:].partition("@")[0]) for line in output.splitlines()]  # without @@GESSO_0
    return [(kind, name) for kind, name in symbols if kind != "A"]  # GESSO_0 itself


def lines_of_library(library: Path) -> list[str]:
    """C++ functions. Weak symbols are left out: every program has its own, for example of the classes of exceptions."""
    return sorted({f"c++ {name}" for kind, name in symbols_of(library) if kind in "TDBR" and "::" in name})


def actual(library: Path) -> list[str]:
    return lines_of_header() + lines_of_library(library)


def broken(listed: list[str], found: list[str]) -> list[str]:
    """The lines that are gone or changed. A struct that begins with its size may grow at its end."""
    grown = {}
    for line in found:
        if match := re.fullmatch(r"struct (\w+) (\d+) bytes", line):
            grown[match[1]] = int(match[2])

    def may_differ(line: str) -> bool:
        match = re.fullmatch(r"struct (\w+) (\d+) bytes", line)
        has_size = match and f"field {match[1]}.struct_size at 0, of type unsigned long" in found
        return bool(has_size) and grown.get(match[1], 0) > int(match[2])

    return [line for line in listed if line not in found and not may_differ(line)]


def main(arguments: list[str]) -> int:
    import gesso

    found = actual(Path(gesso.get_library()))
    listed = LIST.read_text(encoding="utf-8").splitlines() if LIST.exists() else []
    removed = [line for line in listed if line not in found]
    for sign, lines in (("-", removed), ("+", [line for line in found if line not in listed])):
        print("".join(f"{sign} {line}\n" for line in lines), end="")
    if broken(listed, found) and "--remove" not in arguments:
        print(f"{LIST.name}: programs that were built may use what is gone. --remove takes it from the list.")
        return 1
    if "--write" in arguments:
        LIST.write_text("\n".join(found) + "\n", encoding="utf-8")
        return 0
    return int(found != listed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
