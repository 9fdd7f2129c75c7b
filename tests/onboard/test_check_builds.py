"""The gate's check of the C sources finds what it is there to find."""

from collections import Counter
from pathlib import Path

import pytest

from tests.onboard import check_builds

pytestmark = pytest.mark.qemu  # needs the cross compiler, as the firmware does

CLEAN = "int fk_twice(int x);\nint fk_twice(int x)\n{\n    return 2 * x;\n}\n"

SINS = {
    "heap": (
        "#include <stdlib.h>\nvoid *fk_sin(void);\nvoid *fk_sin(void)\n{\n    return malloc(8);\n}\n",
        "needs malloc",
    ),
    "float": (
        "int fk_sin(int x);\nint fk_sin(int x)\n{\n    return (int)((float)x * 1.5f);\n}\n",
        "floating point",
    ),
    "recursion": (
        "int fk_sin(int *x);\nint fk_sin(int *x)\n{\n    return *x > 0 ? fk_sin(x + 1) + *x : 0;\n}\n",
        "recursion: fk_sin > fk_sin",
    ),
    "array of unknown size": (
        "int fk_sin(int n);\nint fk_sin(int n)\n{\n    volatile int a[n];\n    return a[0] = n;\n}\n",
        "vla",
    ),
    "undeclared pointer call": (
        "int fk_sin(int (*f)(void));\nint fk_sin(int (*f)(void))\n{\n    return f() + 1;\n}\n",
        "calls through a pointer",
    ),
    "silent narrowing": (
        "unsigned char fk_sin(int x);\nunsigned char fk_sin(int x)\n{\n    return x;\n}\n",
        "-Werror=conversion",
    ),
}


def tree(folder: Path, source: str) -> Path:
    (folder / "src" / "base").mkdir(parents=True)
    (folder / "include").mkdir()
    (folder / "src" / "base" / "sample.c").write_text(source)
    return folder


def test_clean_source_passes(tmp_path: Path) -> None:
    assert check_builds.check(tree(tmp_path, CLEAN), say=lambda _: None) == []


@pytest.mark.parametrize("sin", SINS)
def test_check_finds(sin: str, tmp_path: Path) -> None:
    source, complaint = SINS[sin]
    faults = check_builds.check(tree(tmp_path, source), say=lambda _: None)
    assert any(complaint in fault for fault in faults), faults


def test_check_compiles_every_flight_source_with_every_compiler() -> None:
    onboard = Path(__file__).resolve().parents[2] / "onboard"
    tree = check_builds.Tree(onboard)
    sources = {str(path) for path in onboard.glob("src/**/*.c")}
    assert len(sources) > 40
    host = [command for command in check_builds.host_builds(tree) if "-c" in command]
    cross = list(check_builds.cross_builds(tree, Path("objects"), ["-mcpu=cortex-m4"]))
    for commands, times in ((host, len(check_builds.HOST)), (cross, 1)):
        compiled = Counter(command[command.index("-c") + 1] for command in commands)
        assert {source: compiled[source] for source in sources} == dict.fromkeys(sources, times)
