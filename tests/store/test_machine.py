"""Any order of calls, resets, cuts, flipped bits and clock jumps, drawn by Hypothesis: store = dictionary."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from framekeep_onboard import FkError
from framekeep_onboard.store import ANY_BYTE, FlashEmulator, FrameMeta, Profile, Store, Tear
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.store.model import Model
from tests.store.pictures import picture

CHIPS = {"tiny": 12 << 10, "tiny-ecc": 16 << 10, "tiny-mixed": 0, "l4": 16 << 10, "nor-page": 32 << 10}
ECC = ("tiny-ecc", "l4")


class StoreMachine(RuleBasedStateMachine):
    """One store from its first mount on."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.ring: list[bytes] = []  # acknowledged and not sent
        self.maybe: bytes | None = None  # a ring record in flight when power went
        self.sure_sent: set[int] = set()
        self.top = self.records = 0

    @initialize(
        chip=st.sampled_from(sorted(CHIPS)), profile=st.sampled_from(list(Profile)), seed=st.integers(1, 99),
        trusting=st.booleans(), slots=st.sampled_from((3, 24)),
    )  # fmt: skip
    def mount_first(self, chip: str, profile: Profile, seed: int, trusting: bool, slots: int) -> None:
        self.chip = chip
        self.flash = FlashEmulator(chip, CHIPS[chip], seed=seed)
        self.store = Store(
            self.flash, slots=slots, profile=profile, log_segments=2, wear_spread=4, trust_writes=trusting
        )

    # ---- calls

    @rule(size=st.integers(1, 900), value=st.integers(0, 15), time=st.integers(0, (1 << 48) - 1))
    def append(self, size: int, value: int, time: int) -> None:
        """The clock of the frame jumps as it likes; ids go up."""
        self.top = max(self.top + 1, self.store.next_id)
        meta, data = FrameMeta(self.top, value, time=time), picture(self.top, size)
        self.model.forgotten[self.top] = meta, data  # until it is acknowledged
        done = self.attempt(lambda: self.model.offer(self.store, meta, data), evicts_for=meta)
        if done and self.top in self.model.frames:
            del self.model.forgotten[self.top]

    @precondition(lambda self: self.model.frames)
    @rule(pick=st.integers(0, 1 << 16))
    def delete(self, pick: int) -> None:
        victim = sorted(self.model.frames)[pick % len(self.model.frames)]
        before = self.store.stats()["evicted"]
        if self.attempt(lambda: self.store.delete(victim), deletes=victim):
            del self.model.frames[victim]
            self.model.deleted.add(victim)
            self.forget_least(self.store.stats()["evicted"] - before)

    @precondition(lambda self: self.model.frames)
    @rule(pick=st.integers(0, 1 << 16))
    def mark_sent(self, pick: int) -> None:
        victim = sorted(self.model.frames)[pick % len(self.model.frames)]
        if self.attempt(lambda: self.store.mark_sent(victim)):
            self.refresh()
            assert self.model.frames[victim][0].sent

    @rule()
    def sync(self) -> None:
        try:
            done = self.attempt(self.store.sync)
        except FkError as error:
            assert "NOSPC" in str(error)  # they wait
            return
        if done:
            self.sure_sent = {i for i, (meta, _) in self.model.frames.items() if meta.sent}

    @rule(times=st.integers(1, 4))
    def idle(self, times: int) -> None:
        for _ in range(times):
            if not self.attempt(self.store.idle):
                return

    @rule(size=st.integers(5, 60))
    def log(self, size: int) -> None:
        self.records += 1
        record = self.records.to_bytes(4, "big") + bytes([self.records % 256]) * (size - 4)
        before = self.store.stats()["evicted"]
        if self.attempt(lambda: self.store.log_append(record), records=record):
            self.ring.append(record)
            self.forget_least(self.store.stats()["evicted"] - before)

    @rule(sent=st.booleans())
    def log_drain(self, sent: bool) -> None:
        self.check_ring()
        if sent:
            while self.store.log_next() is not None:
                pass
            self.store.log_sent()
            self.ring.clear()

    @rule()
    def best(self) -> None:
        waiting = [(-m.value, i) for i, (m, _) in self.model.frames.items() if not m.sent]
        best = self.store.best()
        assert (best.frame_id if best else None) == (min(waiting)[1] if waiting else None)

    @precondition(lambda self: self.model.frames)
    @rule(pick=st.integers(0, 1 << 16), offset=st.integers(0, 900), n=st.integers(0, 900))
    def read_piece(self, pick: int, offset: int, n: int) -> None:
        frame_id = sorted(self.model.frames)[pick % len(self.model.frames)]
        data = self.model.frames[frame_id][1]
        offset %= len(data) + 1
        assert self.store.read(frame_id, offset, n) == data[offset : offset + n]

    # ---- what befalls it

    @rule()
    def reset(self) -> None:
        self.after_reset()

    @rule(
        operations=st.integers(0, 12),
        tear=st.sampled_from(list(Tear)),
        byte=st.sampled_from((0, 1, 7, 40, ANY_BYTE)),
    )
    def cut_ahead(self, operations: int, tear: Tear, byte: int) -> None:
        self.flash.cut(operations, tear, byte)

    @rule(address=st.integers(0, 1 << 24), bit=st.integers(0, 7))
    def flip(self, address: int, bit: int) -> None:
        """While power is off. ECC corrects it; elsewhere it costs only frames with a part in that segment."""
        address %= self.flash.size
        segment = next(i for i in range(self.flash.segment_count) if address < sum(self.flash.segment(i)))
        c: Any = self.flash._c
        c.watch = segment
        hit = set()
        for frame_id in self.model.frames:
            before = int(c.watched)
            self.store.read(frame_id)
            if int(c.watched) > before:
                hit.add(frame_id)
        self.flash.flip(address, bit)
        self.store.remount()
        found = {m.frame_id for m in self.store.frames()}
        lost = {i for i in self.model.frames if i not in found}
        assert lost <= (set() if self.chip in ECC else hit)
        for i in lost:
            self.model.forgotten[i] = self.model.frames.pop(i)
        back = found & self.model.deleted
        assert not back or self.chip not in ECC
        for meta in list(self.store.frames()):
            if meta.frame_id in back:  # its mark was hit: it is back, as it was
                assert self.store.read(meta.frame_id) == picture(meta.frame_id, meta.size)
                self.store.delete(meta.frame_id)
        self.flash.flip(address, bit)  # and back: rot that stays is tried in test_rot.py
        self.sure_sent.clear()
        self.after_reset()

    # ---- the dictionary

    def attempt(
        self, call: Callable[[], object], *, evicts_for: FrameMeta | None = None, deletes: int | None = None,
        records: bytes | None = None,
    ) -> bool:  # fmt: skip
        """True when the call ended; otherwise power went, and what must be there is."""
        try:
            call()
        except (FkError, AssertionError):
            if self.flash.powered:
                raise
        if self.flash.powered:
            return True
        self.flash.power_on()
        self.store.remount()
        found = {m.frame_id for m in self.store.frames()}
        for i in [i for i in self.model.frames if i not in found]:
            meta, _ = entry = self.model.frames.pop(i)
            if i == deletes:
                pass
            elif evicts_for is not None:
                assert self.rank(meta) < self.rank(evicts_for), "a better frame went"
            else:
                assert deletes is not None or records is not None, "a call that takes nothing took a frame"
            self.model.forgotten[i] = entry
        self.maybe = records
        self.after_reset(mounted=True)
        return False

    def after_reset(self, *, mounted: bool = False) -> None:
        if not mounted:
            self.store.remount()
        self.model.check_after_reset(self.store)
        self.refresh()
        for i in self.sure_sent & set(self.model.frames):
            assert self.model.frames[i][0].sent, "a synced mark is lost"
        self.sure_sent &= set(self.model.frames)
        self.check_ring()

    def refresh(self) -> None:
        """Which frames are sent is the store's to say, as far as marks were not synced."""
        for meta in self.store.frames():
            self.model.frames[meta.frame_id] = meta, self.model.frames[meta.frame_id][1]

    def forget_least(self, count: int) -> None:
        kept = {m.frame_id for m in self.store.frames()}
        gone = [i for i in self.model.frames if i not in kept]
        assert len(gone) == count
        assert set(gone) == set(sorted(self.model.frames, key=self.model.key)[:count])
        for i in gone:
            self.model.forgotten[i] = self.model.frames.pop(i)

    def check_ring(self) -> None:
        """The newest records, in order, without a gap. Older ones may be gone, a segment at a time; and of
        those that had gone some may be back: their segment lives until it is erased, as evicted frames do."""
        self.store.log_rewind()
        got = []
        while (record := self.store.log_next()) is not None:
            got.append(record)
        self.store.log_rewind()
        numbers = [int.from_bytes(record[:4], "big") for record in got]
        assert all(
            record[4:] == bytes([n % 256]) * (len(record) - 4) for n, record in zip(numbers, got, strict=True)
        )
        assert numbers == sorted(set(numbers))
        if self.maybe is not None and got and got[-1] == self.maybe:
            self.ring.append(self.maybe)
        self.maybe = None
        kept = [record for record in got if record in self.ring]
        back = [record for record in got if record not in self.ring]
        assert kept == self.ring[len(self.ring) - len(kept) :]
        assert kept or not self.ring
        assert not self.ring or all(record[:4] < self.ring[0][:4] for record in back)
        self.ring = kept

    @staticmethod
    def rank(meta: FrameMeta) -> tuple[bool, int, int]:
        return (not meta.sent, meta.value, meta.frame_id)

    @invariant()
    def nothing_is_refused_and_no_id_is_free_twice(self) -> None:
        if hasattr(self, "flash"):
            assert self.flash.counters()["refused"] == 0
            assert self.store.next_id > max(self.model.frames, default=0)
            assert self.store.stats()["frames"] == len(self.model.frames)


TestStoreMachine = StoreMachine.TestCase
if os.environ.get("HYPOTHESIS_PROFILE", "gate") == "gate":
    TestStoreMachine.settings = settings(max_examples=60, stateful_step_count=60)
