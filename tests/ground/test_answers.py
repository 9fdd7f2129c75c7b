"""What a camera refused because it no longer has it is not asked for again."""

from pathlib import Path

import numpy as np
import pytest
from framekeep_ground import formats
from framekeep_ground.answers import gone
from framekeep_ground.cli import main
from framekeep_ground.codes import Error
from framekeep_ground.command import delete, ping, resend

DONE = 0


def reports(*answers: tuple[bytes, int]) -> np.ndarray:
    """Of telecommands, a frame taken between any two: as in the packets, and the answer."""
    names = ("command_id", "command_sequence", "command_subtype", "frame_id", "error")
    rows = [
        (int.from_bytes(p[:2], "big"), int.from_bytes(p[2:4], "big"), p[8], k, int(code), k << 16)
        for k, (p, code) in enumerate(answers)
    ]
    return np.array(rows, [*((f"data_{name}", int) for name in names), ("header_time", int)])


def test_the_frame_of_a_refused_resend_is_gone() -> None:
    first, second, third = (resend(frame).packet(100, k) for k, frame in enumerate((7, 8, 9)))
    said = reports((first, Error.NOENT), (second, DONE), (third, Error.NOSPC))
    assert gone(said, [first, second, third]) == {7}


def test_other_commands_other_counts_and_other_cameras_say_nothing() -> None:
    asked = resend(7).packet(100, 5)
    for other in (resend(7).packet(100, 6), resend(7).packet(102, 5), delete(7).packet(100, 5)):
        assert gone(reports((other, Error.NOENT)), [asked]) == set()
    refused = [delete(7).packet(100, 5), ping().packet(100, 6)]
    assert gone(reports(*((packet, Error.NOENT) for packet in refused)), refused) == set()
    assert gone(reports((asked, Error.NOENT)), []) == set()


def test_a_count_that_was_carried_out_as_well_says_nothing() -> None:
    earlier, later = resend(7).packet(100, 0), resend(8).packet(100, 0)
    assert gone(reports((earlier, Error.NOENT), (later, DONE)), [earlier, later]) == set()


def test_a_count_that_asked_for_more_frames_than_were_refused_says_nothing() -> None:
    """Two files, both counted from 0: the answer to one of them did not come down."""
    earlier, later = resend(7).packet(100, 0), resend(8).packet(100, 0)
    one = reports((earlier, Error.NOENT))
    assert gone(one, [earlier, later]) == set()
    assert gone(one, [earlier, earlier]) == {7}, "the same file named twice"
    assert gone(np.concatenate([one, one]), [earlier, later]) == set(), "a report sent again after a reset"
    assert gone(reports((earlier, Error.NOENT), (later, Error.NOENT)), [earlier, later]) == {7, 8}


@pytest.mark.parametrize(
    ("data", "says"), [(None, "no such file"), (b"", "a folder"), (b"\x18\x64", "no file of telecommands")]
)
def test_what_is_no_file_of_telecommands_is_one_line(
    data: bytes | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = tmp_path / "up.tc"
    if data == b"":
        sent.mkdir()
    elif data is not None:
        sent.write_bytes(data)
    (tmp_path / "down.bin").write_bytes(bytes(formats.TmHeader.sizeof()))
    words = ["decode", str(tmp_path / "down.bin"), "--sent", str(sent), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{sent}: " in error and says in error
    assert not (tmp_path / "out").exists()
