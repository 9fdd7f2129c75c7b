"""NumPy twin of fk/camera.h: area averaging as two matrices of whole-number overlaps."""

import numpy as np


def overlaps(inside: int, out: int) -> np.ndarray:
    """(out, inside): how much of input pixel k lies in output pixel i, in 1/out of an input pixel."""
    i, k = np.arange(out)[:, None], np.arange(inside)[None, :]
    top = np.minimum((i + 1) * inside, (k + 1) * out)
    return np.maximum(top - np.maximum(i * inside, k * out), 0)


def area_average(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """`picture` (h, w, channels) averaged to (height, width, channels), halves rounded up."""
    h, w = picture.shape[:2]
    rows = np.tensordot(overlaps(h, height), picture.astype(np.int64), (1, 0))
    total = np.tensordot(rows, overlaps(w, width), (1, 1)).transpose(0, 2, 1)
    return ((total + w * h // 2) // (w * h)).astype(np.uint8)
