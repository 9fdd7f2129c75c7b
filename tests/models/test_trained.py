"""The models that ship: what the compiler makes of them, cards that say what they must, sizes."""

import hashlib
import json
from pathlib import Path

import pytest
from framekeep_models.compile import compile_model

from tests.shared_data import shared

ROOT = Path(__file__).resolve().parents[2] / "models"
MODELS = sorted((ROOT / "trained").glob("*.tflite"))
WEIGHTS = {"person_96": 100, "person_96_all": 100, "person_grid": 200, "ship_80": 60, "ship_grid": 150}
WEIGHTS["shelf_fill"] = 150  # kB
ARENA = {"person_96": 48 * 1024, "person_96_all": 48 * 1024}


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.stem)
def test_file_carries_its_labels_and_the_threshold_of_its_card(model: Path) -> None:
    facts = json.loads(model.with_suffix(".json").read_text())
    contract = compile_model(model).contract
    assert list(contract.labels) == facts["labels"]
    assert contract.thresholds[-1] == round(facts["threshold"])


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.stem)
def test_sizes_stay_within_their_limits(model: Path) -> None:
    facts = json.loads(model.with_suffix(".json").read_text())
    assert facts["weights_bytes"] <= WEIGHTS[model.stem] * 1000
    assert compile_model(model).report["arena_bytes"] <= ARENA.get(model.stem, 256 * 1024)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.stem)
def test_card_states_data_licences_command_and_limits(model: Path) -> None:
    card = (ROOT / "cards" / f"{model.stem}.md").read_text()
    facts = json.loads(model.with_suffix(".json").read_text())
    for heading in ("## Made by", "## Learned from", "## Figures", "## Limits"):
        assert heading in card
    assert facts["command"] in card
    for source, licence, yes, no in facts["learned_from"]:
        assert f"| {source} | {licence} | {yes} | {no} |" in card


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.stem)
def test_card_is_what_the_recipe_and_the_figures_make(model: Path) -> None:
    """Measured anew, re-worded or moved by hand: a card that lags behind its facts shows here."""
    pytest.importorskip("torch", reason="the recipes need it: pip install 'framekeep[train]'")
    from framekeep_models.train_card import card, grid_card
    from framekeep_models.train_grid_tasks import RECIPES
    from framekeep_models.train_options import Options
    from framekeep_models.train_tasks import recipe_for

    facts = json.loads(model.with_suffix(".json").read_text())
    if recipe := RECIPES.get(model.stem):
        made = grid_card(recipe.about, recipe.limits, facts)
    else:
        made = card(recipe_for(model.stem, Options(Path())), facts)
    assert (ROOT / "cards" / f"{model.stem}.md").read_text() == made


def test_grids_stand_on_models_that_ship() -> None:
    standing = {m.stem: json.loads(m.with_suffix(".json").read_text()).get("stands_on", "") for m in MODELS}
    assert standing["person_grid"].startswith("person_96_all.tflite")
    for said in filter(None, standing.values()):
        start = ROOT / "trained" / said.split(" (id ")[0]
        assert said == f"{start.name} (id {hashlib.sha256(start.read_bytes()).hexdigest()[:16]})"


@pytest.mark.parametrize("name", ["person_96", "ship_80"])
def test_redistributable_models_learned_from_nothing_else(name: str) -> None:
    facts = json.loads((ROOT / "trained" / f"{name}.json").read_text())
    allowed = {
        "4",
        "5",
        "7",
        "CC BY 4.0",
        "CC BY 4.0 (as tagged)",
        "CC BY-SA 4.0",
        "Public Domain (as tagged)",
        "MIT",
    }
    assert {licence for _, licence, _, _ in facts["learned_from"]} <= allowed


@pytest.mark.parametrize("name", ["ship_grid", "shelf_fill", "person_grid"])
def test_grids_do_on_validation_what_their_cards_say(name: str) -> None:
    """The .tflite and the card are of one run, and the flight kernels still give its figures."""
    pytest.importorskip("torch", reason="the recipes name the pictures: pip install 'framekeep[train]'")
    from framekeep_models.evaluate_flight import FlightModel
    from framekeep_models.evaluate_grid import at_threshold, average_precision
    from framekeep_models.evaluate_scenes import Looking, looks_of, scenes_of
    from framekeep_models.train_grid_tasks import RECIPES
    from framekeep_models.train_options import Options

    recipe = RECIPES[name]
    facts = json.loads((ROOT / "trained" / f"{name}.json").read_text())
    held = recipe.held(Options(shared("sat_ships_scenes").parent), "val")
    flight = FlightModel(ROOT / "trained" / f"{name}.tflite")
    found = scenes_of(held, looks_of(flight.grid, held, Looking.of(facts)))
    at = at_threshold(found, flight.threshold)
    said = facts["validation"]
    assert average_precision(found) == pytest.approx(said["average_precision"], abs=1e-4)
    assert (at["recall"], at["boxes"]) == (pytest.approx(said["recall"], abs=1e-4), said["boxes"])


@pytest.mark.parametrize("name", ["person_96", "person_96_all", "ship_80"])
def test_classifiers_do_on_validation_what_their_cards_say(name: str) -> None:
    """Scores, threshold and figures again, from the .tflite and the pictures that training held back."""
    pytest.importorskip("torch", reason="the recipes name the pictures: pip install 'framekeep[train]'")
    from framekeep_models.evaluate import labels_of
    from framekeep_models.evaluate_flight import FlightModel
    from framekeep_models.evaluate_metrics import auc
    from framekeep_models.train_judge import flown, threshold_of
    from framekeep_models.train_options import Options
    from framekeep_models.train_tasks import recipe_for

    options = Options(shared("sat_ship_chips").parent)
    recipe = recipe_for(name, options)
    facts = json.loads((ROOT / "trained" / f"{name}.json").read_text())
    held = recipe.validation(options)
    flight = FlightModel(ROOT / "trained" / f"{name}.tflite")
    labels, found = labels_of(held), flown(flight, held)
    assert threshold_of(recipe, flight, held, found) == flight.threshold == facts["threshold"]
    said = facts["validation"]
    assert ((found >= flight.threshold) == labels).mean() == pytest.approx(said["accuracy"], abs=1e-6)
    assert auc(labels, found) == pytest.approx(said["auc"], abs=1e-6)
