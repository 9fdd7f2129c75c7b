"""The images of the models that ship, from their .tflite, labels and thresholds.

python -m framekeep_models.train_images          # after the image format or the compiler has changed
python -m framekeep_models.train_images --check  # 1 if an image is not what the compiler makes now
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from framekeep_models.compile import compile_model
from framekeep_models.contract import Wishes

TRAINED = Path("models/trained")


def image_of(model: Path) -> bytes:
    """Compiles `model` with the labels and the threshold that its training wrote beside it."""
    facts = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
    return compile_model(model, wishes(facts["labels"], facts["threshold"])).image


def wishes(labels: Sequence[str], threshold: float) -> Wishes:
    """The last class is the wanted one; of two, the other has the rest of the score."""
    wanted = threshold / 255
    return Wishes(labels=tuple(labels), thresholds=(1 - wanted, wanted) if len(labels) == 2 else (wanted,))


def main(argv: Sequence[str] | None = None) -> int:
    """Writes, or with --check compares, every image."""
    parser = argparse.ArgumentParser(prog="python -m framekeep_models.train_images", description=__doc__)
    parser.add_argument("--folder", type=Path, default=TRAINED)
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args(argv)
    stale = 0
    for model in sorted(args.folder.glob("*.tflite")):
        image, path = image_of(model), model.with_suffix(".fkm")
        if path.is_file() and path.read_bytes() == image:
            continue
        stale += 1
        print(f"{path}: {'differs' if args.check else 'written'}")
        if not args.check:
            path.write_bytes(image)
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
