"""report.html: what was kept, what was dropped and why, in one file that needs no other.

The number of thumbnails is bounded, so a report of a million frames stays
below a few megabytes.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from framekeep_ground.codes import REASON_TEXT, Reason
from framekeep_ground.sheet import placed
from framekeep_onboard.pipeline import Decision
from PIL import Image

from framekeep_sim.camera import decode, masked, to_frame
from framekeep_sim.charts import area, bytes_text, histogram, strip
from framekeep_sim.events import Shot
from framekeep_sim.metrics import Confusion, is_wanted
from framekeep_sim.outcome import OF_INTEREST, SCREENED, Run, of_interest, reason_of
from framekeep_sim.outlook import sentences
from framekeep_sim.report_costs import section as costs_section

KEPT_MOST = 36  # thumbnails of frames of interest
DROPPED_MOST = 10  # of each reason
MISTAKES_MOST = 12  # of each kind of mistake
THUMBNAIL = (176, 132)  # of the same aspect as its place on the page

Pair = tuple[Shot, Decision]


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures a report shows, by their index in the dataset."""

    run: Run
    thumbnails: dict[int, tuple[str, float]]

    def card(self, pair: Pair) -> str:
        shot, decision = pair
        source, width = self.thumbnails.get(shot.index, ("", 100))
        box = _box(self.run, decision) if any(decision.box) else ""
        notes = [_state(self.run, decision)]
        if shot.labels is not None:
            notes.append(f'<span class="tag">{escape(", ".join(sorted(shot.labels)) or "no label")}</span>')
        if reason_of(decision) in SCREENED:
            verdict = f'<span class="score">brightness {decision.mean}, contrast {decision.contrast}</span>'
        else:
            verdict = (
                f'<span class="meter"><i style="width:{decision.score / 255:.0%}"></i></span>'
                f'<span class="score">{_class_name(self.run, decision)} {decision.score}/255</span>'
            )
        return (
            f'<figure><div class="shot"><span style="width:{width:.1f}%"><img alt="" src="{source}">{box}'
            f"</span></div>"
            f'<figcaption><b title="{escape(shot.name)}">{escape(shot.name)}</b>'
            f"{verdict}{''.join(notes)}</figcaption></figure>"
        )


def render(run: Run) -> str:
    """The whole page."""
    pairs = list(zip(run.shots, run.played.decisions, strict=True))
    summary = run.summary()
    sections = _choose(run, pairs)
    shown = {shot.index for _, _, chosen in sections for shot, _ in chosen}
    gallery = Gallery(run, _thumbnails(run, shown))
    body = [
        _head(run),
        _tiles(summary),
        _reasons(summary),
        _charts(run, pairs, summary),
        _outlook(run),
        costs_section(run),
        *(_section(gallery, *section) for section in sections),
        _labels(run.confusion()),
        _skipped(run.skipped),
        _facts(run, summary),
    ]
    style = (files("framekeep_sim") / "report.css").read_text("utf-8")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>framekeep: {escape(run.mission.name)}</title><style>{style}</style>"
        f"<main>{''.join(body)}</main></html>\n"
    )


# --- What is shown ---------------------------------------------------------------------------------


def _choose(run: Run, pairs: Sequence[Pair]) -> list[tuple[str, str, list[Pair]]]:
    """Title, remark and frames of each gallery."""
    chosen = []
    kept = sorted((p for p in pairs if of_interest(p[1])), key=lambda p: -p[1].value)
    remark = f"The {KEPT_MOST} most valuable of {len(kept)}." if len(kept) > KEPT_MOST else ""
    chosen.append(("Kept", remark or "By value, the most valuable first.", kept[:KEPT_MOST]))
    if run.confusion():
        truth = [(p, is_wanted(p[0].labels, run.wanted)) for p in pairs]
        false = [p for p in kept if is_wanted(p[0].labels, run.wanted) is False]
        missed = [p for p, said in truth if said and not of_interest(p[1])]
        missed.sort(key=lambda p: p[1].score)
        if false:
            chosen.append(
                ("Kept by mistake", _of(false, "Not wanted by their labels"), false[:MISTAKES_MOST])
            )
        if missed:
            chosen.append(("Missed", _of(missed, "Wanted by their labels, dropped"), missed[:MISTAKES_MOST]))
    for reason in Reason:
        if reason in OF_INTEREST:
            continue
        these = [p for p in pairs if reason_of(p[1]) is reason]
        if not these:
            continue
        if reason is Reason.LOW_SCORE:
            these.sort(key=lambda p: -p[1].score)
            remark = _of(these, "The nearest to the threshold first", DROPPED_MOST)
            chosen.append((_title(reason), remark, these[:DROPPED_MOST]))
        else:
            step = max(1, len(these) // DROPPED_MOST)
            remark = _of(these, "Samples", DROPPED_MOST)
            chosen.append((_title(reason), remark, these[::step][:DROPPED_MOST]))
    return chosen


def _of(these: Sequence[Pair], text: str, most: int = MISTAKES_MOST) -> str:
    return f"{text}; {min(most, len(these))} of {len(these)} shown."


def _title(reason: Reason) -> str:
    return "Dropped: " + REASON_TEXT[reason].replace(", dropped before the network", "")


def _thumbnails(run: Run, shown: set[int]) -> dict[int, tuple[str, float]]:
    """Of the ground's picture where the frame came down, else of what the camera saw; with the share of its
    place's width that it takes, in per cent."""
    by_index = {s.index: d for s, d in zip(run.shots, run.played.decisions, strict=True)}
    thumbnails = {}
    for index, item in enumerate(run.dataset):
        if index not in shown:
            continue
        sent = run.received.pictures.get(by_index[index].frame_id)
        if sent:
            picture = Image.open(io.BytesIO(sent)).convert("RGB")
        else:
            camera = run.mission.camera
            picture = Image.fromarray(masked(decode(to_frame(item.open(), camera), camera), camera))
        picture.thumbnail(THUMBNAIL, Image.Resampling.BILINEAR)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=78)
        data = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
        share = picture.width / picture.height * THUMBNAIL[1] / THUMBNAIL[0]
        thumbnails[index] = data, min(100.0, 100 * share)
    return thumbnails


def _class_name(run: Run, decision: Decision) -> str:
    return escape(run.model.class_name(decision.class_index, run.mission))


def _state(run: Run, decision: Decision) -> str:
    if decision.frame_id in run.received.pictures:
        return '<span class="tag down">downlinked</span>'
    if reason_of(decision) is Reason.KEPT:
        where = "in flash" if decision.frame_id in run.played.stored else "evicted"
        return f'<span class="tag">{where}</span>'
    return f'<span class="tag">{escape(reason_of(decision).name.lower())}</span>'


def _box(run: Run, decision: Decision) -> str:
    """Over the picture that came down, which may be a part of the frame, or over the frame."""
    camera = run.mission.camera
    shown: dict[str, object] = {"left": 0, "top": 0, "width": camera.width, "height": camera.height}
    shown |= {"frame_width": camera.width, "frame_height": camera.height}
    if decision.frame_id in run.received.pictures:
        shown |= run.received.frames[decision.frame_id]
    names = ("box_x", "box_y", "box_width", "box_height")
    return f'<i class="box" style="{placed(shown | dict(zip(names, decision.box, strict=True)))}"></i>'


# --- The parts of the page -------------------------------------------------------------------------


def _head(run: Run) -> str:
    first, last = run.shots[0].time, run.shots[-1].time
    span = (last - first) / 65536
    return (
        f"<header><p>framekeep</p><h1>{escape(run.mission.name)}</h1>"
        f"<p>{escape(run.mission.description)}</p>"
        f"<p class=dim>{escape(run.dataset.name)} · {len(run.shots)} frames over {_duration(span)} · "
        f"{run.mission.camera.width} x {run.mission.camera.height} "
        f"{run.mission.camera.format.name} · {escape(run.model.path.name)} · "
        f"on {escape(str(run.played.target['name']))}</p></header>"
    )


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _tiles(summary: dict[str, Any]) -> str:
    offered, sent = summary["bytes_offered"], summary["bytes_downlinked"]
    tiles = [
        (f"{summary['frames']:,}", "frames taken"),
        (f"{summary['kept']:,}", f"of interest, {_percent(summary['kept'], summary['frames'])}"),
        (f"{summary['stored']:,}", f"in flash at the end, {summary['evicted']:,} evicted"),
        (f"{summary['downlinked']:,}", "pictures on the ground"),
        (bytes_text(sent), f"sent of {bytes_text(offered)} offered"),
        (_percent(offered - sent, offered), "of the bytes saved"),
    ]
    inner = "".join(f"<div><b>{value}</b><span>{text}</span></div>" for value, text in tiles)
    return f'<section class="tiles">{inner}</section>'


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


def _reasons(summary: dict[str, Any]) -> str:
    total = max(1, summary["frames"])
    counts = [(Reason[name], count) for name, count in summary["reasons"].items() if count]
    bar = "".join(
        f'<i class="r-{reason.name}" style="flex:{count}" title="{reason.name}"></i>'
        for reason, count in counts
    )
    rows = "".join(
        f'<tr><td><i class="dot r-{reason.name}"></i>{reason.name}<td class=n>{count}'
        f"<td class=n>{_percent(count, total)}<td>{escape(REASON_TEXT[reason])}"
        for reason, count in counts
    )
    return f'<section><h2>Why</h2><div class="bar">{bar}</div><table>{rows}</table></section>'


def _charts(run: Run, pairs: Sequence[Pair], summary: dict[str, Any]) -> str:
    thresholds = run.thresholds
    scored = [p for p in pairs if of_interest(p[1]) or reason_of(p[1]) is Reason.LOW_SCORE]
    if run.confusion():
        groups = [
            ("wanted", [d.score for s, d in scored if is_wanted(s.labels, run.wanted)]),
            ("unwanted", [d.score for s, d in scored if is_wanted(s.labels, run.wanted) is False]),
            ("unlabelled", [d.score for s, d in scored if s.labels is None]),
        ]
    else:
        groups = [("unlabelled", [d.score for _, d in scored])]
    legend = " ".join(
        f'<i class="dot {name}"></i>{name}' for name, scores in groups if scores and len(groups) > 1
    )
    scores = [d.score for _, d in pairs]
    classes = [f"r-{reason_of(d).name}" for _, d in pairs]
    charts = [
        ("Scores over time", "", strip(scores, classes, thresholds)),
        ("Scores", legend, histogram(groups, thresholds)),
    ]
    if run.played.fill:
        fill = [sample.bytes for sample in run.played.fill]
        text = f"{bytes_text(summary['flash_capacity'])} can be filled"
        charts.append(("Flash", text, area(fill, summary["flash_capacity"])))
    inner = "".join(
        f"<section><h2>{title}</h2><p class=dim>{text}</p>{chart}</section>" for title, text, chart in charts
    )
    return f'<div class="charts">{inner}</div>'


def _outlook(run: Run) -> str:
    ahead = run.outlook()
    if ahead is None:
        return ""
    lines = "<br>".join(escape(line.strip()) for line in sentences(ahead))
    return f"<section><h2>What fits, and for how long</h2><p>{lines}</p></section>"


def _section(gallery: Gallery, title: str, remark: str, pairs: Iterable[Pair]) -> str:
    cards = "".join(gallery.card(pair) for pair in pairs)
    if not cards:
        return f"<section><h2>{escape(title)}</h2><p class=dim>None.</p></section>"
    return (
        f"<section><h2>{escape(title)}</h2><p class=dim>{escape(remark)}</p>"
        f'<div class="gallery">{cards}</div></section>'
    )


def _labels(counted: Confusion | None) -> str:
    if counted is None:
        return ""
    rows = "".join(
        f"<tr><td>{escape(label)}<td class=n>{accepted}<td class=n>{count}"
        f"<td class=n>{_percent(accepted, count)}"
        for label, (accepted, count) in counted.by_label.items()
    )
    return (
        "<section><h2>Against the labels</h2><div class=columns><table>"
        "<tr><th><th class=n>kept<th class=n>dropped"
        f"<tr><td>wanted<td class=n>{counted.found}<td class=n>{counted.missed}"
        f"<tr><td>not wanted<td class=n>{counted.false}<td class=n>{counted.left}</table><table>"
        f"<tr><td>precision<td class=n>{_rate(counted.precision, counted.precision_interval)}"
        f"<tr><td>recall<td class=n>{_rate(counted.recall, counted.recall_interval)}</table><table>"
        f"<tr><th>label<th class=n>kept<th class=n>of<th class=n>{rows}</table></div>"
        "<p class=dim>Intervals hold 95 % (Wilson). A frame is kept when the trigger accepted it, "
        "whether or not the flash had room.</p></section>"
    )


def _rate(value: float | None, interval: tuple[float, float]) -> str:
    if value is None:
        return "none counted"
    return f"{100 * value:.1f} % <span class=dim>({100 * interval[0]:.1f} to {100 * interval[1]:.1f})</span>"


def _skipped(skipped: Sequence[tuple[str, str]]) -> str:
    if not skipped:
        return ""
    rows = "".join(f"<tr><td>{escape(name)}<td>{escape(why)}" for name, why in skipped[:50])
    more = f"<p class=dim>and {len(skipped) - 50} more</p>" if len(skipped) > 50 else ""
    return f"<section><h2>Pictures that could not be read</h2><table>{rows}</table>{more}</section>"


def _facts(run: Run, summary: dict[str, Any]) -> str:
    facts: list[tuple[str, object]] = [
        ("model id", summary["model_id"]),
        ("decisions, SHA-256", summary["digests"]["decisions"]),
        ("flash, SHA-256", summary["digests"]["flash"]),
        ("downlink, SHA-256", summary["digests"]["downlink"]),
        ("mission, SHA-256", summary["mission_sha256"]),
        *((f"target {name}", value) for name, value in summary["target"].items()),
    ]
    rows = "".join(f"<tr><td>{escape(name)}<td><code>{escape(str(value))}</code>" for name, value in facts)
    source = escape(run.mission.path.read_text("utf-8"))
    return (
        f"<section><h2>To do it again</h2><pre>{escape(run.command)}</pre><table class=facts>{rows}</table>"
        "<p class=dim>Equal digests mean equal behaviour: the same frames, mission and model give them "
        "on every target.</p>"
        f"<details><summary>The mission</summary><pre>{source}</pre></details></section>"
    )
