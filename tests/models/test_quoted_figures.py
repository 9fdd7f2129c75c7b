"""README, DESIGN and CHANGELOG quote figures of the models that ship; the files beside these have them."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAINED = ROOT / "models" / "trained"
PERSONS, SHIPS = "person_vww test", "sat_ship_chips test"


def percent(share: float, digits: int = 1) -> str:
    return f"{share * 100:.{digits}f} %"


def facts_of(model: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((TRAINED / f"{model}.json").read_text())
    return facts


def found(model: str, test: str) -> dict[str, Any]:
    figures: dict[str, Any] = facts_of(model)["tests"][test]
    return figures


def interval(figures: dict[str, Any], key: str) -> str:
    low, high = figures[f"{key}_ci95"]
    return f"({low:.3f} .. {high:.3f})"


def recall(figures: dict[str, Any]) -> str:
    low, high = (share * 100 for share in figures["recall_ci95"])
    return f"{percent(figures['recall'], 0)} ({low:.0f} .. {high:.0f})"


def front_row(model: str) -> tuple[str, str]:
    """A row of the table of accuracy over cost; its instructions are the emulator's and stay open."""
    of = found(model, PERSONS)
    cells = f"{of['auc']:.3f} {interval(of, 'auc')} | {percent(of['accuracy'])} |"
    return "docs/DESIGN.md", rf"\| `{model}` \| [\d.]+ M \| " + re.escape(cells)


def sentences() -> list[tuple[str, str]]:
    """What a document must say, as a pattern, made from the facts of the models."""
    person, ship, grid = found("person_96", PERSONS), found("ship_80", SHIPS), found("person_grid", "test")
    everyone = found("person_96_all", PERSONS)
    elsewhere = found("person_96", "person_vww test, not from COCO")
    low, high = (share * 100 for share in ship["accuracy_ci95"])
    size = (TRAINED / "ship_80.tflite").stat().st_size
    precision, (least, most) = grid["average_precision"], grid["average_precision_ci95"]
    boats, boats_held = found("ship_grid", "test"), facts_of("ship_grid")["validation"]
    shelf = found("shelf_fill", "test")
    rank_low, rank_high = shelf["spearman_ci95"]
    plain = [
        (
            "README.md",
            f"| person_96 on {person['n']} unseen pictures | {percent(person['accuracy'])} accuracy, "
            f"AUC {person['auc']:.3f} |",
        ),
        (
            "docs/DESIGN.md",
            f"On the {elsewhere['n']} test chips that are not from COCO, `person_96` has "
            f"{percent(elsewhere['accuracy'])} and {elsewhere['auc']:.3f}.",
        ),
        (
            "docs/DESIGN.md",
            f"`ship_80` has {percent(ship['accuracy'])} ({low:.1f} .. {high:.1f}) on the test chips, "
            f"AUC {ship['auc']:.3f}, in a file of {size / 1000:.1f} kB",
        ),
        (
            "docs/DESIGN.md",
            f"`person_grid` has an average precision of {precision:.2f} ({least:.2f} .. {most:.2f})",
        ),
        (
            "docs/DESIGN.md",
            f"`ship_grid` finds {recall(boats)} of the test's boats at "
            f"{boats['false_alarms_per_scene']:.2f} alarms a scene where 85 % at 0.5 was the aim; "
            f"{recall(boats_held)} at {boats_held['false_alarms_per_scene']:.2f} on validation",
        ),
        (
            "docs/DESIGN.md",
            f"`shelf_fill` ranks emptiness with a Spearman of {shelf['spearman']:.2f} "
            f"({rank_low:.2f} .. {rank_high:.2f}) of the 0.7 wanted on the {shelf['n']} test pictures",
        ),
        (
            "CHANGELOG.md",
            f"{percent(boats['recall'], 0)} of the boats at "
            f"{boats['false_alarms_per_scene']:.2f} alarms a scene, a Spearman of "
            f"{shelf['spearman']:.2f} for emptiness on the test",
        ),
        (
            "CHANGELOG.md",
            f"{percent(grid['recall'], 0)} of the persons (average precision {precision:.2f})",
        ),
        (
            "CHANGELOG.md",
            f"`person_96_all` has {percent(everyone['accuracy'])} of the test pictures, "
            f"AUC {everyone['auc']:.3f}",
        ),
        ("CHANGELOG.md", f"`ship_80` has {percent(ship['accuracy'])} of the test chips"),
    ]
    return [
        front_row("person_96"),
        front_row("person_96_all"),
        *((name, re.escape(text)) for name, text in plain),
    ]


@pytest.mark.parametrize(("document", "pattern"), sentences())
def test_documents_quote_the_models_that_ship(document: str, pattern: str) -> None:
    said = " ".join((ROOT / document).read_text().split())
    assert re.search(pattern, said), f"{document} should say: {pattern}"


def wishes(command: str) -> list[str]:
    """Words of a training command but where its pictures lie and its results go."""
    words = shlex.split(command)
    for place in ("--data", "--out"):
        if place in words:
            at = words.index(place)
            del words[at : at + 2]
    return words


@pytest.mark.parametrize("facts", sorted(TRAINED.glob("*.json")), ids=lambda f: f.stem)
def test_the_guide_gives_the_command_of_each_model_that_ships(facts: Path) -> None:
    guide = (ROOT / "docs" / "TRAINING.md").read_text()
    row = next(line for line in guide.splitlines() if line.startswith(f"| `{facts.stem}` |"))
    said = row.rsplit("`", 2)[1]
    assert wishes(said) == wishes(json.loads(facts.read_text())["command"])
