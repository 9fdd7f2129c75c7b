"""Flash regions for the store to mount: real ones, old and new pieces mixed, noise, blank, all zero."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from framekeep_onboard.store import FlashEmulator, FrameMeta, Profile, Store

from tests.store.pictures import picture

CHIPS = (
    ("tiny", 12 << 10),
    ("tiny-ecc", 12 << 10),
    ("l4", 16 << 10),
    ("nor-page", 32 << 10),
    ("nor", 32 << 10),
)
RESEALED, AS_ROT, CHAIN, RING = 1, 2, 4, 8


def live(store: Store, rnd: random.Random, frames: int) -> None:
    for _ in range(frames):
        frame_id = store.next_id
        data = picture(frame_id, rnd.randint(1, 1000))
        store.offer(FrameMeta(frame_id, rnd.randrange(64)), data)
        kept = [m.frame_id for m in store.frames()]
        if kept and rnd.random() < 0.2:
            store.delete(rnd.choice(kept))
        elif kept and rnd.random() < 0.2:
            store.mark_sent(rnd.choice(kept))
        store.log_append(data[:40])


def seeds() -> Iterator[bytes]:
    rnd = random.Random(1)
    for number, (chip, size) in enumerate(CHIPS):
        for profile in Profile:
            flash = FlashEmulator(chip, size)
            store = Store(flash, slots=24, profile=profile, log_segments=2)
            live(store, rnd, 40)
            images = [flash.image()]
            for apart in (1, 2, 5, 40):
                live(store, rnd, apart)
                images.append(flash.image())
            images += [bytes(size), b"\xff" * size, rnd.randbytes(size)]
            how = (CHAIN if profile == Profile.CHAIN else 0) | RING
            for _ in range(12):
                for extra in (0, 0, RESEALED, AS_ROT):
                    old, new = rnd.choice(images), rnd.choice(images)
                    mask = rnd.choice((bytes(12), b"\xff" * 12, rnd.randbytes(12), b"\0\xff" * 6))
                    yield bytes([number, how | extra, rnd.choice((0, 255)), 0]) + mask + old + new
