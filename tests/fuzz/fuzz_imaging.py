"""Any frame view, crop, size and setting: see fuzz_imaging.c."""

import random
import struct

# format, width, height, stride, bytes, crop, out size, channels, row, quality, mode, interval, capacity
FIELDS = struct.Struct("<B HH I I 4H 2H B H BB H H")


def seeds() -> list[bytes]:
    rng = random.Random(1)
    out = []
    for format in range(5):
        for width, height in ((16, 16), (34, 18), (2, 40), (8, 8)):
            stride = width * (1, 2, 2, 2, 3)[format]
            head = (format, width, height, stride, stride * height, 0, 0, width, height, 9, 7, 3, 4)
            pixels = rng.randbytes(stride * height)
            out.append(FIELDS.pack(*head, rng.choice((1, 50, 100)), 1, rng.choice((0, 1, 5)), 60000) + pixels)
    return out
