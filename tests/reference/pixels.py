"""NumPy twin of fk/pixels.h, and the camera: pictures as each format holds them."""

import numpy as np
from framekeep_onboard.imaging import U8, Frame, PixelFormat


def luma(rgb: np.ndarray) -> U8:
    """BT.601 luma of RGB888, as libjpeg and Pillow round it."""
    weights = np.array([19595, 38470, 7471], np.int64)
    return ((rgb.astype(np.int64) @ weights + 32768) >> 16).astype(np.uint8)


def luma565(v: np.ndarray) -> U8:
    v = v.astype(np.int64)
    total = 161185 * (v >> 11) + 155712 * (v >> 5 & 63) + 61455 * (v & 31)
    return ((total + 32768) >> 16).astype(np.uint8)


def widen565(v: np.ndarray) -> U8:
    r, g, b = v >> 11, v >> 5 & 63, v & 31
    return np.stack([r << 3 | r >> 2, g << 2 | g >> 4, b << 3 | b >> 2], -1).astype(np.uint8)


def yuv_to_rgb(yuv: np.ndarray) -> U8:
    y, u, v = np.moveaxis(yuv.astype(np.int64), -1, 0)
    u, v = u - 128, v - 128
    r = y + ((91881 * v + 32768) >> 16)
    g = y - ((22554 * u + 46802 * v + 32767) >> 16)
    b = y + ((116130 * u + 32768) >> 16)
    return np.clip(np.stack([r, g, b], -1), 0, 255).astype(np.uint8)


def pack(rgb: U8, format: PixelFormat, *, gap: int = 0) -> Frame:
    """`rgb` (height, width, 3) as a camera of this format would deliver it, rows `gap` bytes apart."""
    height, width = rgb.shape[:2]
    if format == PixelFormat.GRAY8:
        rows = luma(rgb)
    elif format == PixelFormat.RGB888:
        rows = rgb.reshape(height, -1)
    elif format == PixelFormat.YUYV:
        r, g, b = np.moveaxis(rgb.astype(np.float64), -1, 0)
        y = 0.299 * r + 0.587 * g + 0.114 * b
        chroma = np.stack([128 + 0.564 * (b - y), 128 + 0.713 * (r - y)], -1)
        chroma = chroma.reshape(height, width // 2, 2, 2).mean(2).reshape(height, width)
        rows = np.stack([y, chroma], -1).reshape(height, -1).round().clip(0, 255)
    else:
        v = rgb.astype(np.uint16)
        v = (v[..., 0] >> 3) << 11 | (v[..., 1] >> 2) << 5 | v[..., 2] >> 3
        order = "<u2" if format == PixelFormat.RGB565LE else ">u2"
        rows = v.astype(order).view(np.uint8).reshape(height, -1)
    rows = np.pad(rows.astype(np.uint8), ((0, 0), (0, gap)), constant_values=0xA5)
    return Frame(np.ascontiguousarray(rows), width, height, format, rows.shape[1])


def read(frame: Frame) -> tuple[U8, U8]:
    """The whole frame as (luma, rgb), straight from the definitions."""
    rows = frame.data.reshape(frame.height, -1)
    if frame.format == PixelFormat.GRAY8:
        grey = rows[:, : frame.width]
        return grey, np.repeat(grey[..., None], 3, -1)
    if frame.format == PixelFormat.RGB888:
        rgb = rows[:, : 3 * frame.width].reshape(frame.height, frame.width, 3)
        return luma(rgb), rgb
    pairs = rows[:, : 2 * frame.width].reshape(frame.height, frame.width, 2).astype(np.int64)
    if frame.format == PixelFormat.YUYV:
        u = np.repeat(pairs[:, 0::2, 1], 2, 1)
        v = np.repeat(pairs[:, 1::2, 1], 2, 1)
        return pairs[..., 0].astype(np.uint8), yuv_to_rgb(np.stack([pairs[..., 0], u, v], -1))
    low, high = (0, 1) if frame.format == PixelFormat.RGB565LE else (1, 0)
    v565 = pairs[..., low] | pairs[..., high] << 8
    return luma565(v565), widen565(v565)
