"""The C library alone, as every compiler of ours sees it, and what must never be in it.

    python tests/onboard/check_builds.py [ONBOARD]      (default: onboard/ of this checkout)

Warnings are errors under gcc and clang, for 64 and 32 bits, with plain char signed and unsigned, for bare
cores that no image is built for, and for the public headers as C++. The objects of the firmware are then
searched for what flight code does without: a heap, floating point, recursion, arrays whose size is known only
at run time, and anything of a C library beyond moving bytes.
"""

import itertools
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from framekeep_onboard.callgraph import Graph, GraphError

STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wvla", "-Werror"]
HOST = [
    [compiler, *flags]
    for compiler in ("gcc", "clang")
    for flags in (["-O2"], ["-O2", "-funsigned-char"], ["-O2", "-m32"])
]
CROSS = {
    "cortex-m3": ["-mcpu=cortex-m3", "-mfloat-abi=soft", "-O0"],  # calls as written, not as optimised
    "cortex-m4": ["-mcpu=cortex-m4", "-mfloat-abi=soft", "-O2"],
    "cortex-m55": ["-mcpu=cortex-m55+nofp", "-mfloat-abi=hard", "-O2"],
}

# Cores and compilers of other people's boards: compiled and assembled, with five functions of a C library.
BARE = [
    ["clang", "--target=thumb-none-eabi", "-mcpu=cortex-m55", "-nostdlibinc", "-Os"],
    ["clang", "--target=riscv32-none-elf", "-march=rv32imc", "-mabi=ilp32", "-nostdlibinc", "-Os"],
    ["arm-none-eabi-gcc", "-mcpu=cortex-a7", "-marm", "-O2"],
]
STRING_H = """#include <stddef.h>
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);
size_t strlen(const char *);
"""

PORTABLE = ("host", "images", "linux", "session")  # boards that any compiler takes

# All that flight objects may want from outside: moving bytes, and 64-bit integer arithmetic.
LIBRARY = re.compile(
    r"mem(cpy|move|set|cmp)|strlen|__aeabi_(mem\w+|u?ldivmod|u?idivmod|u?idiv|lmul|llsl|llsr|lasr|u?lcmp)|fk_\w+"
)
FLOAT = re.compile(r"\b(float|double|long double|_Complex)\b|\b\d+\.\d*f?\b|<(math|float|complex)\.h>")
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Tree:
    """The C files under test."""

    onboard: Path

    @property
    def flight(self) -> list[Path]:
        return sorted((self.onboard / "src").rglob("*.c"))

    @property
    def host(self) -> list[Path]:
        return [
            path for folder in PORTABLE for path in sorted((self.onboard / "boards" / folder).glob("*.c"))
        ]

    @property
    def headers(self) -> list[Path]:
        """Those that stand alone; an *_inline.h may be a template that its includer fills in."""
        found = [*(self.onboard / "include").rglob("*.h"), *(self.onboard / "src").rglob("*.h")]
        return sorted(path for path in found if not path.name.endswith("_inline.h"))

    @property
    def includes(self) -> list[str]:
        boards = (f"boards/{folder}" for folder in PORTABLE)
        return [f"-I{self.onboard / part}" for part in ("include", "src", *boards)]


def compile_one(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    complaints = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    return f"{' '.join(command[:3])}: {(complaints or ['failed'])[0]} ({len(complaints)} errors)"


def host_builds(tree: Tree) -> Iterator[list[str]]:
    """Every source under every compiler; every header by itself."""
    for compiler, source in itertools.product(HOST, tree.flight + tree.host):
        yield [*compiler, *STRICT, *tree.includes, "-c", str(source), "-o", "/dev/null"]
    for header in tree.headers:
        # as a source of its own; one that holds macros alone is then empty, which pedantry forbids
        yield ["gcc", *STRICT, "-Wno-pedantic", *tree.includes, "-x", "c", "-fsyntax-only", str(header)]


def bare_builds(tree: Tree, folder: Path) -> Iterator[list[str]]:
    """Every flight source for cores without anything under it."""
    (folder / "string.h").write_text(STRING_H)
    for compiler, source in itertools.product(BARE, tree.flight):
        library = ["-ffreestanding", f"-I{folder}"]
        yield [*compiler, *library, *STRICT, *tree.includes, "-c", str(source), "-o", "/dev/null"]


def plus_plus_builds(tree: Tree) -> Iterator[list[str]]:
    """Every public header in a program in C++."""
    strict = ["-std=c++11" if flag == "-std=c11" else flag for flag in STRICT]
    for header in sorted((tree.onboard / "include").rglob("*.h")):
        alone = ["-fsyntax-only", "-include", str(header), "/dev/null"]
        yield ["clang", "-x", "c++", *strict, *tree.includes, *alone]


def object_of(tree: Tree, source: Path, folder: Path) -> Path:
    """Where the object of `source` goes; two sources of one name do not meet."""
    return folder / f"{str(source.relative_to(tree.onboard)).replace('/', '@')}.o"


def cross_builds(tree: Tree, folder: Path, flags: list[str]) -> Iterator[list[str]]:
    freestanding = ["-mthumb", "-fcallgraph-info=su"]
    for source in tree.flight:
        target = ["-c", str(source), "-o", str(object_of(tree, source, folder))]
        yield ["arm-none-eabi-gcc", *flags, *freestanding, *STRICT, *tree.includes, *target]


def foreign_symbols(folder: Path) -> Iterator[str]:
    """Symbols that the objects want and none of them has, beyond what LIBRARY allows."""
    for path in sorted(folder.glob("*.o")):
        nm = ["arm-none-eabi-nm", "-u", str(path)]
        wanted = subprocess.run(nm, check=True, capture_output=True, text=True).stdout.split()
        for name in wanted:
            if name != "U" and not LIBRARY.fullmatch(name):
                yield f"{path.stem} needs {name}, which is neither ours nor allowed of a library"


def graph_faults(folder: Path) -> Iterator[str]:
    """Recursion, and stack that grows with its data."""
    try:
        graph = Graph(sorted(folder.glob("*.ci")))
    except GraphError as error:
        yield str(error)
        return
    cycle = graph.cycle()
    if cycle:
        yield f"recursion: {' > '.join(cycle)}"
    for title, function in graph.functions.items():
        if not function.bounded:
            yield f"{title} uses stack that grows with its data"


def float_words(tree: Tree) -> Iterator[str]:
    """Floating point by name, also where the compiler would have folded it away."""
    for path in [*tree.flight, *tree.headers]:
        found = FLOAT.search(COMMENT.sub(" ", path.read_text()))
        if found:
            yield f"{path.relative_to(tree.onboard)}: floating point ('{found[0]}')"


def check(onboard: Path, say: Callable[[str], None] = print) -> list[str]:
    """Everything that is wrong with the tree, in words."""
    tree = Tree(onboard)
    faults = list(float_words(tree))
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor() as pool:
        commands = [*host_builds(tree), *bare_builds(tree, Path(name)), *plus_plus_builds(tree)]
        for cpu, flags in CROSS.items():
            folder = Path(name) / cpu
            folder.mkdir()
            commands += cross_builds(tree, folder, flags)
        say(f"{len(tree.flight)} flight sources, {len(commands)} compilations")
        faults += [text for text in pool.map(compile_one, commands) if text]
        for cpu in CROSS:
            faults += [f"{cpu}: {text}" for text in foreign_symbols(Path(name) / cpu)]
            faults += [f"{cpu}: {text}" for text in graph_faults(Path(name) / cpu)]
    return faults


def main() -> int:
    here = Path(__file__).resolve().parents[2] / "onboard"
    faults = check(Path(sys.argv[1]) if len(sys.argv) > 1 else here)
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(faults)} faults" if faults else "clean: no heap, float, recursion or VLA; no warning")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
