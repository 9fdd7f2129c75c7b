"""Pictures that say which frame they are of, so that no other can be taken for them."""


def picture(frame_id: int, size: int) -> bytes:
    """As `paint` of tests/fuzz/fuzz_store.c."""
    x = frame_id * 2654435761 % (1 << 32) ^ size
    out = bytearray()
    for _ in range(size):
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        out.append(x >> 8 & 0xFF)
    return bytes(out)
