"""The flight pipeline on the host: frames in, decisions, flash and packets out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from framekeep_onboard._errors import FkError, check
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.events import Command, Frame, Pass
from framekeep_onboard.targets import FlashSetup


def _reasons() -> dict[str, int]:
    return {ffi.string(lib.fk_reason_name(code)).decode(): code for code in range(lib.FK_REASON_COUNT)}


Reason = IntEnum("Reason", _reasons())  # type: ignore[misc]  # made from the C list


@dataclass(frozen=True, slots=True)
class Decision:
    """Why a frame was kept or not; the fields are those of `fk_decision`."""

    frame_id: int
    time: int  # CUC: seconds << 16 | fraction since 2000-01-01T00:00:00 UTC
    reason: IntEnum  # a Reason
    class_index: int
    score: int  # 0..255
    value: int  # 0..65535
    size: int  # bytes of the encoded picture, 0 if it was not encoded
    mean: int
    contrast: int
    error: int
    box: tuple[int, int, int, int]  # x, y, width, height in 1/65535 of the frame
    record: bytes  # as flash and packets hold it


def reason_text(reason: int) -> str:
    """What the flight code says of a reason, in a few words."""
    return str(ffi.string(lib.fk_reason_text(reason)).decode())


def decisions_of(records: bytes) -> list[Decision]:
    """Decision records, one after another as a target writes them, read by the flight code."""
    size = lib.FK_DECISION_RECORD_SIZE
    out = ffi.new("fk_decision *")
    decisions = []
    for at in range(0, len(records), size):
        lib.fk_decision_unpack(out, records[at : at + size])
        decisions.append(_decision(out))
    return decisions


@dataclass(frozen=True, slots=True)
class Counters:
    """What a board keeps over a reset so that the ground sees no false gap: fk_downlink_counters."""

    sequence: tuple[int, ...] = (0, 0)  # next count of the records' and of the images' APID
    message: tuple[int, ...] = (0, 0, 0, 0, 0)  # next count of subtypes 1 to 5


class Pipeline:
    """One camera in flight: `fk_pipeline` with its memory, over an emulated flash.

    Feed it `Frame` events in order; pull packets while the link is up. Everything
    it does is the flight code's doing, so a target given the same events ends
    with the same flash and the same packets.
    """

    def __init__(
        self,
        policy: bytes,
        model: bytes,
        setup: FlashSetup,
        *,
        flash: bytes | None = None,
        resume: Counters | None = None,
    ) -> None:
        """Mount what `flash` holds (None: an erased chip); FkError says which part was refused.

        policy: a compiled mission. model: a .fkm. setup: the flash and how the store uses it.
        resume: the counters of before a reset.
        """
        self._model = _aligned(model)
        self._policy = ffi.from_buffer(policy)
        self._chip = _chip(setup, flash)
        self._store = _store_config(setup, self._chip)
        loaded, camera = ffi.new("fk_model *"), ffi.new("fk_policy *")
        check(lib.fk_model_load(loaded, self._model.pointer, len(model)), "model")
        check(lib.fk_policy_parse(camera, self._policy, len(policy)), "policy")
        self._camera = camera
        self._work = _aligned(bytes(lib.fk_pipeline_work_size(loaded, camera)))
        self._config = ffi.new("fk_pipeline_config *")
        self._config.store = self._store.config
        self._config.model, self._config.model_size = self._model.pointer, len(model)
        self._config.policy, self._config.policy_size = self._policy, len(policy)
        self._config.work, self._config.work_size = self._work.pointer, self._work.size
        if resume is not None:
            self._resume = ffi.new("fk_downlink_counters *", [resume.sequence, resume.message])
            self._config.resume = self._resume
        self._pipeline = ffi.new("fk_pipeline *")
        check(lib.fk_pipeline_init(self._pipeline, self._config), "pipeline")
        self._packet = ffi.new("uint8_t[]", lib.fk_pipeline_packet_max(self._pipeline))

    def frame(self, event: Frame) -> Decision:
        """Judge one frame and keep it if it is worth it."""
        view = ffi.new("fk_frame *")
        # masks are made in the frame buffer: the caller's bytes stay what they are
        data = ffi.from_buffer(bytearray(event.data) if self._camera.mask_count else event.data)
        camera = self._camera
        view.data, view.size = data, len(event.data)
        view.width, view.height, view.format = camera.width, camera.height, camera.pixel_format
        view.stride = camera.width * lib.fk_pixel_bytes(camera.pixel_format)
        out = ffi.new("fk_decision *")
        check(lib.fk_pipeline_frame(self._pipeline, out, view, event.time), "decision log")
        return _decision(out)

    def downlink(self, event: Pass) -> Iterator[bytes]:
        """The packets of one pass, until its budget is used or nothing waits.

        FkError where the frame under way can no longer be read: it is given up, another call goes on.
        """
        left = event.budget
        while event.budget == 0 or left >= len(self._packet):
            size = lib.fk_pipeline_downlink(self._pipeline, self._packet, len(self._packet))
            if size == 0:
                return
            if size < 0:
                raise FkError(size, "downlink")
            left -= size
            yield bytes(ffi.buffer(self._packet, size))

    def command(self, event: Command) -> int:
        """Carry out a telecommand: 0, or the error code that says why it was refused."""
        return int(lib.fk_pipeline_command(self._pipeline, event.packet, len(event.packet)))

    def counters(self) -> Counters:
        """What to `resume` with after a reset."""
        now = self._pipeline.downlink.counters
        return Counters(tuple(now.sequence), tuple(now.message))

    def idle(self) -> bool:
        """Work on flash that the next picture would otherwise do; whether there is more."""
        return check(lib.fk_pipeline_idle(self._pipeline), "idle") > 0

    def sync(self) -> None:
        """Write to flash what waits in RAM, as before a planned switch-off."""
        check(lib.fk_pipeline_sync(self._pipeline), "decision log")

    def flash(self) -> bytes:
        """A copy of the whole flash region."""
        return bytes(ffi.buffer(self._chip.cells, self._chip.size))

    def frame_ids(self) -> list[int]:
        """The frames that the store holds, in the order taken."""
        store, meta = ffi.addressof(self._pipeline.store), ffi.new("fk_frame_meta *")
        found: list[int] = []
        while check(lib.fk_store_list(store, found[-1] if found else 0, meta), "store"):
            found.append(int(meta.frame_id))
        return found

    def report(self) -> dict[str, int]:
        """The store's counters, named as in `fk_store_report`."""
        report = ffi.new("fk_store_report *")
        lib.fk_store_stats(ffi.addressof(self._pipeline.store), report)
        return {name: int(getattr(report, name)) for name, _ in ffi.typeof(report).item.fields}


def _chip(setup: FlashSetup, image: bytes | None) -> Any:
    """An emulated flash that closes itself when nobody holds it any more."""
    geometry = ffi.new("fk_flash_geometry *")
    geometry.banks[0].segment_size = setup.segment_size
    geometry.banks[0].segment_count = setup.segment_count
    geometry.bank_count = 1
    geometry.program_unit = setup.program_unit
    geometry.page = max(setup.program_unit, 256)
    chip = ffi.gc(ffi.new("fk_flash_emulator *"), lib.fk_flash_emulator_close)
    check(lib.fk_flash_emulator_open(chip, geometry, 1), "flash geometry")
    if image is not None:
        check(lib.fk_flash_emulator_load(chip, image, len(image)), "flash image")
    return chip


@dataclass(frozen=True, slots=True)
class _StoreConfig:
    """The store's settings with the memory that they point to."""

    config: Any
    segments: Any
    slots: Any


def _store_config(setup: FlashSetup, chip: Any) -> _StoreConfig:
    config = ffi.new("fk_store_config *")
    segments = ffi.new("fk_store_segment[]", setup.segment_count)
    slots = ffi.new("fk_store_slot[]", setup.slot_count)
    config.flash = ffi.addressof(chip.flash)
    config.segments, config.slots = segments, slots
    for name in ("slot_count", "profile", "log_segments", "spare_segments", "fill", "wear_spread"):
        setattr(config, name, getattr(setup, name))
    return _StoreConfig(config, segments, slots)


@dataclass(frozen=True, slots=True)
class _Aligned:
    """Bytes at an address that the flight code accepts, kept alive with their owner."""

    owner: Any
    pointer: Any
    size: int


def _aligned(data: bytes) -> _Aligned:
    step = lib.FK_PIPELINE_ALIGN
    owner = ffi.new("uint8_t[]", len(data) + step)
    address = int(ffi.cast("uintptr_t", owner))
    pointer = owner + (-address % step)
    ffi.memmove(pointer, data, len(data))
    return _Aligned(owner, pointer, len(data))


def _decision(d: Any) -> Decision:
    record = ffi.new("uint8_t[]", lib.FK_DECISION_RECORD_SIZE)
    lib.fk_decision_pack(record, d)
    return Decision(
        frame_id=d.frame_id,
        time=d.time,
        reason=Reason(d.reason),
        class_index=d.class_index,
        score=d.score,
        value=d.value,
        size=d.size,
        mean=d.mean,
        contrast=d.contrast,
        error=d.error,
        box=(d.box.x, d.box.y, d.box.width, d.box.height),
        record=bytes(ffi.buffer(record)),
    )
