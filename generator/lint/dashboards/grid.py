"""Point 8: the grid is full, nothing lies on anything else."""

from collections.abc import Iterator

from generator.lint.dashboards.finding import Json, fields, items

Fault = tuple[int, str, str]

COLUMNS = 24
_FULL = (1 << COLUMNS) - 1


def grid(dashboard: Json) -> Iterator[Fault]:
    """The whole dashboard, then the inside of each closed row."""
    panels = items(dashboard.get("panels"))
    yield from _area(panels)
    for row in panels:
        if inner := items(row.get("panels")):
            yield from _area(inner)


def _area(panels: list[Json]) -> Iterator[Fault]:
    lines: dict[int, int] = {}
    for panel in panels:
        place = [fields(panel.get("gridPos")).get(key) for key in "xywh"]
        x, y, w, h = (number if isinstance(number, int) else -1 for number in place)
        if x < 0 or y < 0 or h < 1 or not 1 <= w <= COLUMNS - x:
            yield 8, "grid-bounds", f"{panel.get('title')!r} at x {x}, y {y} is {w} wide and {h} high"
            return
        taken = ((1 << w) - 1) << x
        for line in range(y, y + h):
            before = lines.get(line, 0)
            if before & taken:
                yield 8, "grid-overlap", f"{panel.get('title')!r} lies on another panel in line {line}"
                return
            lines[line] = before | taken
    top = min(lines, default=0)
    for line in range(top, max(lines, default=-1) + 1):
        if lines.get(line, 0) != _FULL:
            yield 8, "grid-gap", f"there is a gap in line {line}"
            return
