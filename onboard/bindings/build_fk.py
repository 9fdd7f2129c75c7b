"""Write the C source of the `_fk` extension: every function that the headers declare.

The declarations are taken from the headers themselves (through the C
preprocessor), so a function is declared once and is at once importable.

usage: build_fk.py OUT.c CC INCLUDE_DIR... -- HEADER...
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from cffi import FFI

# What cffi knows by itself; the preprocessor must not pull in the libc's own.
STANDARD_HEADERS = ("stddef.h", "stdint.h", "stdbool.h")


def declarations(compiler: str, include_dirs: list[str], headers: list[str]) -> str:
    """All declarations of `headers`, preprocessed, without their macros."""
    with tempfile.TemporaryDirectory() as empty:
        for name in STANDARD_HEADERS:
            (Path(empty) / name).write_text("")
        command = [compiler, "-E", "-P", "-nostdinc", "-DFK_CDEF", f"-I{empty}"]
        command += [f"-I{d}" for d in include_dirs] + ["-x", "c", "-"]
        source = "".join(f'#include "{h}"\n' for h in headers)
        done = subprocess.run(command, check=False, input=source, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def main() -> None:
    out, compiler, *rest = sys.argv[1:]
    split = rest.index("--")
    include_dirs, headers = rest[:split], rest[split + 1 :]
    ffi = FFI()
    ffi.cdef(declarations(compiler, include_dirs, headers))
    source = "".join(f'#include "{h}"\n' for h in headers)
    ffi.set_source("framekeep_onboard._fk", source)
    ffi.emit_c_code(out)


if __name__ == "__main__":
    main()
