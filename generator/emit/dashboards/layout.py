"""Where panels stand: rows of full width without gaps, in an order that reads well in one column."""

from collections.abc import Sequence
from dataclasses import dataclass

import grafanalib.core as grafana

from generator.emit.dashboards.panel import Viz

COLUMNS = 24
# Beyond this many queries the browser and Prometheus suffer: rows below are closed, and ask nothing until opened.
OPEN_QUERIES = 120


@dataclass(frozen=True, slots=True)
class Section:
    """A titled row of panels of one height, at most ``per_line`` beside each other."""

    key: str
    title: str
    per_line: int
    height: int
    panels: Sequence[Viz]


def arrange(sections: Sequence[Section]) -> list[grafana.RowPanel | Viz]:
    """Give every panel its place; sections without panels fall away."""
    placed: list[grafana.RowPanel | Viz] = []
    y = 0
    queries = 0
    for section in sections:
        if not section.panels:
            continue
        queries += sum(len(panel.targets) for panel in section.panels)
        closed = queries > OPEN_QUERIES
        row = grafana.RowPanel(title=section.title, collapsed=closed, gridPos=grafana.GridPos(h=1, w=COLUMNS, x=0, y=y))
        row.key = f"row/{section.key}"
        placed.append(row)
        end = _fill(section, y + 1)
        if closed:
            row.panels = list(section.panels)
            y += 1
        else:
            placed.extend(section.panels)
            y = end
    return placed


def _fill(section: Section, y: int) -> int:
    """Spread the panels evenly over as few lines as they need; the y below them."""
    count = len(section.panels)
    lines = -(-count // section.per_line)
    panels = iter(section.panels)
    for line in range(lines):
        beside = count // lines + (line < count % lines)
        x = 0
        for position in range(beside):
            width = COLUMNS // beside + (position < COLUMNS % beside)
            next(panels).gridPos = grafana.GridPos(h=section.height, w=width, x=x, y=y)
            x += width
        y += section.height
    return y
