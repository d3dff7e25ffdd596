"""Where something stands in a YAML file."""

import re
from collections.abc import Callable, Iterator, Sequence

import yaml

Place = tuple[int, int]

# The reader's own words for where it stopped.
_NAMED = re.compile(r"\bat line (\d+) column (\d+)")
# No reader of ours goes deeper (serde_yaml's recursion limit).
_DEEPEST = 128


def find(text: str, path: Sequence[str | int]) -> Place | None:
    """The line and column, from 1, of the value at a path of keys and indices, or of the nearest one above it.

    None where the text is no YAML.
    """
    return finder(text)(path)


def finder(text: str) -> Callable[[Sequence[str | int]], Place | None]:
    """``find`` for many paths of one text, which is read once."""
    root = _root(text)
    return lambda path: _from_one(_walk(root, path)[0]) if root else None


def lines(text: str, path: Sequence[str | int]) -> tuple[int, int] | None:
    """The first and the last line, from 1, of the entry at exactly this path of keys and indices, if there is one."""
    root = _root(text)
    if root is None or not path:
        return None
    start, node, is_whole = _walk(root, path)
    if not is_whole:
        return None
    end = node.end_mark
    last = text.splitlines()[end.line : end.line + 1]
    # The end of a block is where the next entry begins.
    begun = bool(last and last[0][: end.column].strip())
    return start.line + 1, max(end.line + begun, start.line + 1)


def broken(text: str, said: str) -> Place | None:
    """The line and column, from 1, where a text stops being a plan's YAML; ``said`` is what its reader says of it."""
    try:
        root = None if _is_too_deep(text) else yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        # What is never closed breaks behind the last line, where there is nothing to see.
        end = _end(text.rstrip("\n"))
        places = [_from_one(mark) for mark in (error.problem_mark, error.context_mark) if mark]
        return next((place for place in places if place <= end), end)
    except yaml.reader.ReaderError as error:
        return _end(text.encode()[: error.position].decode(errors="ignore"))
    if mark := next(_odd_keys(root), None):
        return _from_one(mark)
    named = _NAMED.search(said)
    return (int(named[1]), int(named[2])) if named else None


def _end(text: str) -> Place:
    """Where the next character would stand."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def _is_too_deep(text: str) -> bool:
    """Whether more levels are nested than our readers allow; the one of nodes would end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            return True
    return False


def _root(text: str) -> yaml.Node | None:
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return None
    return root


def _walk(root: yaml.Node, path: Sequence[str | int]) -> tuple[yaml.Mark, yaml.Node, bool]:
    """Where the entry begins that a path leads to, what it is, and whether the path was followed to its end."""
    node, mark = root, root.start_mark
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                return mark, node, False
            mark, node = found[0].start_mark, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            mark = node.start_mark
        else:
            return mark, node, False
    return mark, node, True


def _from_one(mark: yaml.Mark) -> Place:
    return mark.line + 1, mark.column + 1


def _odd_keys(node: yaml.Node | None) -> Iterator[yaml.Mark]:
    """Where a mapping has a key for the second time, or one that is a list or a mapping; in the order of the text."""
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _odd_keys(each)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                yield key.start_mark
            else:
                seen.add(key.value)
            yield from _odd_keys(value)
