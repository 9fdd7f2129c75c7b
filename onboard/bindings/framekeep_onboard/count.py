"""Run an image on an emulated board and count what it executes, exactly.

The counts come from a plugin inside QEMU that adds one per executed instruction, so they are the same on
every computer and every run. They are not cycles; `Counts.cycles` models those of a Cortex-M4.
"""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Self

from framekeep_onboard import firmware
from framekeep_onboard.firmware import Board, ToolError

BEGIN, END = "fk_mark_begin", "fk_mark_end"


class ImageError(ToolError):
    """An image that ran and ended with another status than 0."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Counts:
    """Executed instructions by class, in the order in which the plugin writes them."""

    other: int
    multiply: int
    divide: int
    load: int
    load_again: int  # loads right after another single load or store
    store: int
    double: int  # LDRD, STRD
    multiple: int  # LDM, STM, PUSH, POP
    branch: int
    vector: int
    vector_load: int
    vector_store: int
    registers: int  # moved by `multiple`; these last three are no classes
    pc_loaded: int  # loads and pops that also jump
    not_taken: int  # of `branch`

    @property
    def instructions(self) -> int:
        """All executed instructions."""
        return sum(astuple(self)[: -len(("registers", "pc_loaded", "not_taken"))])

    @property
    def cycles(self) -> int:
        """Modelled cycles of a Cortex-M4 with zero wait states; not checked against silicon.

        1 each, but: a load 2, or 1 right after another single access; LDRD and STRD 3; LDM, STM, PUSH and
        POP 1 + registers; a jump 3, not taken 1; a jump by loading PC 2 on top of the load; division 7.
        """
        loads = 2 * self.load + self.load_again + 2 * self.pc_loaded
        moves = self.store + 3 * self.double + self.multiple + self.registers
        jumps = 3 * self.branch - 2 * self.not_taken
        return self.other + self.multiply + 7 * self.divide + loads + moves + jumps

    def __sub__(self, earlier: Self) -> Self:
        return type(self)(*(a - b for a, b in zip(astuple(self), astuple(earlier), strict=True)))

    def __add__(self, more: Self) -> Self:
        return type(self)(*(a + b for a, b in zip(astuple(self), astuple(more), strict=True)))


@dataclass(frozen=True, slots=True)
class Run:
    """What an emulated run did."""

    total: Counts  # from reset to the end
    snapshots: tuple[tuple[str, Counts], ...]  # (marker, counts so far), in order of execution
    profile: Mapping[int, int]  # executions by address; empty unless asked for
    console: str
    command: tuple[str, ...]  # the emulator's command line

    def between(self, begin: str = BEGIN, end: str = END) -> list[Counts]:
        """Counts from each `begin` to the next `end`; the two marker calls add 2 instructions."""
        spans, start = [], None
        for name, counts in self.snapshots:
            if name == begin:
                start = counts
            elif name == end and start is not None:
                spans.append(counts - start)
                start = None
        return spans


def run(
    elf: Path,
    board: Board,
    folder: Path,
    *,
    marks: Sequence[str] = (),
    model: Path | None = None,
    profile: bool = False,
    timeout: float = 600,
) -> Run:
    """Run `elf` on `board` with `folder` as its file system, until it ends.

    `model` is placed where the board has its model image. Raises ToolError when the image ends with
    another status than 0, faults, or exceeds `timeout` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="fk-count-") as scratch:
        out = Path(scratch) / "counts"
        plugin = f"{firmware.count_plugin()},out={out}"
        table = symbols(elf)
        plugin += "".join(f",mark={table[name]:#x}" for name in marks)
        if profile:
            first, last = min(table.values()), table["fk_data_load"]
            plugin += f",profile={first:#x}:{last - first:#x}"
        command = emulator_command(elf, board, model)
        console = _emulate([*command, "-plugin", plugin], folder, timeout)
        total, snapshots, by_address = _read(out, marks)
    return Run(total, snapshots, by_address, console, tuple(command))


def emulator_command(elf: Path, board: Board, model: Path | None) -> list[str]:
    """The emulator's command line for `elf`, without the counter."""
    command = [firmware.find_tool(firmware.EMULATOR), "-M", board.machine, "-nographic"]
    command += ["-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(elf)]
    if model is not None:
        path = str(model.resolve()).replace(",", ",,")
        command += ["-device", f"loader,file={path},addr={board.model_address:#x},force-raw=on"]
    return command


def symbols(elf: Path) -> dict[str, int]:
    """Addresses by symbol, of what is in the image's code."""
    nm = firmware.find_tool("arm-none-eabi-nm")
    text = subprocess.run([nm, elf], check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in text.splitlines())
    return {row[2]: int(row[0], 16) for row in rows if len(row) == 3 and not row[2].startswith("$")}


def _emulate(command: list[str], folder: Path, timeout: float) -> str:
    try:
        done = subprocess.run(
            command, check=False, cwd=folder, timeout=timeout, capture_output=True, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{Path(command[0]).name}: the image did not end within {timeout:g} s") from None
    console = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode:
        said = " ".join(console.split()) or "nothing said"
        text = f"{Path(command[0]).name}: the image ended with status {done.returncode}: {said}"
        raise ImageError(text, done.returncode)
    return console


def _read(path: Path, marks: Sequence[str]) -> tuple[Counts, tuple[tuple[str, Counts], ...], dict[int, int]]:
    snapshots: list[tuple[str, Counts]] = []
    by_address: dict[int, int] = {}
    total = None
    for line in path.read_text().splitlines():
        label, *numbers = line.split()
        values = [int(n) for n in numbers]
        if label == "at":
            by_address[values[0]] = values[1]
            continue
        counts = Counts(*values[: len(fields(Counts))])
        if label == "exit":
            total = counts
        else:
            snapshots.append((marks[int(label)], counts))
    if total is None:
        raise ToolError("the emulator ended before its counts were written")
    return total, tuple(snapshots), by_address
