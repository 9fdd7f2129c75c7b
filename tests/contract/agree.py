"""The C code and the declarations say the same bytes."""

import binascii
from typing import Any

from construct import Construct, Container


def plain(parsed: Any) -> Any:
    """A parsed container as plain dicts, without construct's own entries."""
    if isinstance(parsed, Container):
        return {name: plain(value) for name, value in parsed.items() if not name.startswith("_")}
    return parsed


def crc_by_stdlib(hex_before: str) -> bytes:
    """The packet whose bytes but the CRC are `hex_before`."""
    body = bytes.fromhex(hex_before)
    return body + binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "big")


def agree(struct: Construct, encoded: bytes, obj: dict[str, Any], expected: bytes) -> None:
    """C wrote `encoded`: the bytes worked by hand; construct reads `obj` there and writes it back."""
    assert encoded.hex(" ") == expected.hex(" ")
    parsed = struct.parse(encoded)
    assert plain(parsed) == obj
    assert struct.build(obj) == encoded
