"""The card of a model: what it is for, what taught it, how good it is, what it cannot do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framekeep_models.train_options import Recipe


def card(recipe: Recipe, facts: dict[str, Any]) -> str:
    """Markdown, from the figures that the training wrote down."""
    side = facts["side"]
    lines = [
        f"# {recipe.name}",
        "",
        recipe.about[0].upper() + recipe.about[1:],
        "",
        f"Input: {side}x{side} RGB, int8 = pixel - 128. "
        f"Output: int8 probabilities of {' and '.join(recipe.labels)}. "
        f"{facts['weights_bytes']:,} bytes of weights, {facts['macs']:,} multiply-accumulates, "
        f"{facts['arena_bytes']:,} bytes of arena, {facts['image_bytes']:,} bytes as an image.",
        "",
        "## Made by",
        "",
        f"    {facts['command']}",
        "",
        *((facts["note"], "") if facts.get("note") else ()),  # where the file is not quite that command's
        f"{facts['crops']:,} crops, spoiled by blur, motion, exposure, noise, JPEG, Bayer and colour faults. "
        f"{recipe.taught_by}".rstrip(),
        "",
        "## Learned from",
        "",
        *learned(facts["learned_from"]),
        "",
        "## Figures",
        "",
        "By the flight kernels, with 95 % intervals; the threshold was chosen on the validation pictures.",
        "",
        "| pictures | n | accuracy | AUC | precision | recall |",
        "|---|---|---|---|---|---|",
        figures("validation", facts["validation"]),
        *(figures(name, found) for name, found in facts["tests"].items()),
        "",
        f"Threshold: {facts['threshold']:.0f} of 255. "
        f"AUC on validation before quantisation: {facts['validation_auc_float']:.3f}.",
    ]
    lines += [
        photographs(name, found["by_photograph"])
        for name, found in list(facts["tests"].items())[:1]
        if "by_photograph" in found
    ]
    lines += ["", sheet_of(facts["name"])]
    for name, found in list(facts["tests"].items())[:1]:
        lines += ["", f"Operating points on {name}:", "", *points(found)]
        lines += ["", *calibration(found)]
    lines += [*parts(facts["parts"]), "", near(facts["near_copies"]), ""]
    if recipe.limits:
        lines += ["## Limits", "", recipe.limits, ""]
    return "\n".join(lines)


def sheet_of(name: str) -> str:
    return (
        f"What it gets wrong is a contact sheet, {name}.png, that the command above leaves beside the model."
    )


def figures(name: str, found: dict[str, Any]) -> str:
    cells = " | ".join(with_interval(found, key) for key in ("accuracy", "auc", "precision", "recall"))
    return f"| {name} | {found['n']} | {cells} |"


def points(found: dict[str, Any]) -> list[str]:
    lines = ["| recall | threshold | of all frames kept | of negatives kept |", "|---|---|---|---|"]
    for p in {p["threshold"]: p for p in found["operating_points"]}.values():
        lines.append(
            f"| {p['recall']:.1%} | {p['threshold']:.0f} | {p['kept']:.1%} | {p['negatives_kept']:.1%} |"
        )
    return lines


def photographs(name: str, found: dict[str, Any]) -> str:
    (low, high), (least, most) = found["accuracy_ci95"], found["auc_ci95"]
    return (
        f"\nThe pictures of {name} were cut from {found['photographs']} photographs. Drawing photographs "
        f"instead of pictures, the intervals are {low:.3f} .. {high:.3f} for accuracy and "
        f"{least:.3f} .. {most:.3f} for AUC."
    )


def calibration(found: dict[str, Any]) -> list[str]:
    return [
        f"Calibration there (expected error {found['calibration_error']:.3f}):",
        "",
        "| said | true | pictures |",
        "|---|---|---|",
        *(f"| {c['said']:.1%} | {c['true']:.1%} | {c['n']} |" for c in found["calibration"]),
    ]


def parts(facts: dict[str, Any]) -> list[str]:
    """A table for each way in which a test set is parted."""
    lines: list[str] = []
    for title, groups in ((f"{n}, by {f}", g) for n, fields in facts.items() for f, g in fields.items()):
        lines += ["", f"{title}:", ""]
        lines += ["| part | n | present | accuracy | AUC |", "|---|---|---|---|---|"]
        lines += [
            f"| {name} | {g['n']} | {g['positives']} "
            f"| {with_interval(g, 'accuracy')} | {with_interval(g, 'auc')} |"
            for name, g in groups.items()
        ]
    if lines:
        lines += [
            "",
            "Where a part holds one label only, its AUC is taken against all pictures of the other.",
        ]
    return lines


def near(facts: dict[str, Any]) -> str:
    copies = [f"{n} of {name}" for name, n in facts["pictures"].items() if n]
    return (
        f"Near copies of judged pictures among those it learned from, by perceptual hash "
        f"({facts['bits']} of 64 bits): {', '.join(copies) or 'none'}."
    )


def grid_card(about: str, limits: str, facts: dict[str, Any]) -> str:
    """The card of a grid model."""
    width, height = facts["input"]
    rows, columns = facts["cells"]
    found = facts["tests"]["test"]
    lines = [
        f"# {facts['name']}",
        "",
        about[0].upper() + about[1:],
        "",
        f"Input: {width}x{height} RGB, int8 = pixel - 128. Output: {rows}x{columns} cells, "
        f"int8 probability of {facts['labels'][0]}. "
        f"{facts['weights_bytes']:,} bytes of weights, {facts['macs']:,} multiply-accumulates, "
        f"{facts['arena_bytes']:,} bytes of arena.",
        "",
        "## Made by",
        "",
        f"    {facts['command']}",
        "",
        f"{started(facts['stands_on'])} Crops are cut at random scale and place and spoiled by blur, motion, "
        "exposure, noise, JPEG, Bayer and colour faults. Steps run in bfloat16: on a processor that adds in "
        f"another order the file comes out a little different. {facts.get('taught_by', '')}".rstrip(),
        "",
        "## Learned from",
        "",
        *learned(facts["learned_from"]),
        "",
        "## Figures",
        "",
        "By the flight kernels, with 95 % intervals; the threshold was chosen on the validation pictures. "
        "A detection is right if it lies in a box that no better one has taken (margin 1 % of the picture)."
        + seen_in(facts),
        "",
        "| pictures | n | average precision | recall | precision | F1 | alarms a picture | Spearman |",
        "|---|---|---|---|---|---|---|---|",
        scene_figures("validation", facts["validation"]),
        scene_figures("test", found),
        "",
        f"Threshold: {facts['threshold']:.0f} of 255.{before(facts)}",
        "",
        sheet_of(facts["name"]),
        "",
        "| size of the box (share of the picture's area) | boxes in test | found |",
        "|---|---|---|",
        *(
            f"| {name.removeprefix('area ')} | {row['boxes']} | {with_interval(row, 'recall')} |"
            for name, row in found["recall_by_size"].items()
        ),
        "",
        "## Limits",
        "",
        limits,
        "",
    ]
    return "\n".join(lines)


def before(facts: dict[str, Any]) -> str:
    if "validation_float" not in facts:
        return ""
    found = facts["validation_float"]["average_precision"]
    return f" Average precision on validation before quantisation: {found}."


def started(start: str) -> str:
    if start:
        return f"Training starts from the layers of {start}; all of them are trained on."
    return "Trained from random weights."


def seen_in(facts: dict[str, Any]) -> str:
    if not facts["parts"]:
        return ""
    text = (
        f" Scenes are looked at in overlapping parts of about {sides(facts['parts'])} pixels a side; the "
        "maps of each size are joined, and their mean counts."
    )
    if facts.get("large_parts"):
        text += (
            f" Of a summit of the mean of the parts of {sides(facts['large_parts'])} pixels alone, "
            f"{facts['large_share']:.0%} of the score count where that is more: large "
            "ships fit into no smaller part."
        )
    return text


def sides(parts: Sequence[float]) -> str:
    return ", ".join(f"{part:.0f}" for part in parts)


def with_interval(found: dict[str, Any], key: str) -> str:
    if found[key] is None:
        return "-"
    low, high = found[f"{key}_ci95"]
    return f"{found[key]:.3f} ({low:.3f} .. {high:.3f})"


def scene_figures(name: str, found: dict[str, Any]) -> str:
    cells = [with_interval(found, k) for k in ("average_precision", "recall", "precision")]
    cells += [
        f"{found['f1']:.3f}",
        f"{found['false_alarms_per_scene']:.2f}",
        with_interval(found, "spearman"),
    ]
    return f"| {name} | {found['n']} | {' | '.join(cells)} |"


def learned(rows: list[tuple[str, str, int, int]]) -> list[str]:
    return [
        "| source | licence | present | absent |",
        "|---|---|---|---|",
        *(f"| {source} | {licence} | {yes} | {no} |" for source, licence, yes, no in rows),
    ]
