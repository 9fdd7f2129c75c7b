"""A picture as the mission's camera would have delivered it.

All arithmetic is in integers, so that every machine makes the same bytes from
the same decoded picture: Pillow resizes 8-bit pictures in fixed point, and the
conversions below say their rounding.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from framekeep_sim.mission import Camera, Fit, PixelFormat

Bytes = npt.NDArray[np.uint8]
BAND = 64  # rows converted at a time
THIN = 32  # a picture so many times longer than the frame is cut to its middle before it is resized


def to_frame(picture: Image.Image, camera: Camera) -> bytes:
    """The frame buffer of `camera` looking at `picture`."""
    return encode(np.asarray(fit(picture, camera)), camera.format)


def fit(picture: Image.Image, camera: Camera) -> Image.Image:
    """`picture` in RGB at the camera's size, the shape kept unless the mission says stretch."""
    picture = upright_rgb(picture)
    size = (camera.width, camera.height)
    if picture.size == size:
        return picture
    if camera.fit is Fit.STRETCH:
        return picture.resize(size, Image.Resampling.BILINEAR)
    wide, high = picture.size
    scale_by_width = wide * camera.height >= high * camera.width  # the picture is the wider one
    if (camera.fit is Fit.LETTERBOX) == scale_by_width:
        inner = (camera.width, max(1, (high * camera.width + wide // 2) // wide))
    else:
        inner = (max(1, (wide * camera.height + high // 2) // high), camera.height)
    if inner[0] * inner[1] > THIN * size[0] * size[1]:
        return ImageOps.fit(picture, size, Image.Resampling.BILINEAR)  # whole it would take gigabytes
    picture = picture.resize(inner, Image.Resampling.BILINEAR)
    left, top = (camera.width - inner[0]) // 2, (camera.height - inner[1]) // 2
    frame = Image.new("RGB", size)
    frame.paste(picture, (left, top))  # a negative corner crops
    return frame


def upright_rgb(picture: Image.Image) -> Image.Image:
    """Turned as the camera was held; transparency on black; 16 bits a channel cut to 8."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I;16") or picture.mode == "I":
        wide = np.asarray(picture).astype(np.int64)
        picture = Image.fromarray((np.clip(wide, 0, 65535) >> 8).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        with_alpha = picture.convert("RGBA")
        picture = Image.new("RGBA", with_alpha.size, (0, 0, 0, 255))
        picture.alpha_composite(with_alpha)
    return picture.convert("RGB")


def encode(rgb: Bytes, pixel_format: PixelFormat) -> bytes:
    """Pixels (height, width, 3) in the camera's format."""
    bands = range(0, len(rgb), BAND)  # so that the wide integers below stay small
    return b"".join(_encode(rgb[top : top + BAND], pixel_format) for top in bands)


def _encode(rgb: Bytes, pixel_format: PixelFormat) -> bytes:
    wide = rgb.astype(np.int32)
    red, green, blue = wide[..., 0], wide[..., 1], wide[..., 2]
    if pixel_format is PixelFormat.RGB888:
        return rgb.tobytes()
    if pixel_format is PixelFormat.GRAY8:
        return _luma(red, green, blue).astype(np.uint8).tobytes()
    if pixel_format is PixelFormat.YUYV:
        return _yuyv(red, green, blue)
    word = (red >> 3) << 11 | (green >> 2) << 5 | blue >> 3  # a sensor drops the low bits
    order = "<u2" if pixel_format is PixelFormat.RGB565LE else ">u2"
    return bytes(word.astype(order).tobytes())


def decode(frame: bytes, camera: Camera) -> Bytes:
    """A frame buffer as RGB pixels again, for people to look at."""
    band = len(frame) // camera.height * BAND
    return np.vstack([_decode(frame[at : at + band], camera) for at in range(0, len(frame), band)])


def masked(pixels: Bytes, camera: Camera) -> Bytes:
    """Pixels of a frame without what the mission's masks hide, for a report that people pass on."""
    shown = pixels.copy()
    for mask in camera.masks:
        shown[mask.y : mask.y + mask.height, mask.x : mask.x + mask.width] = 0
    return shown


def _decode(frame: bytes, camera: Camera) -> Bytes:
    height, width = -1, camera.width
    if camera.format is PixelFormat.RGB888:
        return np.frombuffer(frame, np.uint8).reshape(height, width, 3)
    if camera.format is PixelFormat.GRAY8:
        grey = np.frombuffer(frame, np.uint8).reshape(height, width, 1)
        return np.repeat(grey, 3, axis=2)
    if camera.format is PixelFormat.YUYV:
        return _from_yuyv(np.frombuffer(frame, np.uint8).reshape(height, width // 2, 4))
    order = "<u2" if camera.format is PixelFormat.RGB565LE else ">u2"
    word = np.frombuffer(frame, order).reshape(height, width).astype(np.int32)
    red, green, blue = word >> 11, word >> 5 & 63, word & 31
    full = np.stack([red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2], axis=-1)
    pixels: Bytes = full.astype(np.uint8)
    return pixels


Wide = npt.NDArray[np.int32]


def _luma(red: Wide, green: Wide, blue: Wide) -> Wide:
    """BT.601 full range, rounded to nearest."""
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16


def _yuyv(red: Wide, green: Wide, blue: Wide) -> bytes:
    """Y0 U Y1 V as JFIF defines them; the chroma of two pixels is that of their mean, rounded up."""
    luma = _luma(red, green, blue)
    pair = [(c[:, 0::2] + c[:, 1::2] + 1) >> 1 for c in (red, green, blue)]
    blueness = (-11058 * pair[0] - 21710 * pair[1] + 32768 * pair[2] + (128 << 16) + 32767) >> 16
    redness = (32768 * pair[0] - 27439 * pair[1] - 5329 * pair[2] + (128 << 16) + 32767) >> 16
    packed = np.stack([luma[:, 0::2], blueness, luma[:, 1::2], redness], axis=-1)
    return bytes(np.clip(packed, 0, 255).astype(np.uint8).tobytes())


def _from_yuyv(packed: Bytes) -> Bytes:
    wide = packed.astype(np.int32)
    luma = np.stack([wide[..., 0], wide[..., 2]], axis=-1).reshape(packed.shape[0], -1)
    blueness = np.repeat(wide[..., 1], 2, axis=1) - 128
    redness = np.repeat(wide[..., 3], 2, axis=1) - 128
    red = luma + ((91881 * redness + 32768) >> 16)
    green = luma + ((-22554 * blueness - 46802 * redness + 32768) >> 16)
    blue = luma + ((116130 * blueness + 32768) >> 16)
    pixels: Bytes = np.clip(np.stack([red, green, blue], axis=-1), 0, 255).astype(np.uint8)
    return pixels
