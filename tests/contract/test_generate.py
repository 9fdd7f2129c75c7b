"""One definition of every format: what is derived from it agrees, and drift is noticed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from construct import Array, Bytes, Const, GreedyBytes, Int8sb, Int16ub, Int16ul, Int32sl, Padding, Struct
from construct import Optional as Maybe
from framekeep_ground import codes, formats
from framekeep_ground.generate import GenerateError, code_list, derived, fill, main
from framekeep_ground.layout import LayoutError, fields
from framekeep_onboard._fk import ffi, lib

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in derived(ROOT).keys() | {"onboard/include/fk/frame.h", "onboard/include/fk/err.h"}:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return tmp_path


def test_what_is_committed_is_what_formats_say() -> None:
    assert main(["--check", "--root", str(ROOT)]) == 0


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("onboard/include/fk/wire.h", "FK_DECISION_VALUE", "FK_DECISION_WORTH"),
        ("docs/ICD.md", "never reused", "reused"),
        ("ground/framekeep_ground/codes.py", "DARK = 1", "DARK = 2"),
    ],
)
def test_drift_names_the_file_and_the_command(
    tree: Path, name: str, old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tree / name
    before = path.read_text()
    path.write_text(before.replace(old, new))
    assert main(["--check", "--root", str(tree)]) == 1
    said = capsys.readouterr().err
    assert name in said
    assert "python -m framekeep_ground.generate" in said
    assert main(["--root", str(tree)]) == 0
    assert path.read_text() == before


def test_outside_a_source_tree_it_says_where_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check", "--root", str(tmp_path)]) == 2
    assert "root of the source tree" in capsys.readouterr().err


def test_c_sees_the_offsets_that_construct_computes(tmp_path: Path) -> None:
    """The compiler reads wire.h; construct's own offsets come from building a struct byte by byte."""
    program = ["#include <stdio.h>", '#include "fk/wire.h"', "int main(void) {"]
    expected = []
    for entry in formats.FORMATS:
        offset = 0
        for subcon in entry.struct.subcons:
            if subcon.name:
                program.append(f'printf("%u\\n", {entry.prefix}_{subcon.name.upper()});')
                expected.append(offset)
            try:
                offset += subcon.sizeof()
            except Exception:
                break
    (tmp_path / "t.c").write_text("\n".join([*program, "return 0; }"]))
    binary = tmp_path / "t"
    subprocess.run(
        ["cc", "-Werror", f"-I{ROOT / 'onboard/include'}", str(tmp_path / "t.c"), "-o", str(binary)],
        check=True,
    )
    printed = subprocess.run([str(binary)], check=True, capture_output=True, text=True).stdout
    assert [int(line) for line in printed.split()] == expected
    assert len(expected) > 40


def test_codes_are_those_that_the_flight_code_prints() -> None:
    for reason in codes.Reason:
        assert ffi.string(lib.fk_reason_name(reason)).decode() == reason.name
        assert ffi.string(lib.fk_reason_text(reason)).decode() == codes.REASON_TEXT[reason]
    assert len(codes.Reason) == lib.FK_REASON_COUNT
    for error in codes.Error:
        assert ffi.string(lib.fk_err_name(error)).decode() == f"FK_ERR_{error.name}"
        assert ffi.string(lib.fk_err_text(error)).decode() == codes.ERROR_TEXT[error]
    assert ffi.string(lib.fk_err_name(min(codes.Error) - 1)).decode() == "FK_ERR_UNKNOWN"


def test_nested_little_endian_arrays_and_padding_are_laid_out() -> None:
    inner = Struct("a" / Int16ul * "low byte first", "b" / Int8sb * "signed")
    outer = Struct(
        "magic" / Const(b"FKM1") * "says what it is",
        Padding(3),
        "inner" / inner * "a struct",
        "many" / Array(5, Int32sl) * "five",
        "rest" / GreedyBytes * "what is left",
    )
    rows = [(f.name, f.offset, f.size, f.type) for f in fields(outer)]
    assert rows == [
        ("magic", 0, 4, "constant"),
        ("inner", 7, 3, "struct"),
        ("inner_a", 7, 2, "u16 le"),
        ("inner_b", 9, 1, "i8"),
        ("many", 10, 20, "i32 le x 5"),
        ("rest", 30, None, "bytes"),
    ]


def test_what_cannot_be_laid_out_is_named() -> None:
    with pytest.raises(LayoutError, match=r"body: only the last field"):
        fields(Struct("body" / GreedyBytes, "crc" / Int16ub))
    with pytest.raises(LayoutError, match="Select"):
        fields(Struct("x" / Maybe(Bytes(2))))


def test_a_table_without_a_place_is_an_error_that_says_what_to_add() -> None:
    with pytest.raises(GenerateError, match=re.escape("<!-- begin generated: T -->")):
        fill("# empty\n", "docs/X.md", {"T": "table"})
    with pytest.raises(GenerateError, match="does not have"):
        fill("<!-- begin generated: T -->\n<!-- end generated -->\n", "docs/X.md", {})


def test_a_code_list_ends_where_its_macro_ends() -> None:
    header = '#define A(X) \\\n    X(A_ONE, 1, "one") \\\n    X(A_TWO, -2, "two")\n\nX(B_NOT, 3, "no")\n'
    assert code_list(header, "A") == [("A_ONE", 1, "one"), ("A_TWO", -2, "two")]
