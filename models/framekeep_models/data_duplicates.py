"""Near copies across splits, by a 64-bit perceptual hash.

    python -m framekeep_models.data_duplicates person_vww/labels.csv other/labels.csv

A picture in training that is, scaled or recompressed, in the test split as well would flatter every figure.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from framekeep_models.data import Picture, read_pictures
from framekeep_models.data_crops import U8, read_rgb

BITS = 6  # of 64: scaled, recompressed and slightly cropped copies differ by less, other pictures by about 32
FLAT = 3.0  # standard deviation of the shrunk picture: plain sky or water all hash alike, and mean nothing

ONES = np.array([bin(byte).count("1") for byte in range(256)])
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Pair:
    first: Picture
    second: Picture
    bits: int


def perceptual_hash(image: U8) -> int | None:
    """Signs of the lowest 8x8 cosine coefficients (but the mean) of the grey picture; None if it is flat."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    if float(small.std()) < FLAT:
        return None
    low = np.asarray(cv2.dct(small), np.float32)[:8, :8].ravel()
    signs = low > np.median(low[1:])
    return int.from_bytes(np.packbits(signs).tobytes(), "big")


def hashes_of(pictures: Sequence[Picture]) -> tuple[list[Picture], Hashes]:
    kept, values = [], []
    for picture in pictures:
        value = perceptual_hash(read_rgb(picture.path))
        if value is not None:
            kept.append(picture)
            values.append(value)
    return kept, np.array(values, np.uint64)


def near_pairs(
    first: tuple[list[Picture], Hashes], second: tuple[list[Picture], Hashes], bits: int = BITS
) -> list[Pair]:
    """Pairs, one of each side, whose hashes differ by at most `bits` bits."""
    pairs = []
    for picture, value in zip(*first, strict=True):
        distance = ONES[(second[1] ^ value).view(np.uint8).reshape(-1, 8)].sum(1)
        pairs += [Pair(picture, second[0][k], int(distance[k])) for k in np.flatnonzero(distance <= bits)]
    return pairs


def main(argv: Sequence[str] | None = None) -> int:
    """Lists near copies of the test split in the others; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m framekeep_models.data_duplicates", description=__doc__)
    parser.add_argument("data", type=Path, nargs="+", help="labels.csv, COCO .json or folders")
    parser.add_argument("--bits", type=int, default=BITS, help=f"differing bits of 64 (default {BITS})")
    args = parser.parse_args(argv)
    pictures = [p for path in args.data for p in read_pictures(path)]
    seen, held = ([p for p in pictures if (p.split == "test") == wanted] for wanted in (False, True))
    pairs = near_pairs(hashes_of(held), hashes_of(seen), args.bits)
    for pair in pairs:
        print(f"{pair.bits} bits: {pair.first.path} ~ {pair.second.path} ({pair.second.split})")
    print(f"{len(held)} test pictures against {len(seen)} others: {len(pairs)} pairs within {args.bits} bits")
    return 1 if pairs else 0


if __name__ == "__main__":
    raise SystemExit(main())
