"""The tasks of `fk-models train`, as recipes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from framekeep_models import nets
from framekeep_models.data import DataError, Picture, read_coco, read_csv, read_pictures, select
from framekeep_models.data_crops import Draw, Pool, make_pool
from framekeep_models.train_options import FitConfig, Options, Recipe
from framekeep_models.train_person import person_draws
from framekeep_models.train_ship import HELD_BAY, learned_pictures, planet_tiles, ship_pictures, taught_pool
from framekeep_models.train_teachers import PersonTeachers
from framekeep_models.train_warm import start_from

START = "vww_96_int8.tflite"  # MLPerf Tiny, Apache-2.0
TAUGHT = """\
Labels are blended from the boxes and from two public models that look at the same crops: MCUNet's vww (MIT)
and MLPerf Tiny's vww_96_int8 (Apache-2.0), which their authors trained on COCO pictures of all licences."""
STARTED = """
Training starts from the weights of vww_96_int8 (Apache-2.0, MLCommons), its dead channels removed, its layers
resized: this model is a changed version of that one."""
OPEN = """
Only pictures whose licence allows passing them on were used here (COCO ids 4, 5, 7, CC BY, MIT, public
domain)."""
PERSON_LIMITS = """\
Statues, mannequins and dolls are often taken for persons; persons smaller than about 1/8 of the frame's
height, seen from above or cut off at the edge are often missed. Not for decisions about people: it ranks
pictures. No test picture is on MLPerf Tiny's list (vww01), which taught the start; what taught MCUNet's model
is not known."""
CLOSED = """
Most pictures it learned from are under unknown, research-only or non-commercial licences: see the table. Use
`person_96` where that matters."""
COLOURED = """
Half of the crops are learned in the colours of other cameras: other tone curves and balances, haze, less
colour or none. The teachers saw them before."""
SCRATCH = """
From random weights on the same crops (`person_96_scratch`) the first five epochs reached an AUC of 0.716
on validation, and were given up for this start."""
PLANET_TEST = "planet_scenes, tiles of a bay not learned from"
SHIP_TAUGHT = """\
Views are cut from the ready-made chips and from the scenes behind them; of the ships in open water many are
cut free and laid beside quays or on other water, and shores and piers are laid into views without a ship. A
quarter of all views is coarser, as of 1.2 to 3 times the pixel; three in ten are learned in the colours of
other cameras: other tone curves and balances, haze, less colour or none. A teacher of dense convolutions,
made by the same command from random weights on the same views, says how much of a ship it sees in each, the
mean of four quarter turns, and its word has 60 % of the weight; of 20,000 views of any place, whatever the
boxes say of them, its word is all. It steps in bfloat16: on a processor that adds in another order the file
comes out a little different.
The threshold is the one most often right on the validation chips in their eight orientations, as they are and
spoiled: 8,608 looks. It was set before any test figure of this network was seen; the rule is older and was
made for an earlier network of this name.
Only pictures whose licence allows passing them on (CC BY 4.0, CC BY-SA 4.0): land and coarse pixels are
PlanetScope's, published by Planet Team (Open California) and the author of ShipsNet under CC BY-SA 4.0."""
SHIP_LIMITS = """\
Ships in dense rows at a quay, dark ones on dark water and small boats among piers are often missed; rafts,
containers on a quay and single roofs are taken for ships now and then. At 3 m a pixel it ranks as well, but
says less: see the tiles of kind `ship` above. Near copies by hash: of 126 such pairs of chips the 40 nearest
were looked at, and show different boats in a like pose on plain water, or plain shore; of the scenes that the
chips were cut from, no test scene is near another."""


def warm_fit(everything: bool) -> FitConfig:
    """Few scenes: small steps, more weight on the teachers, and the weights half way back to the start, which
    knew more scenes (of 0, 0.15, 0.3, 0.5, 0.7 and 1 the middle was best on validation). Many: larger
    steps."""
    if everything:
        return FitConfig(epochs=4, rate=1.5e-3)
    return FitConfig(epochs=8, rate=4e-4, hard_share=0.25, start_share=0.4)


def person_recipe(name: str, everything: bool, warm: bool) -> Recipe:
    def draws(options: Options) -> list[Draw]:
        return [
            Draw(d.picture, max(1, round(d.crops * options.crops)), d.smallest)
            for d in person_draws(options.data, everything)
        ]

    def pool(options: Options, rng: np.random.Generator) -> Pool:
        assert options.teachers is not None
        return make_pool(
            draws(options),
            96,
            rng,
            PersonTeachers(options.teachers),
            mixed=0.08 if everything else 0.15,
            coloured=0.5 if everything else 0.0,
        )

    def net(options: Options, crops: Pool) -> nn.Sequential:
        if not warm:
            return nets.chain(nets.PERSON_96)
        assert options.teachers is not None
        return start_from(options.teachers / START, nets.PERSON_96_WIDTHS, crops.images[:800])

    return Recipe(
        name=name,
        about="is a person in the picture?",
        labels=("no_person", "person"),
        side=96,
        pictures=lambda options: [d.picture for d in draws(options)],
        pool=pool,
        net=net,
        validation=lambda options: select(read_csv(options.data / "person_vww/labels.csv"), "val"),
        fit=warm_fit(everything) if warm else FitConfig(epochs=18),
        tests=person_tests,
        parts={"person_vww test": ("size", "light", "kind"), "person_more test": ("size", "light")},
        taught_by=TAUGHT
        + (STARTED if warm else "")
        + (SCRATCH if warm and not everything else "")
        + (COLOURED if everything else OPEN),
        limits=PERSON_LIMITS + (CLOSED if everything else ""),
    )


def person_tests(options: Options) -> dict[str, Sequence[Picture]]:
    """The test splits, whole and in the parts that say where the model is weak."""
    chips = select(read_csv(options.data / "person_vww/labels.csv"), "test")
    more = select(read_csv(options.data / "person_more/labels.csv"), "test")
    tests: dict[str, Sequence[Picture]] = {
        "person_vww test": chips,
        "person_vww test, no person-like negatives": [p for p in chips if p.kind != "person-like"],
        "person_vww test, not from COCO": [p for p in chips if "COCO" not in p.source],
        "person_vww test, from COCO": [p for p in chips if "COCO" in p.source],
        "person_vww test, redistributable rows": select(chips, None, True),
        "person_frames test, whole frames stretched": read_coco(
            options.data / "person_frames/annotations_test.json"
        ),
        "person_more test": more,
    }
    for source in sorted({p.source for p in more}):
        tests[f"person_more test, {source.split(' via ')[0]}"] = [p for p in more if p.source == source]
    return tests


def ship_tests(options: Options) -> dict[str, Sequence[Picture]]:
    chips = ship_pictures(options.data, "test", everything=True)
    ships = [p for p in chips if p.label]
    tests: dict[str, Sequence[Picture]] = {"sat_ship_chips test": chips}
    for kind in ("textured", "plain_water", "land"):
        tests[f"sat_ship_chips test, ships and {kind}"] = [*ships, *(p for p in chips if p.kind == kind)]
    tests[PLANET_TEST] = planet_tiles(options.data, HELD_BAY)
    return tests


def ship_recipe() -> Recipe:
    return Recipe(
        name="ship_80",
        about="is a ship in this chip of a satellite picture (0.4 to 3 m a pixel, seen from straight above)?",
        labels=("no_ship", "ship"),
        side=80,
        pictures=lambda options: learned_pictures(options.data),
        pool=taught_pool,
        net=lambda _options, _pool: nets.chain(nets.SHIP_80),
        validation=lambda options: ship_pictures(options.data, "val", everything=True),
        fit=FitConfig(epochs=8, doubt=0.02, quarter_turns=True),
        tests=ship_tests,
        parts={"sat_ship_chips test": ("kind", "light"), PLANET_TEST: ("kind",)},
        many_looks=True,
        taught_by=SHIP_TAUGHT,
        limits=SHIP_LIMITS,
    )


def own_split(options: Options) -> tuple[list[Picture], list[Picture]]:
    """A user's pictures: their own train and val splits, or every fifth picture by name held back of those
    to be learned from. Pictures of the split test are never learned from, nor any of a split of another
    name beside others."""
    pictures = read_pictures(options.data, options.positive)
    splits = {p.split.strip().lower() for p in pictures}
    train, held = select(pictures, "train") or select(pictures, ""), select(pictures, "val")
    if len(splits) == 1 and not splits.pop().startswith("test"):
        train = pictures
        held = []
    if not held:
        train, held = every_fifth(train)
    for part, name in ((train, "training"), (held, "validation")):
        present = sum(p.label == 1 for p in part)
        if not 0 < present < len(part):
            raise DataError(
                f"{options.data}: {present} pictures with the wanted class and {len(part) - present} without "
                f"to be the {name} part; at least five of each are needed, or your own choice in a column "
                "`split` (train, val, test)"
            )
    return train, held


def every_fifth(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    train: list[Picture] = []
    held: list[Picture] = []
    for label in (0, 1):
        named = sorted((p for p in pictures if p.label == label), key=lambda p: str(p.path))
        held += named[4::5]
        train += [p for k, p in enumerate(named) if k % 5 != 4]
    return train, held


def classifier_recipe(options: Options) -> Recipe:
    """Two classes of a user's own pictures. Small sets get more crops of each picture."""
    train, held = own_split(options)
    crops = max(1, round(min(40, 8000 / len(train)) * options.crops))
    name = options.positive or "present"
    return Recipe(
        name="classifier",
        about=f"is the wanted object ({name}) in the picture?",
        labels=("absent" if name == "present" else f"no_{name}", name),
        side=options.side,
        pictures=lambda _: train,
        pool=lambda o, rng: make_pool([Draw(p, crops, 0.8) for p in train], o.side, rng),
        net=lambda o, _pool: nets.chain(nets.own_config(o.side)),
        validation=lambda _: held,
        fit=FitConfig(epochs=15),
        limits="Trained on one user's pictures; judge it on pictures from another day and place.",
    )


def recipe_for(task: str, options: Options) -> Recipe:
    if task == "classifier":
        return classifier_recipe(options)
    if task == "ship_80":
        return ship_recipe()
    everything, warm = task == "person_96_all", task != "person_96_scratch"
    return person_recipe(task, everything, warm)
