"""A radio that loses packets: how many, in what fades, and nothing but packets."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from framekeep_sim.cli import main
from framekeep_sim.errors import UserError
from framekeep_sim.link import lose

from tests.ground.downlinks import sent

PACKETS = sent().packets
MANY = b"".join(PACKETS) * 200


def heard_of(data: bytes) -> list[bool]:
    """Which of the packets that were sent, one after the other, are in `data`; each is told by its bytes."""
    found, at = [], 0
    for packet in PACKETS * 200:
        there = data.startswith(packet, at)
        at += len(packet) if there else 0
        found.append(there)
    assert at == len(data)
    return found


def test_each_packet_is_lost_by_itself_unless_fades_are_asked_for() -> None:
    heard = lose(MANY, 0.1)
    total = len(PACKETS) * 200
    assert heard.packets == total
    assert heard.lost == pytest.approx(0.1 * total, rel=0.1)
    assert heard.lost / heard.fades == pytest.approx(1 / 0.9, rel=0.1)


def test_fades_are_as_long_as_asked_for_and_lose_the_same_share() -> None:
    heard = lose(MANY, 0.1, fade=8)
    assert heard.lost == pytest.approx(0.1 * heard.packets, rel=0.2)
    assert heard.lost / heard.fades == pytest.approx(8, rel=0.2)


def test_what_is_left_is_whole_packets_in_their_order() -> None:
    heard = lose(b"".join(PACKETS), 0.3, seed=4)
    left = list(PACKETS)
    at = 0
    for packet in PACKETS:
        if heard.data.startswith(packet, at):
            at += len(packet)
            left.remove(packet)
    assert at == len(heard.data)
    assert len(left) == heard.lost > 0


def test_a_longer_downlink_loses_what_the_shorter_lost() -> None:
    one, two = (lose(b"".join(PACKETS) * n, 0.2, 4, seed=9).data for n in (3, 6))
    assert two.startswith(one)
    assert lose(b"".join(PACKETS) * 3, 0.2, 4, seed=10).data != one


def test_nothing_and_everything_can_be_lost() -> None:
    data = b"".join(PACKETS)
    assert lose(data, 0).data == data
    for fade in (None, 1, 5):
        everything = lose(data, 1, fade)
        assert (everything.data, everything.fades) == (b"", 1)


def test_bytes_that_are_no_packet_come_through() -> None:
    noise = b"noise" * 20
    assert lose(noise + PACKETS[0] + noise, 1).data == noise + noise


def test_a_fade_of_one_is_never_followed_by_another() -> None:
    lost = [not there for there in heard_of(lose(MANY, 0.3, fade=1).data)]
    assert sum(lost) > 100
    assert not any(a and b for a, b in pairwise(lost))
    with pytest.raises(UserError, match=r"say --fade 4"):
        lose(MANY, 0.8, fade=3)
    assert lose(MANY, 0.8, fade=4).fades > 0


def test_the_command_writes_the_file_and_says_what_was_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "downlink.bin", tmp_path / "heard.bin"
    source.write_bytes(MANY)
    words = ["link", str(source), "--loss", "5", "--fade", "6", "--seed", "3", "-o", str(out)]
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    expected = lose(MANY, 0.05, 6, 3)
    assert out.read_bytes() == expected.data
    assert said == {
        "packets": expected.packets,
        "lost": expected.lost,
        "fades": expected.fades,
        "bytes_sent": len(MANY),
        "bytes_heard": len(expected.data),
    }
    assert main(words) == 0
    assert f"{expected.lost} of {expected.packets} packets lost" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--loss", "101"], "101 is no percentage; write a number from 0 to 100"),
        (["--loss", "nan"], "nan is no percentage"),
        (["--loss", "5", "--fade", "0"], "0 is no number of packets from 1"),
        (["--loss", "5", "--fade", "inf"], "inf is no number of packets from 1"),
        (["--loss", "80", "--fade", "2"], "--loss 80 needs longer fades; say --fade 4"),
        ([], "required: --loss"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "downlink.bin"
    source.write_bytes(b"".join(PACKETS))
    try:
        status = main(["link", str(source), *words, "-o", str(tmp_path / "heard.bin")])
    except SystemExit as stop:
        status = int(str(stop.code))
    said = capsys.readouterr().err
    assert status == 2
    assert says in said and said.count("\n") == 1
    assert not (tmp_path / "heard.bin").exists()


@pytest.mark.parametrize("name", ["gone.bin", "empty.bin", "."])
def test_a_downlink_that_is_none_is_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.bin").touch()
    out = tmp_path / "heard.bin"
    assert main(["link", str(tmp_path / name), "--loss", "5", "-o", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("fk-sim: ") and said.count("\n") == 1
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "downlink.bin"
    source.write_bytes(b"".join(PACKETS))
    assert main(["link", str(source), "--loss", "5", "-o", str(source / "heard.bin")]) == 2
    said = capsys.readouterr().err
    assert "cannot be written" in said and said.count("\n") == 1
