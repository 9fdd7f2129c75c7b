"""Where a command writes: a file is replaced whole; a pipe, a device and a link stay what they are."""

import os
import select
import stat
import threading
from pathlib import Path

import pytest
from framekeep_ground.cli import main
from framekeep_ground.output import replacing, write_bytes

# to APID 100, count 0, 13 bytes; PUS 2, service 128, 64 = ping, source 0; CRC-16/IBM-3740
PING = bytes.fromhex("1864 c000 0006 20 80 40 0000 6035")


def test_a_telecommand_goes_into_a_pipe_that_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "line"
    os.mkfifo(pipe)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()), daemon=True)
    reader.start()
    assert main(["command", "ping", "-o", str(pipe)]) == 0
    reader.join(20)
    assert heard == [PING]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_is_written_to_and_stays_one(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    link = tmp_path / "ttyUP"
    link.symlink_to(os.ttyname(theirs))
    write_bytes(link, b"abc\n")
    assert select.select([ours], [], [], 20)[0] and os.read(ours, 100).strip() == b"abc"
    assert link.is_symlink() and link.is_char_device()
    os.close(ours)
    os.close(theirs)


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "there" / "real.tc"
    link = tmp_path / "latest.tc"
    link.symlink_to(target)
    for data in (b"one", b"two"):
        write_bytes(link, data)
        assert link.is_symlink() and target.read_bytes() == data
    with pytest.raises(ZeroDivisionError), replacing(link, "wb") as file:
        file.write(bytes(1 // 0))
    assert target.read_bytes() == b"two"
    assert [path.name for path in target.parent.iterdir()] == ["real.tc"]
