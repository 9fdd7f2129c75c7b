"""The mission language: one TOML file says what flies.

Read strictly (an unknown key, a value out of range: file, line, what is
allowed) and compiled to the policy, the few hundred bytes that the flight code
knows. What only the ground decides (store geometry, passes) stays out of them.
"""

from binascii import crc_hqx
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from enum import IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

from framekeep_ground.formats import (
    CRC16_INIT,
    POLICY_CLASSES_MAX,
    POLICY_MAGIC,
    POLICY_MASKS_MAX,
    POLICY_TILES_MAX,
    POLICY_VERSION,
    STORE_CHUNK_MAX,
    STORE_EXTENTS_MAX,
    STORE_PLACES_MAX,
    STORE_RECORD_MIN,
    ChunkHeader,
    PacketTrailer,
    Policy,
    StoreExtent,
    StoreMeta,
    ThumbnailPacket,
    TmHeader,
)
from framekeep_ground.shell import printable

from framekeep_sim.errors import UserError
from framekeep_sim.toml_reader import Table, closest, read

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # of the packets' time
THRESHOLD = 128  # of a class for which neither mission nor model names one
PICTURE_MAX = STORE_EXTENTS_MAX * STORE_CHUNK_MAX - 1024  # that the store takes where segments are large
SPARE = 3  # segments that the store keeps free of frames unless told otherwise
SEGMENTS_WORK = 5  # that the store keeps free to work in, and for what a picture's end leaves unused
WEIGHT_MAX = 257  # 255 x 257 = 65535, the greatest value


class PixelFormat(IntEnum):
    """As fk_pixel_format in fk/frame.h."""

    GRAY8 = 0
    RGB565LE = 1
    RGB565BE = 2
    YUYV = 3
    RGB888 = 4


class Fit(IntEnum):
    """How a picture of another shape fills the camera's frame."""

    LETTERBOX = 0  # whole picture, black bars
    CROP = 1  # whole frame, the picture's edges cut
    STRETCH = 2  # both whole, the shape changed


class JpegMode(IntEnum):
    """As jpeg_mode in fk/policy.h."""

    GREY = 0
    YUV420 = 1


class Layout(IntEnum):
    """As fk_store_profile in fk/store.h."""

    PACKED = 0  # frames share segments and are moved to win room: keeps most
    CHAIN = 1  # nothing is moved to win room: writes least


FILL = {Layout.PACKED: 232, Layout.CHAIN: 210}  # of the store's own choice, as in fk/store.h


def _words(names: type[IntEnum]) -> dict[str, Any]:
    return {member.name.lower(): member for member in names}


@dataclass(frozen=True, slots=True)
class Rect:
    """In pixels of the frame; for what the network sees, no width means all of it."""

    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Camera:
    """What the frame buffer holds, when frames are taken, and what of them is seen."""

    format: PixelFormat
    width: int
    height: int
    crop: Rect
    fit: Fit
    cadence: Fraction  # seconds
    start: datetime
    masks: tuple[Rect, ...] = ()
    tiles: tuple[int, int] = (1, 1)  # across and down: overlapping parts of what the network sees

    @property
    def frame_bytes(self) -> int:
        size = {PixelFormat.GRAY8: 1, PixelFormat.RGB888: 3}.get(self.format, 2)
        return self.width * self.height * size

    def time(self, after_start: Fraction) -> int:
        """CUC time of a moment of the run: seconds << 16 | fraction."""
        since = self.start - EPOCH
        seconds = Fraction(since.days * 86400 + since.seconds) + Fraction(since.microseconds, 10**6)
        return round((seconds + after_start) * 65536)


@dataclass(frozen=True, slots=True)
class Screen:
    """Levels 0..255 outside which a frame never reaches the network."""

    dark_below: int
    bright_above: int
    contrast_below: int


@dataclass(frozen=True, slots=True)
class WantedClass:
    """A class whose frames are kept, and what they are worth."""

    name: str
    threshold: int | None  # 0..255; None: what the model's author measured
    weight: int  # 0..257: a frame's value is score x weight
    output: int | None  # of the model, for a model that carries no labels


@dataclass(frozen=True, slots=True)
class Codec:
    """How a kept frame becomes a JPEG."""

    quality: int
    mode: JpegMode
    restart_interval: int
    max_bytes: int
    window: tuple[int, int] = (0, 0)  # pixels wide and high that are kept; 0: all


@dataclass(frozen=True, slots=True)
class Quota:
    """Bytes of pictures that a class may hold in flash."""

    floor: int = 0  # frames of other classes cannot push it below
    ceiling: int = 0  # it never holds more; 0: no bound


@dataclass(frozen=True, slots=True)
class Store:
    """The region of flash, and how the store uses it."""

    segment_size: int
    segment_count: int
    program_unit: int
    layout: Layout
    log_segments: int
    frames_max: int
    spare_segments: int = 0  # this and the next two: 0 = the store's own choice
    fill: int = 0  # in 1/256
    wear_spread: int = 0
    endurance: int = 100_000  # erases that the chip's maker promises; for the outlook only
    quotas: Mapping[str, Quota] = field(default_factory=dict)  # by the name of a wanted class

    @property
    def capacity(self) -> int:
        return self.segment_size * self.segment_count

    @property
    def room(self) -> int:
        """Bytes that pictures may take at most: what is neither the log's nor kept free to work in."""
        head = -(-STORE_RECORD_MIN // self.program_unit) * self.program_unit  # of a segment: its clean record
        busy = self.log_segments + SEGMENTS_WORK + max(0, self.spare_segments - SPARE)
        free = (self.segment_count - busy) * self.segment_size - self.segment_count * head
        return max(0, free) * (self.fill or FILL[self.layout]) // 256

    def takes(self, size: int) -> bool:
        """Whether a picture of so many bytes can be kept at all, as fk_store_append reckons."""
        grain = max(8, self.program_unit)
        while self.segment_size // grain > STORE_PLACES_MAX:
            grain *= 2

        def grains(count: int) -> int:
            return -(-count // grain)

        record, whole = grains(STORE_RECORD_MIN), grains(size + StoreMeta.sizeof())
        fresh = self.segment_size // grain - record
        chunk = min(grains(STORE_CHUNK_MAX), fresh - record)
        before = (whole - 1) // chunk
        whole += before * record + grains(STORE_RECORD_MIN + before * StoreExtent.sizeof())
        chunks = whole // chunk + 1 + (whole // fresh if fresh > chunk + record else 0)
        return whole * grain <= self.room and chunks <= STORE_EXTENTS_MAX


@dataclass(frozen=True, slots=True)
class Downlink:
    """Packets and passes of the link."""

    record_apid: int
    image_apid: int
    chunk_bytes: int
    pass_every: int  # frames; 0: only the last pass
    pass_bytes: int  # 0: all that waits
    last_pass_bytes: int  # 0: all that waits

    @property
    def packet_max(self) -> int:
        """Bytes of the largest packet, as fk_pipeline_packet_max: with less left a pass ends."""
        around = TmHeader.sizeof() + ChunkHeader.sizeof() + PacketTrailer.sizeof()
        return int(max(around + self.chunk_bytes, ThumbnailPacket.sizeof()))


# What a flash chip fixes, so that a mission names it once: segment size, program unit, segments, and the
# erases that its maker promises.
# The names are those of the emulator (onboard/boards/host/flash_emulator.h).
CHIPS = {
    "nor": (4096, 1, 1024, 100_000),  # W25Q32 and its like: 4 MiB in 4 KiB sectors, any byte
    "nor-page": (4096, 256, 1024, 100_000),  # the same, each page programmed once
    "l4": (2048, 8, 128, 10_000),  # STM32L4, programmed by ECC double word
    "u5": (8192, 16, 128, 10_000),  # STM32U5, by quad word
    "h7": (131072, 32, 16, 10_000),  # STM32H7, by flash word
}


@dataclass(frozen=True, slots=True)
class Mission:
    """All that a mission says, checked."""

    path: Path
    name: str
    description: str
    camera: Camera
    model: Path
    screen: Screen
    classes: tuple[WantedClass, ...]
    codec: Codec
    store: Store
    audit_every: int  # of so many frames one leaves a thumbnail; 0: none
    downlink: Downlink
    class_lines: tuple[int, ...]  # where each class stands in the file, for errors that come late

    def outputs(self, labels: Sequence[str]) -> tuple[int, ...]:
        """The model's output of each wanted class, by label where the model has labels."""
        return tuple(
            self._output(wanted, line, labels)
            for wanted, line in zip(self.classes, self.class_lines, strict=True)
        )

    def _output(self, wanted: WantedClass, line: int, labels: Sequence[str]) -> int:
        here = f"{self.path}:{line}: trigger.classes.{wanted.name}"
        if labels and wanted.name in labels:
            return list(labels).index(wanted.name)
        if labels and wanted.output is None:
            raise UserError(f"{here} is no class of the model; {closest(wanted.name, labels)}")
        if wanted.output is None:
            raise UserError(f"{here}: the model carries no labels; add output = N, the number of its output")
        return wanted.output

    def check_outputs(self, labels: Sequence[str], count: int) -> None:
        """Refuse a class that a model of `count` classes does not have, and one that is there twice."""
        first: dict[int, str] = {}
        for wanted, line, output in zip(self.classes, self.class_lines, self.outputs(labels), strict=True):
            if first.setdefault(output, wanted.name) != wanted.name:
                here = f"{self.path}:{line}: trigger.classes.{wanted.name}"
                raise UserError(f"{here} is output {output} of the model, as {first[output]}; one is enough")
            if output >= count:
                here = f"{self.path}:{line}: trigger.classes.{wanted.name}.output = {output}"
                raise UserError(f"{here}; the model's outputs are 0..{count - 1}")

    def thresholds(self, of_outputs: Sequence[int] = ()) -> tuple[int, ...]:
        """Least score of each wanted class; `of_outputs` are the model's own, by wanted class."""
        own = of_outputs or [THRESHOLD] * len(self.classes)
        return tuple(
            given if wanted.threshold is None else wanted.threshold
            for wanted, given in zip(self.classes, own, strict=True)
        )

    def policy(self, labels: Sequence[str] = (), own_thresholds: Sequence[int] = ()) -> bytes:
        """What flies: see fk/policy.h. Labels and thresholds are those of the model."""
        camera, screen, codec, downlink = self.camera, self.screen, self.codec, self.downlink
        columns = zip(self.outputs(labels), self.thresholds(own_thresholds), self.classes, strict=True)
        rows = [
            {"index": output, "threshold": threshold, "weight": wanted.weight}
            | asdict(self.store.quotas.get(wanted.name, Quota()))
            for output, threshold, wanted in columns
        ]
        empty = {"index": 0, "threshold": 0, "weight": 0} | asdict(Quota())
        rows += [empty] * (POLICY_CLASSES_MAX - len(rows))
        fields = {
            "magic": POLICY_MAGIC,
            "version": POLICY_VERSION,
            "size": Policy.sizeof(),
            "width": camera.width,
            "height": camera.height,
            "crop": asdict(camera.crop),
            "tiles_across": camera.tiles[0],
            "tiles_down": camera.tiles[1],
            "pixel_format": int(camera.format),
            "dark_below": screen.dark_below,
            "bright_above": screen.bright_above,
            "contrast_below": screen.contrast_below,
            "class_count": len(self.classes),
            "classes": rows,
            "audit_every": self.audit_every,
            "mask_count": len(camera.masks),
            "masks": [asdict(m) for m in (*camera.masks, *[Rect()] * (POLICY_MASKS_MAX - len(camera.masks)))],
            "jpeg_quality": codec.quality,
            "jpeg_mode": int(codec.mode),
            "restart_interval": codec.restart_interval,
            "picture_bytes_max": codec.max_bytes,
            "window_width": codec.window[0],
            "window_height": codec.window[1],
            "record_apid": downlink.record_apid,
            "image_apid": downlink.image_apid,
            "chunk_bytes": downlink.chunk_bytes,
            "crc16": 0,
        }
        body = bytes(Policy.build(fields))[:-2]
        return body + crc_hqx(body, CRC16_INIT).to_bytes(2, "big")


def _start(table: Table) -> datetime:
    value = table.raw("start", datetime(2026, 1, 1, tzinfo=UTC))
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise table.fail("start", f" = {value}; write a time in UTC as 2026-06-01T10:30:00Z, without quotes")
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if not EPOCH <= aware < datetime(2100, 1, 1, tzinfo=UTC):
        raise table.fail("start", f" = {value.isoformat()}; allowed are the years 2000..2099")
    return aware.astimezone(UTC)


def _rect(table: Table, name: str, value: Any, width: int, height: int) -> Rect:
    if not (isinstance(value, list) and len(value) == 4 and all(type(v) is int for v in value)):
        raise table.fail(name, f" = {value}; write [x, y, width, height] in pixels")
    rect = Rect(*value)
    inside = rect.x >= 0 and rect.x + rect.width <= width and rect.y >= 0 and rect.y + rect.height <= height
    if not inside or rect.width < 1 or rect.height < 1:
        raise table.fail(name, f" = {value} is not inside the frame of {width} x {height}")
    return rect


def _crop(table: Table, width: int, height: int) -> Rect:
    value = table.raw("crop", [])
    return Rect() if value == [] else _rect(table, "crop", value, width, height)


def _tiles(table: Table, crop: Rect, width: int, height: int) -> tuple[int, int]:
    value = table.raw("tiles", [1, 1])
    sizes = (crop.width or width, crop.height or height)
    if not (isinstance(value, list) and len(value) == 2 and all(type(v) is int for v in value)):
        raise table.fail("tiles", f" = {value}; write [across, down]")
    if not all(1 <= v <= POLICY_TILES_MAX for v in value):
        raise table.fail("tiles", f" = {value}; allowed are 1..{POLICY_TILES_MAX} across and down")
    if any(4 * size < 3 * count + 1 for size, count in zip(sizes, value, strict=True)):
        raise table.fail("tiles", f" = {value} leaves no pixel in a tile of {sizes[0]} x {sizes[1]}")
    return value[0], value[1]


def _masks(table: Table, pixel_format: PixelFormat, width: int, height: int) -> tuple[Rect, ...]:
    values = table.raw("masks", [])
    if not isinstance(values, list) or len(values) > POLICY_MASKS_MAX:
        problem = f" takes a list of at most {POLICY_MASKS_MAX} masks, each [x, y, width, height] in pixels"
        raise table.fail("masks", problem)
    masks = [_rect(table, "masks", value, width, height) for value in values]
    if pixel_format is PixelFormat.YUYV:  # two pixels share their colour: hide both
        ends = [m.x + m.width + (m.x + m.width) % 2 for m in masks]
        masks = [
            Rect(m.x - m.x % 2, m.y, end - (m.x - m.x % 2), m.height)
            for m, end in zip(masks, ends, strict=True)
        ]
    table.done()
    return tuple(masks)


def _model_file(table: Table) -> str:
    name = table.text("file")
    if not name or "\0" in name:
        raise table.fail("file", f' = "{printable(name)}"; name a .fkm or .tflite')
    return name


def _camera(table: Table, privacy: Table) -> Camera:
    pixel_format = table.choice("format", _words(PixelFormat))
    width = table.integer("width", 16, 4096, unit="pixels")
    height = table.integer("height", 16, 4096, unit="pixels")
    if pixel_format is PixelFormat.YUYV and width % 2:
        raise table.fail("width", f" = {width}; YUYV has two pixels in four bytes: make it even")
    crop = _crop(table, width, height)
    camera = Camera(
        format=pixel_format,
        width=width,
        height=height,
        crop=crop,
        tiles=_tiles(table, crop, width, height),
        fit=table.choice("fit", _words(Fit), "crop"),
        cadence=Fraction(str(table.number("cadence_s", 0.001, 86400, 1, "seconds"))),
        start=_start(table),
        masks=_masks(privacy, pixel_format, width, height),
    )
    table.done()
    return camera


def _screen(table: Table) -> Screen:
    screen = Screen(
        dark_below=table.integer("dark_below", 0, 255, 12),
        bright_above=table.integer("bright_above", 0, 255, 245),
        contrast_below=table.integer("contrast_below", 0, 255, 8),
    )
    if screen.dark_below > screen.bright_above:
        raise table.fail("dark_below", " is above bright_above: no frame could pass")
    table.done()
    return screen


def _threshold(table: Table, default: int | None) -> int | None:
    return round(table.number("threshold", 0, 1) * 255) if table.has("threshold") else default


def _trigger(table: Table) -> tuple[tuple[WantedClass, ...], tuple[int, ...]]:
    threshold = _threshold(table, None)
    wanted, lines = [], []
    chosen = table.table("classes", required=True)
    for name, row in chosen.tables():
        output = row.integer("output", 0, 255, 0) if row.has("output") else None
        one = WantedClass(
            name=name,
            threshold=_threshold(row, threshold),
            weight=round(row.number("weight", 0, 1, 1) * WEIGHT_MAX),
            output=output,
        )
        row.asked += ["output", "threshold"]
        row.done()
        wanted.append(one)
        lines.append(row.lines.get(row.key, 1))
    if not 1 <= len(wanted) <= POLICY_CLASSES_MAX:
        raise chosen.fail("", f" names {len(wanted)} classes; allowed are 1..{POLICY_CLASSES_MAX}")
    table.asked.append("threshold")
    table.done()
    return tuple(wanted), tuple(lines)


def _window(table: Table, camera: Camera) -> tuple[int, int]:
    value = table.raw("window", [0, 0])
    if not (isinstance(value, list) and len(value) == 2 and all(type(v) is int for v in value)):
        raise table.fail("window", f" = {value}; write [width, height] in pixels")
    width, height = value
    if value == [0, 0]:
        return 0, 0
    if not (1 <= width <= camera.width and 1 <= height <= camera.height):
        problem = f" = {value} is not inside the frame of {camera.width} x {camera.height}"
        raise table.fail("window", problem)
    if camera.format is PixelFormat.YUYV and width % 2:
        raise table.fail("window", f" = {value}; yuyv wants an even width")
    return width, height


def _codec(table: Table, camera: Camera) -> Codec:
    codec = Codec(
        quality=table.integer("quality", 1, 100, 60),
        mode=table.choice("mode", _words(JpegMode), "yuv420"),
        restart_interval=table.integer("restart_interval", 0, 65535, 10, "MCUs"),
        max_bytes=table.integer("max_bytes", 1024, PICTURE_MAX, 16384, "bytes"),
        window=_window(table, camera),
    )
    table.done()
    return codec


def _quotas(table: Table, codec: Codec, known: Sequence[str], room: int) -> dict[str, Quota]:
    quotas = {}
    for name, row in table.tables():
        if name not in known:
            raise row.fail("", f" is none of trigger.classes; {closest(name, known)}")
        quota = Quota(
            floor=row.integer("floor", 0, room, 0, "bytes, what pictures can take of this flash"),
            ceiling=row.integer("ceiling", 0, (1 << 32) - 1, 0, "bytes"),
        )
        row.done()
        if quota.ceiling and quota.floor > quota.ceiling:
            raise row.fail("floor", f" = {quota.floor} is above ceiling = {quota.ceiling}")
        if 0 < quota.ceiling < codec.max_bytes:
            raise row.fail("ceiling", f" = {quota.ceiling}; not even a picture of codec.max_bytes would fit")
        quotas[name] = quota
    promised = sum(quota.floor for quota in quotas.values())
    if promised > room:
        raise table.fail("", f" promise {promised} bytes; pictures can take {room} of this flash")
    return quotas


def _store(table: Table, codec: Codec, classes: Sequence[str]) -> Store:
    size, unit, count, endurance = table.choice("chip", CHIPS, "nor-page")
    store = Store(
        segment_size=table.integer("segment_size", 1024, 1 << 20, size, "bytes"),
        segment_count=table.integer("segment_count", 8, 32767, count),
        program_unit=table.one_of("program_unit", (1, 8, 16, 32, 256), unit),
        layout=table.choice("layout", _words(Layout), "packed"),
        log_segments=table.integer("log_segments", 2, 32, 4),
        frames_max=table.integer("frames_max", 1, 65535, 512),
        spare_segments=table.integer("spare_segments", 2, 31) if table.has("spare_segments") else 0,
        fill=round(table.number("fill", 0.25, 0.99) * 256) if table.has("fill") else 0,
        wear_spread=table.integer("wear_spread", 1, 65535) if table.has("wear_spread") else 0,
        endurance=table.integer("endurance", 1, 10**7, endurance, "erases"),
    )
    if store.segment_size & (store.segment_size - 1):
        raise table.fail("segment_size", f" = {store.segment_size}; a power of two is wanted")
    if store.segment_size < 8 * store.program_unit:
        problem = f" = {store.segment_size}; at least 8 program units of {store.program_unit} are wanted"
        raise table.fail("segment_size", problem)
    needed = -(-codec.max_bytes // store.segment_size) + store.log_segments + SEGMENTS_WORK
    needed += max(0, store.spare_segments - SPARE)
    if store.segment_count < needed:
        problem = f" = {store.segment_count}; at least {needed} hold a picture of codec.max_bytes"
        raise table.fail("segment_count", f"{problem} beside {store.log_segments} of the log")
    if not store.takes(codec.max_bytes):
        most = next((n for n in range(codec.max_bytes, 1023, -256) if store.takes(n)), 0)
        problem = f" = {store.segment_size}: in {store.segment_count} of these a picture of codec.max_bytes"
        hint = f"make it {most} or less" if most else "more or larger segments are wanted"
        raise table.fail("segment_size", f"{problem} = {codec.max_bytes} cannot be kept; {hint}")
    if store.capacity > 1 << 28:
        raise table.fail("segment_count", f" makes {store.capacity >> 20} MiB; allowed are 256 MiB")
    quotas = _quotas(table.table("quotas"), codec, classes, store.room)
    table.asked += ["spare_segments", "fill", "wear_spread"]
    table.done()
    return replace(store, quotas=quotas)


def _audit(table: Table) -> int:
    every = table.integer("every", 0, 65535, 0, "frames")
    table.done()
    return every


def _downlink(table: Table) -> Downlink:
    downlink = Downlink(
        record_apid=table.integer("record_apid", 0, 2046, 100),
        image_apid=table.integer("image_apid", 0, 2046, 101),
        chunk_bytes=table.integer("chunk_bytes", 16, 4096, 200, "bytes"),
        pass_every=table.integer("pass_every", 0, 1 << 30, 0, "frames"),
        pass_bytes=table.integer("pass_bytes", 0, (1 << 32) - 1, 0, "bytes"),
        last_pass_bytes=table.integer("last_pass_bytes", 0, (1 << 32) - 1, 0, "bytes"),
    )
    if downlink.record_apid == downlink.image_apid:
        raise table.fail("image_apid", " equals record_apid; records and pictures need one each")
    if downlink.pass_bytes and not downlink.pass_every:
        raise table.fail("pass_bytes", " has no effect without pass_every; add pass_every = N frames")
    for name in ("pass_bytes", "last_pass_bytes"):
        if 0 < (budget := getattr(downlink, name)) < downlink.packet_max:
            problem = f" = {budget}; a pass needs {downlink.packet_max} for its largest packet"
            raise table.fail(name, f"{problem}, 0 takes all that waits")
    table.done()
    return downlink


def load(path: Path) -> Mission:
    """Read and check a mission; UserError names the line that is wrong."""
    top = read(path)
    name = top.text("name", path.stem)
    description = top.text("description", "")
    camera = _camera(top.table("camera", required=True), top.table("privacy"))
    model = top.table("model", required=True)
    model_file = path.parent / _model_file(model)
    model.done()
    classes, lines = _trigger(top.table("trigger", required=True))
    codec = _codec(top.table("codec"), camera)
    mission = Mission(
        path=path,
        name=name,
        description=description,
        camera=camera,
        model=model_file,
        screen=_screen(top.table("screen")),
        classes=classes,
        codec=codec,
        store=_store(top.table("store"), codec, [one.name for one in classes]),
        audit_every=_audit(top.table("audit")),
        downlink=_downlink(top.table("downlink")),
        class_lines=lines,
    )
    top.done()
    return mission
