"""A contact sheet: one page to look at instead of tables to read."""

import base64
import html
import io
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image

from framekeep_ground.codes import REASON_TEXT, Reason
from framekeep_ground.jpeg_repair import Area
from framekeep_ground.judge import Judged

THUMBNAIL = 240  # pixels, longer side
CLOSE_UP = 320  # of a pair
PICTURES_MAX = 300  # on one page; the tables have all
PAIRS_MAX = 60
AUDIT_MAX = 600


@dataclass(frozen=True, slots=True)
class Card:
    """One picture on the sheet."""

    path: Path | None  # None where there is nothing to show yet
    link: str
    judged: Judged
    info: dict[str, object]
    before: Judged | None = None  # what it was when the newest source began, if that brought more
    new: bool = False  # nothing was known of it then

    @property
    def frame_id(self) -> int:
        return self.judged.picture.frame_id

    @property
    def whole(self) -> bool:
        return self.judged.status == "complete"

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


def sheet(
    cards: Iterable[Card], summary: dict[str, Any], audited: Sequence[Audited] = (), folder: str = "."
) -> str:
    """The page, self-contained: what was repaired, what is missing, then the most valuable pictures first."""
    ranked = sorted(cards, key=lambda card: (-card.value, card.frame_id))
    repaired = [card for card in ranked if card.before is not None]
    holed = [card for card in ranked if not card.whole]
    whole = [card for card in ranked if card.whole]
    style = (files("framekeep_ground") / "sheet.css").read_text("utf-8")
    body = [
        _head(summary),
        _tiles(summary),
        _section("Repaired", _remark_repaired(repaired), "pairs", map(_pair, repaired[:PAIRS_MAX])),
        _section("Not whole", _remark_holed(holed), "grid", map(_holed, holed[:PICTURES_MAX])),
        _missing(holed, summary, folder),
        _section("Whole", _remark_whole(whole), "grid", map(_figure, whole[:PICTURES_MAX])),
        _decisions(summary),
        "".join(_audit(audited)),
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>framekeep downlink</title><style>{style}</style>"
        f"<main>{''.join(body)}</main></html>\n"
    )


# --- The parts of the page ------------------------------------------------------------------------


def _head(summary: dict[str, Any]) -> str:
    span = f"{short(summary['first_time'])} to {short(summary['last_time'])}"
    source = html.escape(str(summary["source"]))
    return f"<header><p>framekeep</p><h1>Downlink</h1><p>{source}</p><p class=dim>{span}</p></header>"


def _tiles(summary: dict[str, Any]) -> str:
    frames, missing = summary["frames"], summary["missing"]
    holed = sum(count for status, count in frames.items() if status != "complete")
    tiles = [
        (frames["complete"], "pictures whole, by their CRC", False),
        (holed, "pictures not whole", holed > 0),
        (summary["decisions"], f"frames decided, {missing['decision']:,} records missing", False),
        (sum(summary["packets"].values()), "packets received", False),
        (missing["sequence"], "packets lost, by their counts", holed > 0),
    ]
    inner = "".join(
        f"<div{' class=bad' if bad else ''}><b>{value:,}</b><span>{text}</span></div>"
        for value, text, bad in tiles
    )
    return f'<section class="tiles">{inner}</section>'


def _section(title: str, remark: str, kind: str, figures: Iterable[str]) -> str:
    inner = "".join(figures)
    if not inner:
        return ""
    return f'<section><h2>{title}</h2><p class=dim>{remark}</p><div class="{kind}">{inner}</div></section>'


def _remark_repaired(cards: Sequence[Card]) -> str:
    done = sum(card.whole for card in cards)
    return (
        f"What {len(cards):,} pictures were before the newest source, and are with it: {done:,} of them "
        f"whole. Hatched is what had not come down.{_limit(cards, PAIRS_MAX)}"
    )


def _remark_holed(cards: Sequence[Card]) -> str:
    return (
        "What came is in its place; hatched is what did not come, grey in the file and never made up."
        f"{_limit(cards, PICTURES_MAX)}"
    )


def _remark_whole(cards: Sequence[Card]) -> str:
    new = sum(card.new for card in cards)
    return (
        f"The most valuable first.{f' {new:,} are new in the newest source.' if new else ''}"
        f"{_limit(cards, PICTURES_MAX)}"
    )


def _limit(cards: Sequence[Card], most: int) -> str:
    return f" The {most} most valuable of {len(cards):,}." if len(cards) > most else ""


def _missing(holed: Sequence[Card], summary: dict[str, Any], folder: str) -> str:
    """What is missing of each picture, and how to ask for it."""
    if not holed:
        return ""
    rows = []
    for card in holed[:PICTURES_MAX]:
        judged = card.judged
        holes = ", ".join(f"{first:,} to {last:,}" for first, last in judged.holes) or "none"
        rest = "" if judged.picture.crc32 else ", and its announcement"
        if card.frame_id in summary["gone"]:
            rest += "; no longer on board"
        rows.append(
            f"<tr><td class=n>{card.frame_id}<td>{judged.status}<td class=n>{judged.received:,} "
            f"of {judged.picture.size:,}<td class=n>{html.escape(judged.shown.partition(',')[0])}"
            f"<td>{holes}{rest}"
        )
    asked = ""
    if summary["resend"]:
        asked = (
            "<p class=dim>Telecommands that ask for it, for the next pass to bring it:</p>"
            f"<pre>fk-ground command resend --from {html.escape(shlex.quote(folder))} -o resend.tc</pre>"
        )
    return (
        "<section><h2>What is missing</h2><table><tr><th class=n>frame<th>status<th class=n>bytes received"
        f"<th class=n>area shown<th>bytes missing{''.join(rows)}</table>{asked}</section>"
    )


def _decisions(summary: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(name)}<td class=n>{count:,}<td>{html.escape(_why(name))}"
        for name, count in summary["reasons"].items()
    )
    return f"<section><h2>Why</h2><table><tr><th>decision<th class=n>frames<th>{rows}</table></section>"


def _why(name: str) -> str:
    return REASON_TEXT[Reason[name]] if name in Reason.__members__ else ""


def _audit(audited: Sequence[Audited]) -> Iterator[str]:
    """The sample of all frames, newest first: what was dropped is judged here by eye."""
    if not audited:
        return
    yield "<section><h2>Audit</h2><p class=dim>Frames chosen by their number, kept or not: a fair sample of "
    yield "what the camera saw."
    if len(audited) > AUDIT_MAX:
        yield f" The newest {AUDIT_MAX} of {len(audited):,}."
    yield "</p><div class=audit>"
    for one in reversed(audited[-AUDIT_MAX:]):
        data = base64.b64encode(one.png).decode()
        kept = "" if one.reason == "KEPT" else " class=dropped"
        said = f"{html.escape(one.reason)} {one.score}/255" if one.reason else "no record"
        yield (
            f'<figure{kept}><img alt="frame {one.frame_id}" src="data:image/png;base64,{data}">'
            f"<figcaption><b>{one.frame_id}</b><br>{said}</figcaption></figure>"
        )
    yield "</div></section>"


# --- Pictures -------------------------------------------------------------------------------------


def _figure(card: Card) -> str:
    new = " <span class=tag>new</span>" if card.new else ""
    return f"<figure>{_linked(card, THUMBNAIL)}<figcaption>{_caption(card)}{new}</figcaption></figure>"


def _holed(card: Card) -> str:
    said = f"<br><span class=warn>{card.judged.status} {html.escape(card.judged.shown)}</span>"
    return f"<figure>{_linked(card, THUMBNAIL)}<figcaption>{_caption(card)}{said}</figcaption></figure>"


def _pair(card: Card) -> str:
    """Before and after."""
    before, now = card.before, card.judged
    assert before is not None
    made = before.repaired
    unmade = before.status if before.data else "nothing to see"
    shown = f"{100 * made.shown // made.total} % of the area" if made else unmade
    left = _picture(before.data, _hatched(before), "nothing came", bad=True)
    result = "<span class=good>whole</span>" if card.whole else f"<span class=warn>{now.status}</span>"
    return (
        f'<figure><div class="pair">{left}<i>&#9654;</i>{_linked(card, CLOSE_UP)}</div>'
        f"<figcaption><b>frame {card.frame_id}</b>: {before.received:,} of {before.picture.size:,} bytes, "
        f"{shown}; now {now.received:,}, {result}</figcaption></figure>"
    )


def _linked(card: Card, side: int) -> str:
    """The picture as it is now, a link to its file if it has one: of an id's pictures the best has."""
    try:
        data = card.path.read_bytes() if card.path is not None else card.judged.data
    except OSError:
        data = None
    picture = _picture(data, _hatched(card.judged) + _box(card), "nothing came", not card.whole, side)
    return f'<a href="{card.link}">{picture}</a>' if card.path is not None else picture


def _picture(data: bytes | None, over: str, empty: str, bad: bool, side: int = CLOSE_UP) -> str:
    frame = " bad" if bad else ""
    source = _thumbnail(data, side) if data else ""
    if not source:  # where it is whole, as its CRC says, but no picture, the caption still shows it
        return f'<div class="pic none{frame}">{empty}</div>'
    return f'<div class="pic{frame}"><img alt="" src="{source}">{over}</div>'


def _caption(card: Card) -> str:
    text = f"<b>frame {card.frame_id}</b>"
    if card.info:
        text += (
            f" class {card.info['class_index']}, {card.info['score']}/255"
            f"<br>value {card.info['value']}<br>{short(card.info['time'])}"
        )
    return text


def short(time: object) -> str:
    """A time of a table for reading: to the second."""
    return f"{str(time)[:19].replace('T', ' ')} UTC" if time else "no time known"


def _hatched(judged: Judged) -> str:
    """Over a picture, what of it did not come down."""
    made = judged.repaired
    if made is None:
        return ""
    name = f"h{judged.picture.frame_id}-{judged.received}"
    step = max(made.width, made.height) / 40
    return (
        f'<svg viewBox="0 0 {made.width} {made.height}" preserveAspectRatio="none" aria-hidden="true">'
        f'<pattern id="{name}" width="{step:.0f}" height="{step:.0f}" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><rect width="{step:.0f}" height="{step:.0f}" fill="#344054"/>'
        f'<rect width="{step / 3:.1f}" height="{step:.0f}" fill="#f79009"/></pattern>'
        f'<path fill="url(#{name})" d="{"".join(map(_outline, made.grey))}"/></svg>'
    )


def _outline(area: Area) -> str:
    left, upper, width, height = area
    return f"M{left} {upper}h{width}v{height}h-{width}z"


def _box(card: Card) -> str:
    if not all(card.info.get(name) for name in ("box_width", "frame_width", "width", "height")):
        return ""  # not announced, or as nothing: nobody said which part of the frame this is
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


def _thumbnail(data: bytes, side: int) -> str:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.thumbnail((side, side))
            small = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""
    out = io.BytesIO()
    small.save(out, "JPEG", quality=70)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
