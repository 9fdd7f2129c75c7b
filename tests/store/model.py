"""What a store must do, as a dictionary: the truth that the flight code is held against."""

from __future__ import annotations

from dataclasses import dataclass, field

from framekeep_onboard.store import FrameMeta, Store


@dataclass
class Model:
    """Frames that were acknowledged and not yet given up by a call that started."""

    frames: dict[int, tuple[FrameMeta, bytes]] = field(default_factory=dict)
    forgotten: dict[int, tuple[FrameMeta, bytes]] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)

    def key(self, frame_id: int) -> tuple[bool, int, int]:
        """The least goes first: sent ones, then the least valuable, then the oldest."""
        meta = self.frames[frame_id][0]
        return (not meta.sent, meta.value, frame_id)

    def offer(self, store: Store, meta: FrameMeta, data: bytes) -> bool:
        """Offer a frame to both; check that only lesser frames went for it."""
        evicted = store.offer(meta, data)
        new_key = (True, meta.value, meta.frame_id)
        kept = {m.frame_id for m in store.frames()}
        gone = set(self.frames) - kept
        staying = [self.key(i) for i in self.frames if i in kept]
        for i in gone:
            assert self.key(i) < new_key, "a frame of higher value went for a lower one"
            assert not staying or self.key(i) < min(staying), "a lower evictable frame remained"
            self.forgotten[i] = self.frames.pop(i)
        if evicted is None:
            assert all(self.key(i) > new_key for i in self.frames), "refused, yet a lesser frame stays"
            return False
        assert evicted == len(gone)
        self.frames[meta.frame_id] = (meta, data)
        return True

    def delete(self, store: Store, frame_id: int) -> None:
        evicted = store.stats()["evicted"]
        store.delete(frame_id)
        assert store.stats()["evicted"] == evicted, "a deletion cost another frame"
        del self.frames[frame_id]
        self.deleted.add(frame_id)

    def log(self, store: Store, record: bytes) -> None:
        """A ring record; where cuts within moves have left nothing to move to, the least frames go for it."""
        evicted = store.stats()["evicted"]
        store.log_append(record)
        kept = {m.frame_id for m in store.frames()}
        gone = sorted(set(self.frames) - kept, key=self.key)
        assert store.stats()["evicted"] - evicted == len(gone)
        assert gone == sorted(self.frames, key=self.key)[: len(gone)], "a lower evictable frame remained"
        for i in gone:
            self.forgotten[i] = self.frames.pop(i)

    def check(self, store: Store) -> None:
        """The store holds exactly these frames, bit for bit."""
        found = {m.frame_id: m for m in store.frames()}
        assert set(found) == set(self.frames)
        for i, (meta, data) in self.frames.items():
            assert store.read(i) == data
            got = found[i]
            assert (got.value, got.time, got.size) == (meta.value, meta.time, len(data))

    def check_after_reset(self, store: Store) -> None:
        """All acknowledged frames are there; forgotten ones may be back, whole; deleted ones never."""
        for meta in list(store.frames()):
            i = meta.frame_id
            assert i not in self.deleted, "a deleted frame came back"
            if i not in self.frames:
                assert i in self.forgotten, "a frame that was never acknowledged"
                self.frames[i] = self.forgotten.pop(i)
        self.check(store)
