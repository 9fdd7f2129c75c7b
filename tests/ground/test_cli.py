"""`fk-ground decode` as a user meets it: files, exit statuses, one-line errors."""

import contextlib
import csv
import html
import io
import json
import os
import random
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

import pytest
from framekeep_ground import sources
from framekeep_ground.cli import main
from framekeep_ground.decode import decode
from PIL import Image

from tests.contract.agree import crc_by_stdlib
from tests.contract.packets import Downlink, Source, decision, record
from tests.ground.downlinks import picture, sent


@pytest.fixture
def downlink(tmp_path: Path) -> Path:
    path = tmp_path / "downlink.bin"
    path.write_bytes(b"".join(sent().packets))
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def run(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "framekeep_ground.cli", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)


def one_line(text: str) -> str:
    assert text.count("\n") == 1 and text.startswith("fk-ground: "), text
    return text


def test_pictures_are_the_bytes_that_were_sent(
    downlink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["decode", str(downlink), "--out", str(out), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert {int(p.stem): p.read_bytes() for p in (out / "frames").iterdir()} == sent().pictures
    assert not (out / "partial").exists()
    assert summary["frames"] == {"complete": 3, "partial": 0, "unverified": 0, "corrupt": 0, "announced": 0}
    assert summary["decisions"] == 6
    assert summary["reasons"] == {"BLANK": 1, "BRIGHT": 1, "DARK": 1, "KEPT": 2, "LOW_SCORE": 1}
    assert summary["resend"] == []
    assert summary == json.loads((out / "summary.json").read_text())


def test_tables_have_the_fields_of_the_packets(downlink: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    main(["decode", str(downlink), "--out", str(out)])
    decisions = table(out / "decisions.csv")
    assert [row["frame_id"] for row in decisions] == ["0", "1", "2", "3", "4", "5"]
    assert decisions[3] == {
        "frame_id": "3",
        "time": "2026-11-22T12:00:00.500000Z",
        "size": "0",
        "value": "300",
        "reason": "BLANK",
        "class_index": "0",
        "score": "120",
        "mean": "0",
        "contrast": "0",
        "error": "OK",
        "box_x": "0",
        "box_y": "0",
        "box_width": "0",
        "box_height": "0",
        "model_id": "0123456789abcdef",
    }
    frames = {row["frame_id"]: row for row in table(out / "frames.csv")}
    assert frames["5"]["file"] == "frames/5.jpg"
    assert frames["5"]["status"] == "complete"
    assert frames["5"]["received"] == frames["5"]["size"] == str(len(sent().pictures[5]))
    assert table(out / "gaps.csv") == []


def test_what_is_missing_is_said_and_never_lies_among_the_frames(tmp_path: Path) -> None:
    packets = sent().packets
    chunks = [n for n, p in enumerate(packets) if p[8] == 3]
    lost = chunks[len(chunks) // 2]
    path, out = tmp_path / "cut.bin", tmp_path / "out"
    path.write_bytes(b"".join(p for n, p in enumerate(packets) if n != lost))
    assert main(["decode", str(path), "--out", str(out), "--json"]) == 0
    frame_id, offset = (int.from_bytes(packets[lost][at : at + 4]) for at in (20, 24))
    assert not (out / f"frames/{frame_id}.jpg").exists()
    with Image.open(out / f"partial/{frame_id}.jpg") as image:
        image.load()
    frames = {int(row["frame_id"]): row for row in table(out / "frames.csv")}
    assert (frames[frame_id]["status"], frames[frame_id]["file"]) == ("partial", f"partial/{frame_id}.jpg")
    size = len(packets[lost]) - 34
    wanted = {"apid": "", "frame_id": str(frame_id), "first": str(offset), "last": str(offset + size - 1)}
    gaps = table(out / "gaps.csv")
    assert wanted | {"kind": "bytes", "count": str(size)} in gaps
    assert [(g["apid"], g["count"]) for g in gaps if g["kind"] == "sequence"] == [("101", "1")]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["resend"] == [f"{frame_id}:{offset}-{offset + size - 1}"]


def test_a_picture_that_was_never_announced_cannot_be_checked_and_says_so(tmp_path: Path) -> None:
    path, out = tmp_path / "cut.bin", tmp_path / "out"
    path.write_bytes(b"".join(p for p in sent().packets if p[8] != 2))
    assert main(["decode", str(path), "--out", str(out)]) == 0
    assert not (out / "frames").exists()
    frames = table(out / "frames.csv")
    assert [row["status"] for row in frames] == ["unverified"] * 3
    assert {int(p.stem): p.read_bytes() for p in (out / "partial").iterdir()} == sent().pictures
    assert json.loads((out / "summary.json").read_text())["resend"] == ["0:info", "2:info", "5:info"]


def test_a_picture_whose_check_fails_is_corrupt_and_asked_for_again(tmp_path: Path) -> None:
    path, out = tmp_path / "bad.bin", tmp_path / "out"
    packets = [p for p in sent().packets if int.from_bytes(p[20:24]) == 5 and p[8] != 1]
    wrong = packets[0][:28] + bytes(4) + packets[0][32:-2]  # announces another CRC-32
    path.write_bytes(crc_by_stdlib(wrong.hex()) + b"".join(packets[1:]))
    assert main(["decode", str(path), "--out", str(out)]) == 0
    assert not (out / "frames").exists()
    assert [row["status"] for row in table(out / "frames.csv")] == ["corrupt"]
    assert json.loads((out / "summary.json").read_text())["resend"] == [f"5:0-{len(sent().pictures[5]) - 1}"]


def test_passes_are_decoded_together(tmp_path: Path) -> None:
    packets, out = sent().packets, tmp_path / "out"
    for name, part in (("a", packets[::2]), ("b", packets[1::2])):
        (tmp_path / name).write_bytes(b"".join(part))
    assert main(["decode", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(out)]) == 0
    assert len(list((out / "frames").iterdir())) == 3


def test_two_pictures_with_one_id_are_both_kept(tmp_path: Path) -> None:
    source, other = Source(), Source()
    source.add(3, picture(1))
    other.add(3, picture(2))
    path, out = tmp_path / "x.bin", tmp_path / "out"
    path.write_bytes(b"".join(Downlink(source).all() + Downlink(other).all()))
    assert main(["decode", str(path), "--out", str(out)]) == 0
    files = {row["file"]: row["size"] for row in table(out / "frames.csv")}
    assert files == {
        "frames/3.jpg": str(len(picture(1))),
        f"frames/3-{len(picture(2))}.jpg": str(len(picture(2))),
    }
    assert {(out / file).read_bytes() for file in files} == {picture(1), picture(2)}


def test_a_second_run_leaves_nothing_of_the_first(downlink: Path, tmp_path: Path) -> None:
    out, less = tmp_path / "out", tmp_path / "less.bin"
    main(["decode", str(downlink), "--out", str(out)])
    (out / "frames/notes.jpg").write_bytes(b"not ours")
    less.write_bytes(b"".join(p for p in sent().packets if p[8] == 1))
    assert main(["decode", str(less), "--out", str(out)]) == 0
    assert [p.name for p in (out / "frames").iterdir()] == ["notes.jpg"]
    assert table(out / "frames.csv") == []


def test_a_folder_that_is_not_ours_loses_nothing(downlink: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out/frames/99.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    for _ in range(3):
        assert main(["decode", str(downlink), "--out", str(tmp_path / "out")]) == 0
        assert mine.read_bytes() == b"mine"


def test_a_picture_that_took_the_place_of_anothers_is_ours(downlink: Path, tmp_path: Path) -> None:
    frames, less = tmp_path / "out/frames", tmp_path / "less.bin"
    frames.mkdir(parents=True)
    (frames / "2.jpg").write_bytes(b"mine")
    less.write_bytes(b"".join(p for p in sent().packets if p[8] == 1))
    for source, left in ((less, ["2.jpg"]), (downlink, ["0.jpg", "2.jpg", "5.jpg"]), (less, [])):
        assert main(["decode", str(source), "--out", str(tmp_path / "out")]) == 0
        assert sorted(p.name for p in frames.iterdir()) == left


def test_names_that_are_no_text_are_taken(downlink: Path, tmp_path: Path) -> None:
    source, out = (tmp_path / os.fsdecode(name) for name in (b"d\xff<b>.bin", b"o\xff"))
    source.write_bytes(downlink.read_bytes())
    assert main(["decode", str(source), "--out", str(out)]) == 0
    assert "d\\udcff&lt;b&gt;.bin" in (out / "index.html").read_text("utf-8")
    assert json.loads((out / "summary.json").read_text())["source"] == str(source)


def test_the_command_that_asks_again_can_be_run_as_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "cut.bin", tmp_path / "pass 7 & $8"
    path.write_bytes(b"".join(sent().packets)[:-7])
    assert main(["decode", str(path), "--out", str(out)]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("ask again"))
    asked = "fk-ground command resend --from "
    (shown,) = re.findall(f"<pre>{asked}(.*) -o resend.tc</pre>", (out / "index.html").read_text())
    for folder in (line.partition(asked)[2].removesuffix(" -o resend.tc"), html.unescape(shown)):
        assert shlex.split(folder) == [str(out)]


def test_standard_input(tmp_path: Path) -> None:
    done = run("decode", "-", "--out", tmp_path / "out", "--json", stdin=b"".join(sent().packets))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"]["complete"] == 3
    assert done.stderr == b""


def test_the_contact_sheet_holds_every_picture(downlink: Path, tmp_path: Path) -> None:
    main(["decode", str(downlink), "--out", str(tmp_path / "out")])
    page = (tmp_path / "out/index.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 3
    assert page.index("frame 5") < page.index("frame 2") < page.index("frame 0"), (
        "not the most valuable first"
    )
    assert "http" not in page


def test_the_page_shows_what_is_missing_and_then_what_was_repaired(tmp_path: Path) -> None:
    packets = [p for p in sent().packets if p[8] in (2, 3)]
    chunks = [p for p in packets if p[8] == 3]
    lost = chunks[4:6]
    (tmp_path / "heard.bin").write_bytes(b"".join(p for p in packets if p not in lost))
    (tmp_path / "again.bin").write_bytes(b"".join(lost))
    heard, again, out = (str(tmp_path / name) for name in ("heard.bin", "again.bin", "out"))
    assert main(["decode", heard, "--out", out]) == 0
    page = (tmp_path / "out/index.html").read_text()
    (wanted,) = json.loads((tmp_path / "out/summary.json").read_text())["resend"]
    first, last = wanted.partition(":")[2].split("-")
    assert f"<td>{int(first):,} to {int(last):,}" in page
    assert f"fk-ground command resend --from {out} " in page
    assert page.count("<pattern") == 1, "what is missing is hatched"
    assert "Repaired" not in page

    assert main(["decode", heard, again, "--out", out]) == 0
    page = (tmp_path / "out/index.html").read_text()
    assert "fk-ground command resend" not in page and "Not whole" not in page
    assert page.index("Repaired") < page.index("<pattern") < page.index("Whole")
    assert page.count("<pattern") == 1
    assert page.count("data:image/jpeg;base64,") == 3 + 2, "every picture, and one before and after"

    assert json.loads((tmp_path / "out/summary.json").read_text())["newest"] == {"repaired": 1, "new": 0}
    assert main(["decode", heard, again, heard, "--out", out]) == 0
    page = (tmp_path / "out/index.html").read_text()
    assert "Repaired" not in page, "the newest source brought nothing"


def test_an_announcement_that_was_missing_repairs_a_picture(tmp_path: Path) -> None:
    packets = [p for p in sent().packets if p[8] in (2, 3)]
    (info,) = (p for p in packets if p[8] == 2 and p[20:24] == bytes((0, 0, 0, 5)))
    (tmp_path / "heard.bin").write_bytes(b"".join(p for p in packets if p != info))
    (tmp_path / "again.bin").write_bytes(info)
    heard, again, out = (str(tmp_path / name) for name in ("heard.bin", "again.bin", "out"))
    assert main(["decode", heard, again, "--out", out]) == 0
    assert json.loads((tmp_path / "out/summary.json").read_text())["newest"] == {"repaired": 1, "new": 0}
    page = (tmp_path / "out/index.html").read_text()
    size = len(sent().pictures[5])
    assert f"{size:,} of {size:,} bytes, unverified; now {size:,}, " in page
    assert page.count("data:image/jpeg;base64,") == 3 + 2, "every picture, and one before and after"


def test_a_picture_announced_as_nothing_wide_is_shown_without_its_box(tmp_path: Path) -> None:
    source = Source()
    source.add(1, picture(1))
    packets = list(Downlink(source, 60).all())
    (at,) = (n for n, p in enumerate(packets) if p[8] == 2)
    body = packets[at][:32] + bytes(4) + packets[at][36:48] + bytes(range(1, 9)) + packets[at][56:-2]
    packets[at] = crc_by_stdlib(body.hex())
    (tmp_path / "x.bin").write_bytes(b"".join(packets))
    assert main(["decode", str(tmp_path / "x.bin"), "--out", str(tmp_path / "out")]) == 0
    (row,) = table(tmp_path / "out/frames.csv")
    assert (row["width"], row["height"], row["box_x"], row["status"]) == ("0", "0", "258", "complete")
    assert "class=box" not in (tmp_path / "out/index.html").read_text()


def test_the_page_shows_a_part_of_a_picture_whose_id_another_has_too(tmp_path: Path) -> None:
    one, two = Source(), Source()
    one.add(5, picture(1))
    two.add(5, picture(2, size=(48, 32)))
    packets = [*Downlink(one, 60).all(), *list(Downlink(two, 60).all())[:-1]]
    (tmp_path / "x.bin").write_bytes(b"".join(packets))
    assert main(["decode", str(tmp_path / "x.bin"), "--out", str(tmp_path / "out")]) == 0
    rows = table(tmp_path / "out/frames.csv")
    assert sorted((row["status"], row["file"]) for row in rows) == [
        ("complete", "frames/5.jpg"),
        ("partial", ""),
    ]
    page = (tmp_path / "out/index.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2 and "nothing came" not in page
    assert page.count("href=") == 1


# --- Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", random.Random(3).randbytes(200_000)], ids=["empty", "random"])
def test_no_packet_found_is_exit_1_and_nothing_is_written(
    data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.bin").write_bytes(data)
    assert main(["decode", str(tmp_path / "x.bin"), "--out", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert "no packet found" in one_line(captured.err)
    assert captured.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("missing.bin", "no such file"),
        (".", "is a folder"),
        ("tcp://127.0.0.1", "needs a host and a port"),
        ("udp://127.0.0.1:99999", "needs a host and a port"),
        ("serial:///dev/null?baud=fast", "no number"),
        ("serial:///dev/there-is-none", "there-is-none"),
        ("tcp://a..b:5000", "a..b is no host's name"),
        ("tcp://" + 70 * "x" + ":5000", "is no host's name"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_line_and_exit_2(
    source: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decode", source, "--out", str(tmp_path / "out")]) == 2
    assert says in one_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_closed_standard_input_is_one_line(tmp_path: Path) -> None:
    command = f"{sys.executable} -m framekeep_ground.cli decode - --out {tmp_path / 'out'} <&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "standard input is closed" in one_line(done.stderr)
    assert not (tmp_path / "out").exists()


def test_one_missing_pass_of_several_leaves_nothing_half_done(
    downlink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decode", str(downlink), str(tmp_path / "gone"), "--out", str(tmp_path / "out")]) == 2
    assert "no such file" in one_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_reader_that_leaves_early_is_no_traceback() -> None:
    command = f"{sys.executable} -m framekeep_ground.cli export xtce | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("<", "")


def test_an_output_that_is_a_file(downlink: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", str(downlink), "--out", str(downlink)]) == 2
    assert "is a file" in one_line(capsys.readouterr().err)


def test_a_full_disk_is_one_line_and_leaves_no_half_file(downlink: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    limit = f"ulimit -f 1; exec {sys.executable} -m framekeep_ground.cli decode {downlink} --out {out}"
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["bash", "-c", limit], capture_output=True, text=True, env=env, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert re.search(rf"{out}/\S+: cannot be written: ", one_line(done.stderr))
    main(["decode", str(downlink), "--out", str(tmp_path / "whole")])
    for path in out.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "whole" / path.relative_to(out)).read_bytes()
    assert not (out / "summary.json").exists()


@pytest.mark.parametrize("arguments", [[], ["flush"], ["decode"], ["decode", "x", "--timeout", "soon"]])
def test_a_wrong_command_line_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "--help" in one_line(capsys.readouterr().err)


def test_two_cameras_in_one_folder_are_warned_of(
    downlink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Source()
    source.records = [record(decision(n, score=7)) for n in range(4)]
    other = tmp_path / "other.bin"
    other.write_bytes(b"".join(Downlink(source, 60).all()))
    assert main(["decode", str(downlink), str(other), "--out", str(tmp_path / "out")]) == 0
    assert "4 decision records contradict" in capsys.readouterr().out
    assert main(["decode", str(downlink), str(downlink), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["contradictions"] == 0


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e300"])
def test_a_time_that_cannot_be_waited_is_refused(
    seconds: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decode", "udp://127.0.0.1:1", "--timeout", seconds, "--out", str(tmp_path / "o")]) == 2
    assert "--timeout" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("source", ["udp://[::1", "udp://:0", "tcp://", "udp://x:99999"])
def test_an_address_that_is_none_is_one_line(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decode", source, "--timeout", "1", "--out", str(tmp_path / "o")]) == 2
    assert source in one_line(capsys.readouterr().err)
    assert not (tmp_path / "o").exists()


def test_a_file_may_be_called_like_half_an_address(tmp_path: Path, downlink: Path) -> None:
    place = tmp_path / "http:" / "[x"
    place.parent.mkdir()
    place.write_bytes(downlink.read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "framekeep_ground.cli", "decode", "http://[x", "--out", "o"],
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["decode", "--help"])
    assert left.value.code == 0
    assert "fk-ground decode downlink.bin --out pass7" in capsys.readouterr().out


# --- Live sources ---------------------------------------------------------------------------------


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_udp_until_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port(socket.SOCK_DGRAM)
    ended = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not ended.wait(0.05):  # duplicates do no harm: again until somebody listened
                for packet in sent().packets:
                    sender.sendto(packet, ("127.0.0.1", port))
                    time.sleep(0.0005)
                if (tmp_path / "out/frames/0.jpg").exists():
                    return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        status = main(["decode", f"udp://127.0.0.1:{port}", "--timeout", "1", "--out", str(tmp_path / "out")])
    finally:
        ended.set()
        thread.join()
    assert status == 0, capsys.readouterr().err
    assert {int(p.stem): p.read_bytes() for p in (tmp_path / "out/frames").iterdir()} == sent().pictures


def test_tcp_until_the_sender_leaves(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"".join(sent().packets))

        thread = threading.Thread(target=send)
        thread.start()
        port = server.getsockname()[1]
        assert (
            main(["decode", f"tcp://127.0.0.1:{port}", "--timeout", "20", "--out", str(tmp_path / "out")])
            == 0
        )
        thread.join()
    assert len(list((tmp_path / "out/frames").iterdir())) == 3


def test_a_connection_that_breaks_leaves_the_tables_of_what_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            connection, _ = server.accept()
            connection.sendall(b"".join(sent().packets))
            deadline = time.monotonic() + 20
            while not (tmp_path / "out/frames/0.jpg").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            reset = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            connection.close()

        thread = threading.Thread(target=send)
        thread.start()
        port = server.getsockname()[1]
        assert main(["decode", f"tcp://127.0.0.1:{port}", "--out", str(tmp_path / "out")]) == 2
        thread.join()
    assert "reset by peer" in one_line(capsys.readouterr().err)
    assert [row["status"] for row in table(tmp_path / "out/frames.csv")] == ["complete"] * 3
    assert json.loads((tmp_path / "out/summary.json").read_text())["interrupted"] is True


def test_a_serial_line_until_silence(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)

    def send() -> None:
        while not (tmp_path / "out/frames/0.jpg").exists():  # what came before the line was open is lost
            for packet in sent().packets:
                os.write(ours, packet)
                time.sleep(0.0005)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    line = f"serial://{os.ttyname(theirs)}?baud=115200"
    status = main(["decode", line, "--timeout", "1", "--out", str(tmp_path / "out")])
    assert status == 0
    thread.join(30)
    os.close(ours)
    os.close(theirs)
    assert {int(p.stem): p.read_bytes() for p in (tmp_path / "out/frames").iterdir()} == sent().pictures


def test_live_passes_of_two_days_come_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packets, out = sent().packets, tmp_path / "out"
    half = next(n for n, p in enumerate(packets) if p[8] == 3) + 12
    for day in (packets[:half], packets[half:]):
        with socket.create_server(("127.0.0.1", 0)) as server:

            def send(listener: socket.socket = server, data: bytes = b"".join(day)) -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(data)

            thread = threading.Thread(target=send)
            thread.start()
            line = f"tcp://127.0.0.1:{server.getsockname()[1]}"
            assert main(["decode", line, "--timeout", "20", "--out", str(out), "--json"]) == 0
            thread.join()
    summary = json.loads(capsys.readouterr().out.splitlines()[1])
    assert {int(p.stem): p.read_bytes() for p in (out / "frames").iterdir()} == sent().pictures
    assert len(table(out / "decisions.csv")) == len(sent().records)
    assert summary["newest"] == {"repaired": 1, "new": 2}
    assert (out / "live.bin").read_bytes() == b"".join(packets)
    assert main(["decode", str(out / "live.bin"), "--out", str(tmp_path / "again"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == summary["frames"]


def test_datagrams_that_come_while_nobody_asks_are_not_lost() -> None:
    port = free_port(socket.SOCK_DGRAM)
    pieces = sources.pieces(f"udp://127.0.0.1:{port}", 3)
    heard: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        first = threading.Thread(target=lambda: heard.append(next(pieces)))
        first.start()
        while first.is_alive():  # until somebody listens
            with contextlib.suppress(ConnectionRefusedError):
                sender.send(b"!")
            time.sleep(0.01)
        for number in range(6000):  # 24 MB; the kernel holds 4 of them at most
            sender.send(number.to_bytes(4, "big") * 1000)
            if number % 10 == 9:
                time.sleep(0.001)
    data = b"".join([*heard, *pieces]).lstrip(b"!")
    assert data == b"".join(number.to_bytes(4, "big") * 1000 for number in range(6000))


@pytest.mark.parametrize("source", ["-", "fifo"])
def test_ctrl_c_ends_a_live_source_cleanly(source: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if source == "fifo":
        source = str(tmp_path / "fifo")
        os.mkfifo(source)
    command = [sys.executable, "-m", "framekeep_ground.cli", "decode", source, "--out", str(out)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    before = signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # a job in the background inherits one that is ignored
    process = subprocess.Popen(command, **pipes)  # type: ignore[call-overload]
    signal.signal(signal.SIGINT, before)
    writer = process.stdin if source == "-" else Path(source).open("wb")  # noqa: SIM115
    with process, writer:
        writer.write(b"".join(sent().packets))
        writer.flush()
        deadline = time.monotonic() + 30
        while not (out / "frames/0.jpg").exists():
            assert time.monotonic() < deadline, "a live source is not decoded as it comes"
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == b""
    assert json.loads((out / "summary.json").read_text())["interrupted"] is True
    assert len(table(out / "frames.csv")) == 3


def test_a_live_source_can_be_watched(tmp_path: Path) -> None:
    out, packets = tmp_path / "out", sent().packets
    half = next(n for n, p in enumerate(packets) if p[8] == 3) + 12
    theirs = out / "partial/77.jpg"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")

    def pieces():  # type: ignore[no-untyped-def]
        yield b"".join(packets[:half])
        assert [row["status"] for row in table(out / "frames.csv")] == ["partial"]
        assert (out / "partial/5.jpg").exists()
        yield b"".join(packets[half:])

    decode(pieces(), out, "live", every=0)
    assert [row["status"] for row in table(out / "frames.csv")] == ["complete"] * 3
    assert [p.name for p in (out / "partial").iterdir()] == ["77.jpg"], "ours is whole now, theirs stays"


def test_an_interrupt_keeps_what_came_so_far(tmp_path: Path) -> None:
    def pieces():  # type: ignore[no-untyped-def]
        yield b"".join(sent().packets)
        raise KeyboardInterrupt

    summary = decode(pieces(), tmp_path / "out", "live")
    assert summary is not None
    assert summary["interrupted"] is True
    assert summary["frames"]["complete"] == 3
    with io.StringIO((tmp_path / "out/frames.csv").read_text()) as file:
        assert len(list(csv.DictReader(file))) == 3


def test_thumbnails_are_written_and_shown_with_what_was_decided(downlink: Path, tmp_path: Path) -> None:
    done = run("decode", downlink, "--out", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["thumbnails"] == len(sent().thumbnails) == 2
    for frame_id, pixels in sent().thumbnails.items():
        with Image.open(tmp_path / f"out/thumbnails/{frame_id}.png") as image:
            assert image.size == (16, 12) and image.tobytes() == pixels
    page = (tmp_path / "out/index.html").read_text()
    assert page.index("Audit") < page.index("LOW_SCORE 160/255") < page.index("DARK 40/255")


def test_a_thumbnail_without_its_record_is_shown_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"".join(p for p in sent().packets if p[8] == 4))
    done = run("decode", tmp_path / "x.bin", "--out", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["packets"]["thumbnail"] == 2
    assert (tmp_path / "out/index.html").read_text().count("no record") == 2
