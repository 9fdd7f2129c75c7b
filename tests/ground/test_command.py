"""`fk-ground command` as an operator meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from framekeep_ground import command, formats
from framekeep_ground.cli import main
from framekeep_onboard._fk import lib
from spacepackets.ecss.tc import PusTc


def written(path: Path) -> list[tuple[int, int, int, bytes]]:
    """APID, count, subtype and data of each packet of a file, as another library reads them."""
    packets = [PusTc.unpack(packet) for packet in command.split(path.read_bytes())]
    return [(tc.apid, tc.seq_count, tc.message_subtype, bytes(tc.app_data)) for tc in packets]


def give(folder: Path, *words: str) -> list[tuple[int, int, int, bytes]]:
    path = folder / "up.tc"
    assert main(["command", *words, "-o", str(path)]) == 0
    return written(path)


def u32(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "big") for value in values)


def test_each_name_is_its_packet(tmp_path: Path) -> None:
    assert give(tmp_path, "ping") == [(100, 0, 64, b"")]
    assert give(tmp_path, "delete", "12", "13") == [(100, 0, 66, u32(12)), (100, 1, 66, u32(13))]
    asked = give(tmp_path, "resend", "12", "15:400-799,1200-1200", "--apid", "7", "--sequence", "16382")
    assert asked == [
        (7, 16382, 65, u32(12, 0, 0xFFFFFFFF)),
        (7, 16383, 65, u32(15, 400, 799)),
        (7, 0, 65, u32(15, 1200, 1200)),
    ]


def test_what_decode_found_missing_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "summary.json").write_text(json.dumps({"resend": ["3:0-199,info", "9:info"]}))
    asked = give(tmp_path, "resend", "--from", str(tmp_path))
    assert [data for _, _, _, data in asked] == [u32(3, 0, 199), u32(9, 0, 0)]
    assert capsys.readouterr().out.endswith(": 2 telecommands, 50 bytes\n")


def test_nothing_missing_is_said_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "summary.json").write_text(json.dumps({"resend": []}))
    path = tmp_path / "up.tc"
    assert main(["command", "resend", "--from", str(tmp_path), "-o", str(path)]) == 0
    assert "nothing is missing" in capsys.readouterr().err
    assert not path.exists()


def test_too_many_holes_are_joined_where_that_costs_least(tmp_path: Path) -> None:
    holes = [(1000 * n, 1000 * n + 99) for n in range(20)]
    holes[7] = (6200, 6299)  # nearest to the one before it
    word = "4:" + ",".join(f"{first}-{last}" for first, last in holes)
    asked = [data for _, _, _, data in give(tmp_path, "resend", word)]
    assert len(asked) == command.RESENDS_MAX
    ranges = [(int.from_bytes(d[4:8]), int.from_bytes(d[8:])) for d in asked]
    assert (6000, 6299) in ranges
    assert all(any(a <= first and last <= b for a, b in ranges) for first, last in holes)


def test_too_many_frames_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.RESENDS_MAX == lib.FK_RESENDS_MAX, "as many as the flight code holds"
    named = [7, 3, 19, *(n for n in range(20) if n not in {7, 3, 19})]
    asked = give(tmp_path, "resend", *map(str, named))
    assert [int.from_bytes(data[:4]) for _, _, _, data in asked] == named[:16], "those named first"
    assert "4 frames are left" in capsys.readouterr().err


def test_a_policy_travels_as_it_is(tmp_path: Path) -> None:
    mission = Path(__file__).parents[2] / "missions" / "security.toml"
    made = tmp_path / "night.policy"
    words = ["policy", str(mission), "-o", str(made)]
    subprocess.run([sys.executable, "-m", "framekeep_sim.cli", *words], check=True, capture_output=True)
    assert give(tmp_path, "policy", str(made)) == [(100, 0, 67, made.read_bytes())]
    assert formats.Policy.parse(made.read_bytes()).width == 160


def test_without_a_file_the_packets_are_hex_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["command", "delete", "1", "2"]) == 0
    lines = capsys.readouterr().out.split()
    assert main(["command", "delete", "1", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["packets"]
    assert [one["hex"] for one in said] == lines
    assert [(one["command"], one["sequence"]) for one in said] == [("delete", 0), ("delete", 1)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ping", "3"], "nothing after it"),
        (["resend"], "say which"),
        (["delete"], "say which"),
        (["resend", "x"], "no frame id"),
        (["resend", "4294967296"], "no frame id"),
        (["resend", "-1:5-9"], ""),
        (["resend", "5:9"], "no byte"),
        (["resend", "5:9-3"], "ends before"),
        (["resend", "5:9-"], "no byte"),
        (["delete", "4", "--from", "."], "resend only"),
        (["resend", "--from", "nowhere"], "no such file"),
        (["policy", "nowhere.policy"], "no such file"),
        (["policy", __file__], "no compiled policy"),
        (["ping", "--apid", "2047"], "no APID"),
        (["ping", "--sequence", "16384"], "no sequence"),
        (["reboot"], "invalid choice"),
        (["policy", "."], "is a folder"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "up.tc"
    try:
        status = main(["command", *words, "-o", str(path)])
    except SystemExit as stop:  # argparse's own
        status = int(stop.code or 0)
    assert status == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("fk-ground: ")
    assert said in error
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"resend": 5}', '{"resend": [5]}', "[" * 100_000])
def test_a_folder_that_decode_did_not_write_is_one_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "summary.json").write_text(text)
    assert main(["command", "resend", "--from", str(tmp_path)]) == 2
    assert "not written by fk-ground decode" in capsys.readouterr().err


def test_a_file_of_commands_that_is_cut_is_no_file_of_commands(tmp_path: Path) -> None:
    give(tmp_path, "delete", "1", "2")
    data = (tmp_path / "up.tc").read_bytes()
    assert len(command.split(data)) == 2
    whole = {0, len(data) // 2, len(data)}
    for cut in set(range(len(data))) - whole:
        with pytest.raises(ValueError, match="no whole packet"):
            command.split(data[:cut])


def test_packets_and_json_do_not_share_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["command", "ping", "-o", "-", "--json"]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
