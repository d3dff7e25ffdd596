"""YAML text to plain values, with a Span for every path in them.

Scalars are read as YAML 1.2 reads them, so that nothing surprises: ``18:00``, ``on``, ``0777`` and ``+4673…`` arrive
as they were written. Spans are computed only when the first is asked for: most files have nothing wrong with them.
"""

import bisect
import functools
import math
import re
from typing import Any, NamedTuple

import yaml
from yaml import events

from generator.diagnostics import Problem, Span
from generator.yaml_syntax import explain, without

# PyYAML may have been built without libyaml: the same events, slower.
_Parser: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

_TYPE_NAMES = {dict: "a mapping", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}

Path = tuple[str | int, ...]

DEPTH_LIMIT = 50
EXPANSION_LIMIT = 100_000
_PROBLEM_LIMIT = 20  # of one kind in one file; more would only hide the first

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = frozenset({"", "~", "null"})
_SPECIAL = _NULLS | _BOOLEANS.keys()
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NUMBER_START = frozenset("-0123456789")
_CONTROL = re.compile("[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_SKIPPED = object()  # the key of a value that nobody will see because the key was refused


def kind(value: object) -> str:
    """What a person calls a plain value: ``text``, ``a number``, ``nothing``."""
    return "nothing" if value is None else _TYPE_NAMES[type(value)]


def scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means."""
    if text in _SPECIAL:
        return _BOOLEANS.get(text)
    if text[0] in _NUMBER_START and len(text) <= 300 and (match := _NUMBER.fullmatch(text)):
        if match[1] is None and match[2] is None:
            return int(text)
        number = float(text)
        return number if math.isfinite(number) else text
    return text


class _Mark(NamedTuple):
    """Where a value and its key stand, as offsets into the text."""

    start: int
    end: int
    style: str | None
    key_start: int
    key_end: int


class Lines:
    """Offsets of a text as lines and columns."""

    def __init__(self, path: str, text: str) -> None:
        """Find where each line starts."""
        self._path = path
        self._text = text
        self._starts = [0, *(match.end() for match in _LINE_BREAK.finditer(text))]

    def line(self, offset: int) -> int:
        """The line of an offset, from 1."""
        return bisect.bisect_right(self._starts, offset)

    def span(self, start: int, end: int) -> Span:
        """The stretch from ``start``, cut where its line ends."""
        start = min(start, len(self._text))
        line = self.line(start)
        first = self._starts[line - 1]
        last = self._starts[line] if line < len(self._starts) else len(self._text)
        width = len(self._text[start : min(end, last)].rstrip())
        return Span(self._path, line, start - first + 1, start - first + 1 + max(width, 1))


class Source:
    """One file that could be read: its text and its plain value."""

    def __init__(self, path: str, text: str, value: Any) -> None:
        """Hold what was read; spans come when asked for."""
        self.path = path
        self.text = text
        self.value = value

    @functools.cached_property
    def _lines(self) -> Lines:
        return Lines(self.path, self.text)

    @functools.cached_property
    def _marks(self) -> dict[Path, _Mark]:
        return _Composer(self.path, self.text, keep_marks=True).compose().marks

    def span(self, path: Path) -> Span:
        """Where the value at ``path`` stands, or the nearest of its parents that exists."""
        mark = self._nearest(path)
        return self._lines.span(mark.start, mark.end) if mark else Span(self.path)

    def key_span(self, path: Path) -> Span:
        """Where the key of the value at ``path`` stands."""
        mark = self._nearest(path)
        if mark is None:
            return Span(self.path)
        return self._lines.span(*((mark.key_start, mark.key_end) if mark.key_start >= 0 else (mark.start, mark.end)))

    def text_span(self, path: Path, start: int, end: int) -> Span:
        """Where the characters ``start`` to ``end`` of the text at ``path`` stand; best effort for folded text."""
        mark = self._marks.get(path)
        if mark is None or mark.style is None:
            return self.span(path)
        value: Any = self.value
        for step in path:
            value = value[step]
        offsets = _alignment(str(value), self.text, mark)
        if start >= len(offsets):
            return self._lines.span(offsets[-1] + 1, offsets[-1] + 2) if offsets else self.span(path)
        return self._lines.span(offsets[start], offsets[max(start, min(end, len(offsets)) - 1)] + 1)

    def raw(self, path: Path) -> str:
        """The text of the scalar at ``path`` as it was written, its first line."""
        mark = self._marks.get(path)
        return self.text[mark.start : mark.end].partition("\n")[0].strip() if mark else ""

    def block(self, path: Path) -> str:
        """The lines on which a key and its value stand, as they are written; nothing where there is no such key."""
        mark = self._marks.get(path)
        if mark is None or mark.key_start < 0:
            return ""
        start = self.text.rfind("\n", 0, mark.key_start) + 1
        # A block ends for YAML where the next thing begins: comments before that belong to what comes next.
        lines = self.text[start : max(mark.end, mark.key_end)].rstrip().split("\n")
        while lines[1:] and _is_before(lines[-1], mark.key_start - start):
            lines.pop()
        end = start + len("\n".join(lines))
        rest = self.text[end:].partition("\n")[0]
        return "\n".join(lines) + rest.rstrip()

    def _nearest(self, path: Path) -> _Mark | None:
        while path and path not in self._marks:
            path = path[:-1]
        return self._marks.get(path)


def _is_before(line: str, column: int) -> bool:
    """Whether a line is empty, or a comment no deeper than a key in this column."""
    text = line.lstrip()
    return not text or (text.startswith("#") and len(line) - len(text) <= column)


def parse(path: str, content: bytes) -> Source | tuple[Problem, ...]:
    """Read one file, or say everything that is wrong with it as YAML."""
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return (_not_utf8(path, content, error.start),)
    if problems := _control_characters(path, text):
        return problems
    composer, syntax = _compose(path, text)
    if not syntax and not composer.problems and composer.value is None:
        return (Problem(Span(path), "empty-file", "the file is empty", ("a file that is not needed can be deleted",)),)
    if syntax or composer.problems:
        odd_lines = {problem.span.line for problem in composer.problems if problem.code == "non-text-key"}
        rest = (p for p in composer.problems if p.message != _NO_VALUE or p.span.line not in odd_lines)
        return tuple(sorted({*syntax, *rest}))
    return Source(path, text, composer.value)


def _compose(path: str, text: str) -> tuple["_Composer", list[Problem]]:
    """Compose; after an error of syntax again without the value that is wrong, so that the next one is found too."""
    problems: list[Problem] = []
    lines = Lines(path, text)
    original = text
    while True:
        composer = _Composer(path, text)
        try:
            return composer.compose(), problems
        except yaml.MarkedYAMLError as error:
            trouble = explain(original, text, error)
            span = lines.span(trouble.start, trouble.end)
            if problems and span.line <= problems[-1].span.line:
                return composer, problems
            problems.append(Problem(span, "yaml-syntax", trouble.message, trouble.help))
            patched = without(text, trouble.start)
            if patched == text or len(problems) >= _PROBLEM_LIMIT:
                return composer, problems
            text = patched


def _not_utf8(path: str, content: bytes, offset: int) -> Problem:
    before = content[:offset].decode("utf-8").removeprefix("\ufeff")
    line = len(_LINE_BREAK.findall(before)) + 1
    column = len(_LINE_BREAK.split(before)[-1]) + 1
    help_ = ("save the file as UTF-8",)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        help_ = ("this looks like UTF-16; save the file as UTF-8",)
    message = f"the file is not UTF-8: byte 0x{content[offset]:02x}"
    return Problem(Span(path, line, column, column + 1), "not-utf8", message, help_)


def _control_characters(path: str, text: str) -> tuple[Problem, ...]:
    """Characters that no YAML file may hold; a terminal would obey some of them."""
    found = [match.start() for match in _CONTROL.finditer(text)]
    if not found:
        return ()
    lines = Lines(path, text)
    return tuple(
        Problem(
            lines.span(offset, offset + 1),
            "control-character",
            f"control character U+{ord(text[offset]):04X}",
            ("delete it",),
        )
        for offset in found[:_PROBLEM_LIMIT]
    )


class _Refused(Exception):
    """What was read so far cannot be continued; the problem is already noted."""


class _Frame:
    """A mapping or list that is being read."""

    __slots__ = ("anchor", "container", "count", "flow", "key", "key_mark", "offsets", "start")

    def __init__(self, container: dict[str, Any] | list[Any], event: Any, count: int) -> None:
        self.container = container
        self.anchor: str | None = event.anchor
        self.flow: bool = event.flow_style
        self.count = count
        self.start: int = event.start_mark.index
        self.offsets: dict[str, int] = {}  # where each key stands
        self.key: Any = None
        self.key_mark: tuple[int, int] = (-1, -1)


class _Composer:
    """Events to plain values.

    A loop of its own instead of PyYAML's constructor: no recursion, so that no nesting can break it; every fault is
    noted instead of the first raised; and it is three times as fast.
    """

    def __init__(self, path: str, text: str, *, keep_marks: bool = False) -> None:
        self.value: Any = None
        self.problems: list[Problem] = []
        self.marks: dict[Path, _Mark] = {}
        self._path = path
        self._text = text
        self._keep_marks = keep_marks
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._expanded = 0
        self._documents = 0

    @functools.cached_property
    def _lines(self) -> Lines:
        return Lines(self._path, self._text)

    def compose(self) -> "_Composer":
        parser = _Parser(self._text)
        reactions = {
            events.ScalarEvent: self._on_scalar,
            events.MappingStartEvent: self._on_start,
            events.SequenceStartEvent: self._on_start,
            events.MappingEndEvent: self._on_end,
            events.SequenceEndEvent: self._on_end,
            events.AliasEvent: self._on_alias,
            events.DocumentStartEvent: self._on_document,
        }
        try:
            while (event := parser.get_event()) is not None:
                reaction = reactions.get(type(event))
                if reaction is not None:
                    reaction(event)
        except _Refused:
            pass
        finally:
            parser.dispose()
        return self

    def _on_document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            help_ = ("one file is one document: split it, or delete the line ---",)
            self._refuse(event, "yaml-syntax", "a second document begins here", *help_)
            raise _Refused

    def _on_scalar(self, event: Any) -> None:
        text: str = event.value
        style: str = event.style
        if event.tag is not None:
            self._refuse_tag(event)
        value: Any = text
        if not style:
            value = scalar(text)
            if self._frames and self._frames[-1].flow and ("(" in text or not text):
                self._check_comma(event)
        elif style == '"' and _CONTROL.search(text):
            self._refuse(event, "control-character", "the text holds a control character", "delete its escape")
        self._nodes += 1
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        self._place(value, event, style or "plain")

    def _on_start(self, event: Any) -> None:
        if event.tag is not None:
            self._refuse_tag(event)
        if len(self._frames) >= DEPTH_LIMIT:
            self._refuse(event, "nesting-too-deep", f"more than {DEPTH_LIMIT} levels of nesting")
            raise _Refused
        frame = _Frame({} if type(event) is events.MappingStartEvent else [], event, self._nodes)
        self._nodes += 1
        self._frames.append(frame)

    def _on_end(self, event: Any) -> None:
        frame = self._frames.pop()
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (frame.container, self._nodes - frame.count)
        self._place(frame.container, event, None, frame.start)

    def _on_alias(self, event: Any) -> None:
        name = event.anchor
        if any(frame.anchor == name for frame in self._frames):
            self._refuse(event, "alias-bomb", f"the alias *{name} stands inside of what it repeats", _ALIAS_HELP)
            raise _Refused
        if name not in self._anchors:
            self._refuse(event, "yaml-syntax", f"nothing is called &{name}", 'text that begins with "*": quote it')
            self._place(None, event, None)
            return
        value, size = self._anchors[name]
        self._nodes += size
        self._expanded += size
        if self._expanded > EXPANSION_LIMIT:
            self._refuse(event, "alias-bomb", f"aliases unfold to more than {EXPANSION_LIMIT:,} values", _ALIAS_HELP)
            raise _Refused
        self._place(value, event, None)

    def _place(self, value: Any, event: Any, style: str | None, start: int | None = None) -> None:
        """Put a finished value where it belongs: the root, an item, a key, or the value of the key before it."""
        if not self._frames:
            self.value = value
            if self._keep_marks:
                self._mark((), event, style, start, (-1, -1))
            return
        frame = self._frames[-1]
        container = frame.container
        if type(container) is list:
            container.append(value)
            if self._keep_marks:
                self._mark((*self._here(), len(container) - 1), event, style, start, (-1, -1))
        elif frame.key is None:
            frame.key = self._key(value, event, frame, start)
            if self._keep_marks:
                frame.key_mark = (event.start_mark.index, event.end_mark.index)
        else:
            if frame.key is not _SKIPPED:
                container[frame.key] = value
                if self._keep_marks:
                    self._mark((*self._here(), frame.key), event, style, start, frame.key_mark)
            frame.key = None

    def _key(self, value: Any, event: Any, frame: _Frame, start: int | None) -> Any:
        """The key to use, or _SKIPPED if it is refused."""
        if type(value) is not str:
            found = self._text[event.start_mark.index : event.end_mark.index]
            if start is None and found and value is not None:
                help_ = (f'quote it: "{found}"',)
            elif start is not None:
                help_ = ("text that begins with { or [: quote the whole text",)
            else:
                help_ = ("write a key before the colon",)
            offset = event.start_mark.index if start is None else start
            span = self._lines.span(offset, event.end_mark.index)
            self.problems.append(Problem(span, "non-text-key", f"a key must be text; this is {kind(value)}", help_))
            return _SKIPPED
        if value == "<<" and not event.style:
            self._refuse(event, "merge-key", "merge keys (<<) are not supported", "write the keys out")
            return _SKIPPED
        if value in frame.offsets:
            first = self._lines.line(frame.offsets[value])
            self._refuse(event, "duplicate-key", f'the key "{value}" stands here twice', f"first in line {first}")
            return _SKIPPED
        frame.offsets[value] = event.start_mark.index
        return value

    def _check_comma(self, event: Any) -> None:
        """A comma inside { } or [ ] ends a text, which surprises whoever writes ``{sql: greatest(a, b)}``."""
        text = event.value
        start, end = event.start_mark.index, event.end_mark.index
        if text.count("(") > text.count(")") and self._text[end:].lstrip()[:1] == ",":
            self._refuse(event, "yaml-syntax", "the comma ends the text here, inside of ( )", _QUOTE_COMMA)
        elif not text and self._frames[-1].key is not None and not self._text[:start].rstrip().endswith(":"):
            if any(problem.help == (_QUOTE_COMMA,) for problem in self.problems[-1:]):
                return  # the rest of a text that is already reported
            before = len(self._text[:start].rstrip())
            word = re.search(r"[^,{}\[\]]*$", self._text[:before])
            begin = before - len(word[0].lstrip()) if word else start
            span = self._lines.span(begin, before)
            self.problems.append(Problem(span, "yaml-syntax", _NO_VALUE, (_QUOTE_COMMA,)))

    def _refuse_tag(self, event: Any) -> None:
        message = "tags (words that begin with !) are not supported"
        self._refuse(event, "yaml-tag", message, 'delete the tag; text that begins with "!": quote it')

    def _refuse(self, event: Any, code: str, message: str, *help_: str) -> None:
        span = self._lines.span(event.start_mark.index, event.end_mark.index)
        self.problems.append(Problem(span, code, message, help_))

    def _here(self) -> Path:
        """The path of the innermost container."""
        path: list[str | int] = []
        for frame in self._frames[:-1]:
            if type(frame.container) is list:
                path.append(len(frame.container))
            else:
                path.append(frame.key if type(frame.key) is str else "")
        return tuple(path)

    def _mark(self, path: Path, event: Any, style: str | None, start: int | None, key: tuple[int, int]) -> None:
        begin = event.start_mark.index if start is None else start
        self.marks.setdefault(path, _Mark(begin, event.end_mark.index, style, *key))


_NO_VALUE = "a key without a value inside of { }"
_ALIAS_HELP = "write the values out"
_QUOTE_COMMA = 'a comma inside of { } or [ ] separates entries; quote a text that holds one: "…, …"'


def _alignment(value: str, text: str, mark: _Mark) -> list[int]:
    """The offset in ``text`` of every character of a scalar's value: skip what folding and escaping added."""
    offsets: list[int] = []
    at = mark.start
    if mark.style in ("|", ">"):
        at = text.find("\n", at) + 1 or at
    elif mark.style in ("'", '"'):
        at += 1
    for character in value:
        if mark.style == '"' and text[at : at + 1] == "\\" and text[at + 1 : at + 2] in "\r\n":
            at += 1  # a backslash at the end of a line joins it with the next
        while at < mark.end and text[at] != character and text[at].isspace():
            at += 1
        offsets.append(min(at, max(mark.end - 1, mark.start)))
        if mark.style == '"' and text[at : at + 1] == "\\":
            at += {"x": 4, "u": 6, "U": 10}.get(text[at + 1 : at + 2], 2)
        elif mark.style == "'" and text[at : at + 2] == "''":
            at += 2
        elif text[at : at + 1] == character or not character.isspace():
            at += 1
    return offsets
