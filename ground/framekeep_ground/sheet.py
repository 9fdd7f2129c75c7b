"""A contact sheet: one page to look at instead of tables to read."""

import base64
import html
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

THUMBNAIL = 200  # pixels, longer side
PICTURES_MAX = 300  # on one page; the tables have all
AUDIT_MAX = 600

_STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:2em auto;max-width:1200px;padding:0 1em;
color:#222;background:#fafafa}
h1{font-size:1.4em}table{border-collapse:collapse}td,th{padding:.1em .8em .1em 0;text-align:left}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(220px,1fr));gap:14px;margin-top:1em}
figure{margin:0;background:#fff;border:1px solid #ddd;border-radius:4px;overflow:hidden}
figure.bad{border:2px solid #c60}.pic{position:relative}.pic img{display:block;width:100%}
.box{position:absolute;border:2px solid #0c4;box-sizing:border-box}
.audit{display:grid;grid-template-columns:repeat(auto-fill,minmax(112px,1fr));gap:8px}
.audit img{display:block;width:100%;image-rendering:pixelated}.audit .dropped{opacity:.75}
figcaption{padding:.4em .6em}.warn{color:#a40;font-weight:600}
"""


@dataclass(frozen=True, slots=True)
class Card:
    """One picture on the sheet."""

    path: Path | None  # None where there is nothing to show yet
    link: str
    frame_id: int
    status: str
    shown: str
    info: dict[str, object]

    @property
    def value(self) -> int:
        """What ranks it; 0 where nothing is known."""
        return int(str(self.info.get("value", 0)))


@dataclass(frozen=True, slots=True)
class Audited:
    """A thumbnail of a frame that was chosen by its number, and what the flight code made of it."""

    frame_id: int
    png: bytes
    reason: str  # "" where its decision record is missing
    score: int  # 0..255


def sheet(cards: Iterable[Card], summary: dict[str, Any], audited: Sequence[Audited] = ()) -> str:
    """The page, self-contained: the most valuable pictures first."""
    ranked = sorted(cards, key=lambda card: (-card.value, card.frame_id))
    reasons = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{count:,}</td></tr>"
        for name, count in summary["reasons"].items()
    )
    states = ", ".join(f"{count:,} {name}" for name, count in summary["frames"].items() if count) or "none"
    note = (
        f"<p>The {PICTURES_MAX} most valuable of {len(ranked):,}.</p>" if len(ranked) > PICTURES_MAX else ""
    )
    resend = " ".join(summary["resend"][:50])
    return "\n".join(
        [
            "<!doctype html><meta charset=utf-8><title>framekeep downlink</title>",
            f"<style>{_STYLE}</style>",
            f"<h1>{html.escape(str(summary['source']))}</h1>",
            f"<p>{_short(summary['first_time'])} to {_short(summary['last_time'])}. Pictures: {states}.</p>",
            f"<table><tr><th>decision</th><th>frames</th></tr>{reasons}</table>",
            f"<p class=warn>To ask for again: {html.escape(resend)}</p>" if resend else "",
            note,
            "<div class=grid>",
            *(_figure(card) for card in ranked[:PICTURES_MAX]),
            "</div>",
            *_audit(audited),
            "",
        ]
    )


def _audit(audited: Sequence[Audited]) -> Iterator[str]:
    """The sample of all frames, newest first: what was dropped is judged here by eye."""
    if not audited:
        return
    yield "<h2>Audit</h2><p>Frames chosen by their number, kept or not: a fair sample of what the camera saw."
    if len(audited) > AUDIT_MAX:
        yield f"The newest {AUDIT_MAX} of {len(audited):,}."
    yield "</p><div class=audit>"
    for one in reversed(audited[-AUDIT_MAX:]):
        data = base64.b64encode(one.png).decode()
        kept = "" if one.reason == "KEPT" else " class=dropped"
        said = f"{html.escape(one.reason)} {one.score}/255" if one.reason else "no record"
        yield (
            f'<figure{kept}><img alt="frame {one.frame_id}" src="data:image/png;base64,{data}">'
            f"<figcaption>{one.frame_id}<br>{said}</figcaption></figure>"
        )
    yield "</div>"


def _short(time: object) -> str:
    """A time of a table for reading: to the second."""
    return f"{str(time)[:19].replace('T', ' ')} UTC" if time else "no time known"


def _figure(card: Card) -> str:
    whole = card.status == "complete"
    warning = (
        "" if whole else f"<br><span class=warn>{html.escape(card.status)} {html.escape(card.shown)}</span>"
    )
    caption = f"frame {card.frame_id}"
    if card.info:
        caption += (
            f"<br>class {card.info['class_index']}, score {card.info['score']}/255"
            f"<br>value {card.info['value']}<br>{_short(card.info['time'])}"
        )
    image = ""
    if card.path is not None:
        image = f'<img alt="frame {card.frame_id}" src="{_thumbnail(card.path)}">{_box(card)}'
        image = f'<a href="{card.link}"><div class=pic>{image}</div></a>'
    return (
        f"<figure{'' if whole else ' class=bad'}>{image}<figcaption>{caption}{warning}</figcaption></figure>"
    )


def _box(card: Card) -> str:
    if not card.info.get("box_width") or not card.info.get("frame_width"):
        return ""  # not announced: nobody said which part of the frame this is
    return f'<div class=box style="{placed(card.info)}"></div>'


def placed(info: Mapping[str, object]) -> str:
    """Where the object is over the picture, as CSS: `info` is a row of frames.csv.

    The box is a part of the frame, and so may the picture be.
    """

    def span(begin: str, side: str, first: str) -> tuple[float, float]:
        at, length, frame, before, picture = (
            int(str(info[name])) for name in (f"box_{begin}", f"box_{side}", f"frame_{side}", first, side)
        )
        start = at * frame / 65535 - before
        inside = [100 * min(max(edge / picture, 0), 1) for edge in (start, start + length * frame / 65535)]
        return inside[0], inside[1] - inside[0]

    left, width = span("x", "width", "left")
    top, height = span("y", "height", "top")
    return f"left:{left:.1f}%;top:{top:.1f}%;width:{width:.1f}%;height:{height:.1f}%"


def _thumbnail(path: Path) -> str:
    try:
        with Image.open(path) as image:
            image.thumbnail((THUMBNAIL, THUMBNAIL))
            small = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""  # whole, as its CRC says, but no picture: the caption still shows it
    out = io.BytesIO()
    small.save(out, "JPEG", quality=60)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
