"""Hostile inputs to everything that parses bytes.

    python tests/fuzz/run.py [--seconds N] [--seed S] [--input N] [NAME...]

A target is a module fuzz_NAME.py here: `seeds()` gives inputs to start from; either `fuzz(data)` is Python
to be tried, or fuzz_NAME.c beside it defines LLVMFuzzerTestOneInput, compiled with all flight code under ASan
and UBSan. A target fails by an exception or a sanitizer's report; `--input N` replays input N alone.
"""

import argparse
import importlib
import itertools
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SANITIZED = ["gcc", "-std=c11", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def names() -> list[str]:
    return sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.py"))


def build(name: str, folder: Path) -> Path:
    """The target's program, with everything that flies and the host's emulators."""
    sources = sorted((ROOT / "onboard" / "src").rglob("*.c"))
    sources += sorted((ROOT / "onboard" / "boards" / "host").glob("*.c"))
    includes = [f"-I{ROOT / 'onboard' / part}" for part in ("include", "src", "boards/host")]
    program = folder / name
    command = [*SANITIZED, *includes, "-D_GNU_SOURCE", HERE / "driver.c", HERE / f"fuzz_{name}.c", *sources]
    subprocess.run([*command, "-o", program], check=True)
    return program


def fuzz_c(name: str, module: ModuleType, seconds: float, seed: int, only: int | None) -> str:
    """Empty, or what went wrong."""
    stream = b"".join(struct.pack("<I", len(data)) + data for data in module.seeds())
    with tempfile.TemporaryDirectory(prefix="fk-fuzz-") as folder:
        command = [build(name, Path(folder)), str(seconds), str(seed)]
        if only is not None:
            command += [str(only), "1"]
        done = subprocess.run(command, input=stream, capture_output=True, check=False)
    if done.returncode:
        return done.stderr.decode(errors="replace")
    print(f"{name}: {int(done.stdout):,} inputs, nothing found")
    return ""


def mutate(data: bytes, rng: random.Random) -> bytes:
    """A few edits: bits, bytes, cuts, insertions, copies."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at, end = sorted((rng.randint(0, len(out)), rng.randint(0, len(out))))
        kind = rng.randrange(6)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff", b"\x80"))
        elif kind == 2:
            del out[at:end]
        elif kind == 3:
            out[at:at] = rng.randbytes(rng.randint(1, 64))
        elif kind == 4:
            out[at:at] = out[at:end]
        else:
            del out[end:]
    return bytes(out)


def fuzz_python(name: str, module: ModuleType, seconds: float, seed: int, only: int | None) -> str:
    """Empty, or what went wrong."""
    seeds, target = list(module.seeds()), module.fuzz
    end = time.monotonic() + seconds
    for number in itertools.count(only or 0) if only is None else [only]:
        rng = random.Random(f"{seed}/{number}")
        data = seeds[number] if number < len(seeds) else mutate(rng.choice(seeds), rng)
        try:
            target(data)
        except Exception as error:  # whatever escapes is the finding
            return f"{type(error).__name__}: {error}\nFUZZ: failed at input {number}"
        if time.monotonic() > end:
            break
    print(f"{name}: {number + 1:,} inputs, nothing found")
    return ""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(names())}")
    parser.add_argument("--seconds", type=float, default=60, help="for each target (60)")
    parser.add_argument("--seed", type=int, default=1, help="another one gives other inputs (1)")
    parser.add_argument("--input", type=int, help="try this input alone")
    args = parser.parse_args(argv)
    sys.path.insert(0, str(ROOT))
    failed = False
    for name in args.names or names():
        module = importlib.import_module(f"tests.fuzz.fuzz_{name}")
        run: Callable[..., str] = fuzz_c if (HERE / f"fuzz_{name}.c").exists() else fuzz_python
        report = run(name, module, args.seconds, args.seed, args.input)
        if report:
            failed = True
            print(f"{name}: {report}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
