"""The images of the emulated boards, built on first use from the installed sources.

An image is kept in the user's cache under a name made from its sources and its compiler, so it is built
once and never stale.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

COMPILER = "arm-none-eabi-gcc"
EMULATOR = "qemu-system-arm"
_PACKAGES = {COMPILER: "gcc-arm-none-eabi libnewlib-arm-none-eabi", EMULATOR: "qemu-system-arm"}
_PARTS = ("CMakeLists.txt", "onboard/include", "onboard/src", "onboard/boards")


class ToolError(OSError):
    """A program that is no part of Python is missing, or refused its work."""


@dataclass(frozen=True, slots=True)
class Board:
    """An emulated microcontroller board."""

    name: str
    machine: str  # as QEMU calls it
    core: str
    model_address: int  # where its linker script has the model image


BOARDS = {
    board.name: board
    for board in (
        Board("qemu-f405", "netduinoplus2", "Cortex-M4", 0x0804_0000),
        Board("qemu-m4", "mps2-an386", "Cortex-M4", 0x2100_0000),
        Board("qemu-m7", "mps2-an500", "Cortex-M7", 0x6000_0000),
        Board("qemu-m55", "mps3-an547", "Cortex-M55", 0x6000_0000),
    )
}


def find_tool(name: str) -> str:
    """The path of a cross tool; where it is missing, an error that says what to install."""
    path = shutil.which(name)
    if path is None:
        package = _PACKAGES.get(name, name)
        raise ToolError(f"{name} is not installed; on Debian type: sudo apt-get install {package}")
    return path


@cache
def sources() -> Path:
    """The tree that images are built from: the checkout when editable, else what was installed."""
    package = Path(__file__).resolve().parent
    installed = package / "csrc"
    checkout = package.parents[2]
    for root in (checkout, installed):
        if (root / "onboard" / "boards" / "qemu" / "CMakeLists.txt").is_file():
            return root
    raise ToolError(f"the firmware's sources are missing from {installed}; install framekeep again")


def cache_folder() -> Path:
    """Where built things are kept: $XDG_CACHE_HOME/framekeep, or ~/.cache/framekeep."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "framekeep"


def image(board: str, name: str) -> Path:
    """The ELF `name` (selftest, network or flight) of `board`, built if it is not there yet."""
    return build(board) / f"{name}.elf"


@cache
def build(board: str) -> Path:
    """The folder of the images of `board`, their maps and call graphs (`TARGET@SOURCE.ci`)."""
    if board not in BOARDS:
        raise ToolError(f"unknown board {board}; choose one of {', '.join(BOARDS)}")
    find_tool(COMPILER)
    folder = cache_folder() / f"{board}-{_key(board)}"
    if not folder.is_dir():
        _install(folder, lambda work: _cross_build(board, work))
    return folder


@cache
def count_plugin() -> Path:
    """The emulator's instruction counter, compiled for this computer."""
    compiler = shutil.which("cc") or find_tool("gcc")
    source = sources() / "onboard" / "boards" / "qemu" / "count_plugin.c"
    key = hashlib.sha256(source.read_bytes() + _version(compiler)).hexdigest()[:16]
    folder = cache_folder() / f"count-{key}"
    if not folder.is_dir():
        flags = ["-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden"]
        _install(folder, lambda work: _call(compiler, *flags, "-o", work / "libcount.so", source))
    return folder / "libcount.so"


def _files() -> Iterator[Path]:
    root = sources()
    for part in _PARTS:
        path = root / part
        yield from [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())


def _key(board: str) -> str:
    digest = hashlib.sha256(board.encode() + _version(COMPILER))
    for path in _files():
        digest.update(f"\0{path.relative_to(sources())}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _version(compiler: str) -> bytes:
    return subprocess.run([compiler, "--version"], check=True, capture_output=True).stdout


def _install(folder: Path, make: Callable[[Path], None]) -> None:
    """Fill `folder` by `make`, whole or not at all, also when two processes do it at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as name:
        work = Path(name) / "result"
        work.mkdir()
        make(work)
        try:
            work.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process was faster: its result is as good
                raise


def _cross_build(board: str, into: Path) -> None:
    work = into.parent / "work"
    toolchain = sources() / "onboard" / "boards" / "qemu" / "toolchain.cmake"
    generator = ["-G", "Ninja"] if shutil.which("ninja") else ["-G", "Unix Makefiles"]
    options = [f"-DCMAKE_TOOLCHAIN_FILE={toolchain}", f"-DFK_BOARD={board}"]
    _call(_cmake(), "-S", sources(), "-B", work, *generator, *options)
    _call(_cmake(), "--build", work, "--parallel", str(os.cpu_count() or 1))
    for path in work.rglob("*"):
        if path.suffix in {".elf", ".map"} and path.is_file():
            shutil.copy2(path, into / path.name)
        elif path.suffix == ".ci":  # lies under CMakeFiles/TARGET.dir, as its source does
            target, _, source = str(path.relative_to(work)).rpartition("CMakeFiles/")[2].partition(".dir/")
            shutil.copy2(path, into / f"{target}@{source.replace('/', '@')}")


def _cmake() -> str:
    found = shutil.which("cmake") or shutil.which("cmake", path=str(Path(sys.executable).parent))
    if found is None:
        raise ToolError("cmake is not installed; type: pip install cmake")
    return found


def _call(*command: str | Path) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stdout + done.stderr).splitlines()
        telling = next((line for line in lines if "error" in line.lower()), "no output")
        raise ToolError(f"{Path(command[0]).name} failed: {telling.strip()}")
