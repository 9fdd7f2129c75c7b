"""Where packets come from: a file, a pipe, standard input, a socket, a serial line."""

import os
import queue
import select
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

from framekeep_ground.errors import UserError

PIECE = 4 << 20  # bytes read from a file at a time
LIVE_PIECE = 65536
LOOK_UP = 0.5  # seconds

LIVE = ("udp", "tcp", "serial")


def is_live(source: str) -> bool:
    """Whether `source` may go on for ever."""
    return source == "-" or comes_once(source) or _is_stream(source)


def comes_once(source: str) -> bool:
    """Whether what `source` gives cannot be had again."""
    return source.partition("://")[0].lower() in LIVE


def kept(pieces: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """The same pieces, each appended to a file before it is handed on."""
    for piece in pieces:
        if piece:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(piece)
        yield piece


def _is_stream(source: str) -> bool:
    """Whether a path names a pipe or a device: it can be opened once, and ends when its writer says so."""
    path = Path(source)
    return path.is_fifo() or path.is_char_device()


def size_of(source: str) -> int | None:
    """Bytes that will come, where that is known."""
    path = Path(source)
    return path.stat().st_size if not is_live(source) and path.is_file() else None


def pieces(source: str, timeout: float | None = None) -> Iterator[bytes]:
    """The bytes of `source`, piece by piece, until it ends or is silent for `timeout` seconds."""
    if source == "-":
        return _from_pipe(sys.stdin.fileno())
    if _is_stream(source):
        return _from_stream(source)
    if not is_live(source):
        return _from_path(source)
    try:
        url = urlsplit(source)
    except ValueError as error:
        raise UserError(f"{source}: {error}; write such as udp://:10015 or tcp://127.0.0.1:5000") from None
    if url.scheme == "udp":
        return _read_ahead(_from_udp(*_address(source, url, any_host=True), timeout))
    if url.scheme == "tcp":
        return _from_tcp(*_address(source, url, any_host=False), timeout)
    return _read_ahead(_from_serial(source, url, timeout))


def _read_ahead(found: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces of `found`, taken by a thread from now on as they come; all that wait are handed on at once.

    Nothing holds back who sends datagrams or bytes on a line: what is not read while tables are written is
    lost when the kernel's small buffer is full.
    """
    waiting: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            for piece in found:
                waiting.put(piece)
            waiting.put(None)
        except Exception as error:
            waiting.put(error)

    threading.Thread(target=read, daemon=True).start()
    return _waiting(waiting)


def _waiting(pieces: "queue.SimpleQueue[bytes | Exception | None]") -> Iterator[bytes]:
    while True:
        taken = [pieces.get(), *(pieces.get() for _ in range(pieces.qsize()))]
        yield b"".join(piece for piece in taken if isinstance(piece, bytes))
        if isinstance(taken[-1], Exception):
            raise taken[-1]
        if taken[-1] is None:
            return


def check(source: str) -> None:
    """Raise for a file that cannot be read, before anything is written."""
    path = Path(source)
    if source == "-" and sys.stdin is None:
        raise UserError("-: standard input is closed; name a file, or give it something to read")
    if is_live(source):
        return
    if path.is_dir():
        raise UserError(f"{source}: is a folder; name the file that holds the packets")
    try:
        path.open("rb").close()
    except FileNotFoundError:
        hint = "name a file, - for standard input, udp://:PORT, tcp://HOST:PORT or serial:///dev/ttyX"
        raise UserError(f"{source}: no such file; {hint}") from None


def _from_path(source: str) -> Iterator[bytes]:
    check(source)
    with Path(source).open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _from_stream(source: str) -> Iterator[bytes]:
    descriptor = os.open(source, os.O_RDONLY)
    try:
        yield from _from_pipe(descriptor)
    finally:
        os.close(descriptor)


def _from_pipe(descriptor: int) -> Iterator[bytes]:
    """What is there, at once: a whole piece may take a pass to arrive."""
    while True:
        # a Ctrl-C that came just before a read would wait in it for the next byte
        if not select.select([descriptor], [], [], LOOK_UP)[0]:
            continue
        if not (piece := os.read(descriptor, LIVE_PIECE)):
            return
        yield piece


def _address(source: str, url: SplitResult, *, any_host: bool) -> tuple[str, int]:
    try:
        port = url.port
    except ValueError:
        port = None
    if not port or not (url.hostname or any_host):
        raise UserError(f"{source}: needs a host and a port, such as {url.scheme}://127.0.0.1:5000")
    return url.hostname or "0.0.0.0", port


def _from_udp(host: str, port: int, timeout: float | None) -> Iterator[bytes]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
        receiver.settimeout(timeout)
        try:
            receiver.bind((host, port))
            while True:
                yield receiver.recv(LIVE_PIECE)
        except TimeoutError:
            return
        except UnicodeError:
            raise UserError(f"udp://{host}:{port}: {host} is no host's name") from None
        except OSError as error:
            raise UserError(f"udp://{host}:{port}: {error.strerror or error}") from None


def _from_tcp(host: str, port: int, timeout: float | None) -> Iterator[bytes]:
    try:
        with socket.create_connection((host, port), timeout) as connection:
            while piece := connection.recv(LIVE_PIECE):
                yield piece
    except TimeoutError:
        return
    except UnicodeError:
        raise UserError(f"tcp://{host}:{port}: {host} is no host's name") from None
    except OSError as error:
        raise UserError(f"tcp://{host}:{port}: {error.strerror or error}; is the sender there?") from None


def _from_serial(source: str, url: SplitResult, timeout: float | None) -> Iterator[bytes]:
    try:
        import serial
    except ImportError:
        raise UserError(f"{source}: reading a serial line needs pyserial; pip install pyserial") from None
    baud = parse_qs(url.query).get("baud", ["115200"])[0]
    if not baud.isdigit():
        raise UserError(f"{source}: baud={baud} is no number; write serial:///dev/ttyUSB0?baud=115200")
    try:
        with serial.Serial(url.path, int(baud), timeout=timeout) as line:
            while piece := line.read(1):
                yield piece + line.read(line.in_waiting)
    except (serial.SerialException, ValueError) as error:
        raise UserError(f"{source}: {error}") from None
