"""What each firmware image takes: program, data, work areas, and the deepest stack.

    python -m framekeep_onboard.sizes [--json] [IMAGE...]

Program and data are the linker's figures. The stack is the worst path through the call graph, as compiled.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from framekeep_onboard import firmware
from framekeep_onboard.callgraph import Graph, GraphError

ENTRY = "fk_reset"
_FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
_PUSH = re.compile(
    r"\b(?:push|stmdb)\S*\s+(?:sp!, )?\{([^}]*)\}|\bstr\S*\s.*\[sp, #-(\d+)\]!|\bsub\S*\s+sp, (?:sp, )?#(\d+)"
)

_KEPT = re.compile(r"^ \.\S+\s+0x[0-9a-f]+\s+(0x[0-9a-f]+) (\S+)")  # a section in the linker's map
_LIBRARY = re.compile(r"libframekeep\.a|libc\S*\.a|libgcc\.a")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes that an image takes."""

    board: str
    image: str
    text: int  # program and constants, in flash
    data: int  # initialised memory, in flash and RAM
    bss: int  # zeroed memory
    work: int  # frame buffer, arena and scratch
    stack: int  # of the deepest path of calls
    stack_room: int  # what the linker script sets aside
    deepest: tuple[str, ...]


def measure(board: str, image: str) -> Sizes:
    """Sizes of `image` of `board`, built if it is not there yet."""
    folder = firmware.build(board)
    elf = folder / f"{image}.elf"
    sections = _sections(elf)
    graph = Graph(_graphs(folder, image), _stack_by_instructions(elf))
    descent = graph.deepest(ENTRY)
    table = _symbols(elf)
    return Sizes(
        board,
        image,
        text=sections.get(".text", 0),
        data=sections.get(".data", 0),
        bss=sections.get(".bss", 0),
        work=sections.get(".work", 0),
        stack=descent.stack,
        stack_room=table["fk_stack_top"] - table["fk_stack_bottom"],
        deepest=descent.names,
    )


def stack_of(board: str, image: str, function: str) -> int:
    """Bytes of stack that a call of `function` can take in `image`."""
    folder = firmware.build(board)
    graph = Graph(_graphs(folder, image), _stack_by_instructions(folder / f"{image}.elf"))
    return graph.deepest(function).stack


def library_bytes(board: str, image: str) -> int:
    """Code and constants that `image` took of the flight and C libraries: without the board's own."""
    text = (firmware.build(board) / f"{image}.map").read_text()
    kept = text[text.index("Linker script and memory map") :].replace("\n                ", " ")
    found = (_KEPT.match(line) for line in kept.splitlines() if line.startswith((" .text", " .rodata")))
    return sum(int(m[1], 16) for m in found if m and _LIBRARY.search(m[2]))


def images(board: str) -> list[str]:
    """The images that `board` has."""
    return sorted(path.stem for path in firmware.build(board).glob("*.elf"))


def _graphs(folder: Path, image: str) -> list[Path]:
    """Call graphs of what is linked into `image`."""
    return [path for part in ("framekeep", "board", image) for path in sorted(folder.glob(f"{part}@*.ci"))]


def _sections(elf: Path) -> dict[str, int]:
    text = _tool("size", "-A", "-d", elf)
    rows = (line.split() for line in text.splitlines() if line.startswith("."))
    return {row[0]: int(row[1]) for row in rows}


def _symbols(elf: Path) -> dict[str, int]:
    rows = (line.split() for line in _tool("nm", elf).splitlines())
    return {row[2]: int(row[0], 16) for row in rows if len(row) == 3}


def _stack_by_instructions(elf: Path) -> Mapping[str, int]:
    """Every function of an image, with its stack by its instructions.

    The latter serves for those of the C library, which has no graph; it is right for functions that call
    nothing themselves, as memcpy and the 64-bit division are.
    """
    stack: dict[str, int] = {}
    name = ""
    for line in _tool("objdump", "-d", "--no-show-raw-insn", elf).splitlines():
        found = _FUNCTION.match(line)
        if found:
            name = found[1]
            stack[name] = 0
            continue
        push = _PUSH.search(line)
        if push and name:
            stack[name] += _pushed(push)
    return stack


def _pushed(push: re.Match[str]) -> int:
    if push[1] is None:
        return int(push[2] or push[3])
    count = 0
    for part in push[1].split(","):
        first, _, last = part.strip().partition("-")
        count += int(last[1:]) - int(first[1:]) + 1 if last else 1
    return 4 * count


def _tool(name: str, *arguments: str | Path) -> str:
    tool = firmware.find_tool(f"arm-none-eabi-{name}")
    return subprocess.run([tool, *arguments], check=True, capture_output=True, text=True).stdout


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 if an image's stack does not fit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="such as flight; default: all")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(argv)
    try:
        rows = [
            measure(board, image)
            for board in firmware.BOARDS
            for image in images(board)
            if not args.images or image in args.images
        ]
    except (OSError, GraphError) as error:
        print(f"sizes: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps({"images": [asdict(row) for row in rows]}))
    else:
        _print_table(rows)
    return int(any(row.stack > row.stack_room for row in rows))


def _print_table(rows: list[Sizes]) -> None:
    print(
        f"{'board':10} {'image':9} {'text':>7} {'data':>5} {'bss':>6} {'work':>7} {'stack':>6}  deepest path"
    )
    for row in rows:
        numbers = f"{row.text:7} {row.data:5} {row.bss:6} {row.work:7} {row.stack:6}"
        print(f"{row.board:10} {row.image:9} {numbers}  {' > '.join(row.deepest)}")


if __name__ == "__main__":
    sys.exit(main())
