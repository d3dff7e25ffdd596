"""An answer as a picture: a timeline from top to bottom, in SVG.

The steps stand evenly, since minutes and days share one line; what was said of the times stands beside them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from generator.diagnostics import visible
from generator.routing.steps import Answer
from generator.routing.table import Row, afterwards, heading, rows

_WIDTH = 960
_MARGIN = 32
_TOP = 96
_NEAR_LINE, _FAR_LINE = 128, 336  # where the line of time stands beside "+5m", and beside a day with its time
_SHORT = 9  # characters of what stands beside the near one
_BESIDE = 28  # from the line to its texts
_STEP = 84  # from one step to the next, where its channels fill one line
_CHIP_STEP = 30
_CHIP_HEIGHT = 24
_CHIP_PADDING = 10
_CHIP_GAP = 8
_FOOT_STEP = 24
# Characters of the small text are at most this wide in the fonts that are likely to be there; capitals count more.
_NARROW, _WIDE = 7.4, 10.0
_INK, _QUIET, _LINE, _TOLD, _CHIP, _CHIP_INK = "#1f2933", "#616e7c", "#cbd2d9", "#2f6fed", "#e8effd", "#1d4fb8"
_FONT = "font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A row of the table with its channels broken into lines, and where it begins."""

    row: Row
    lines: tuple[tuple[str, ...], ...]
    top: int
    line_x: int

    @property
    def bottom(self) -> int:
        return self.top + _STEP + _CHIP_STEP * max(len(self.lines) - 1, 0)


def as_svg(answer: Answer) -> str:
    """The whole picture."""
    placed = _placed(answer)
    foot = placed[-1].bottom + 8
    after = [line for name, text in afterwards(answer) for line in _broken(name, text)]
    height = foot + _FOOT_STEP * len(after) + _MARGIN
    first, second = heading(answer)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
        f' role="img" {_FONT}>',
        f"<title>{_text(first)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _line_of_text(_MARGIN, 44, _shortened(first, 90), 16, _INK, bold=True),
        _line_of_text(_MARGIN, 68, second, 13, _QUIET),
        f'<line x1="{placed[0].line_x}" y1="{_TOP + 8}" x2="{placed[0].line_x}" y2="{placed[-1].top + 14}"'
        f' stroke="{_LINE}" stroke-width="2"/>',
        *(part for one in placed for part in _drawn(one)),
        f'<line x1="{_MARGIN}" y1="{foot - 18}" x2="{_WIDTH - _MARGIN}" y2="{foot - 18}" stroke="{_LINE}"/>',
    ]
    for number, (name, text) in enumerate(after):
        y = foot + 6 + _FOOT_STEP * number
        parts.append(_line_of_text(_MARGIN, y, name, 13, _INK, bold=True))
        parts.append(_line_of_text(_MARGIN + 84, y, text, 13, _QUIET))
    return "\n".join([*parts, "</svg>", ""])


def _placed(answer: Answer) -> list[_Placed]:
    found: list[_Placed] = []
    top = _TOP
    line_x = _NEAR_LINE if all(len(when) <= _SHORT for when, *_ in rows(answer)) else _FAR_LINE
    for row in rows(answer):
        _, who, over, _ = row
        lines = ((over,),) if who == "nobody" else tuple(_lines(over.split(", "), _WIDTH - _MARGIN - line_x - _BESIDE))
        found.append(_Placed(row, lines, top, line_x))
        top = found[-1].bottom
    return found


def _lines(chips: list[str], width: int) -> Iterator[tuple[str, ...]]:
    """The chips in as few lines as they need."""
    line: list[str] = []
    used = 0.0
    for chip in (_shortened(chip, 72) for chip in chips):
        needed = _chip_width(chip) + _CHIP_GAP
        if line and used + needed > width:
            yield tuple(line)
            line, used = [], 0.0
        line.append(chip)
        used += needed
    yield tuple(line)


def _drawn(one: _Placed) -> Iterator[str]:
    when, who, _, again = one.row
    y = one.top + 14
    told = who != "nobody"
    x = one.line_x + _BESIDE
    yield _line_of_text(one.line_x - 24, y + 5, when, 14, _INK if told else _QUIET, bold=told, end=True)
    fill, stroke = (_TOLD, _TOLD) if told else ("#ffffff", "#9aa5b1")
    yield f'<circle cx="{one.line_x}" cy="{y}" r="7" fill="{fill}" stroke="{stroke}" stroke-width="2"/>'
    yield _line_of_text(x, y + 5, _shortened(who, 60), 15, _INK if told else _QUIET, bold=told)
    if again:
        yield _line_of_text(_WIDTH - _MARGIN, y + 5, f"again {again}", 13, _QUIET, end=True)
    for number, line in enumerate(one.lines):
        y = one.top + 30 + _CHIP_STEP * number
        if told:
            yield from _chips(line, x, y)
        else:
            yield _line_of_text(x, y + 14, _shortened(line[0], 84), 13, _QUIET)


def _chips(line: tuple[str, ...], x: int, top: int) -> Iterator[str]:
    left = float(x)
    for chip in line:
        width = _chip_width(chip)
        yield (
            f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_CHIP_HEIGHT}" rx="12" fill="{_CHIP}"/>'
            f'<text x="{left + width / 2:.1f}" y="{top + 16}" font-size="12.5" fill="{_CHIP_INK}"'
            f' text-anchor="middle">{_text(chip)}</text>'
        )
        left += width + _CHIP_GAP


def _chip_width(chip: str) -> float:
    return (
        sum(_WIDE if not char.isascii() or char in "@mwMW+" or char.isupper() else _NARROW for char in chip)
        + 2 * _CHIP_PADDING
    )


def _broken(name: str, text: str) -> Iterator[tuple[str, str]]:
    """A text in lines of what the width holds, its name before the first."""
    line = ""
    for word in text.split(" "):
        if line and len(line) + len(word) > 110:
            yield name, line
            name, line = "", ""
        line = f"{line} {word}" if line else word
    yield name, line


def _line_of_text(x: int, y: int, text: str, size: int, color: str, *, bold: bool = False, end: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}"{weight}{anchor}>{_text(text)}</text>'


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _text(text: str) -> str:
    return escape(visible(text))
