"""The models that ship: what the compiler makes of them, cards that say what they must, sizes."""

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
