"""Random routing trees, label sets, inhibition rules and silences, guarded so that one Alertmanager holds them all."""

import json
from collections.abc import Mapping
from random import Random
from typing import Any

NAMES = ("a", "b", "c", "team")
VALUES = (
    "x", "y", "xy", "x,y", "x.y", "X", "xx", "å", "日本", 'q"uote', "back\\slash", "two\nlines", "x\n", " x ", "-", "7",
    "slack,email", "email", "{x}", "a=b", "x\\ny",
)  # fmt: skip
FEW_VALUES = ("x", "y", "xy")  # so that two alerts often have the same
# What the translation of patterns has to get right, and nothing that it refuses.
PATTERNS = (
    "x", "x|y", ".*", ".+", "", "x?", "(.*,)?email(,.*)?", "[xy]+", "[^x]", "[^x]*", r"x\.y", r"\d", r"\w+",
    r"\W+", r"\s", r"(x|y),?.*", r"x$", r"^x", r"^x|y$", "(?:x|xx)", r"x{2}", "x{1,2}", "x{1,}", "x{", "{x}",
    "{,2}", "[]x]", r"[\d-]", "[a-z]{2,}", "[x-]", r"[\]\\^-]", r"\Ax\z", ".*?y", "x*?", "(x)(y)", r"back\\slash",
    "two.lines", "two\\nlines", "two\nlines", "日.", "å", r"q\"uote", r"\{x\}", r"\bx\b.*", r"x\s", r"[\s]x[\s]",
    r"x\\n[y]", "()", "|x", "(|x)y?", "-|7", "[[x]", "a=b",
)  # fmt: skip
OPERATORS = ("=", "!=", "=~", "!~")
RECEIVERS = tuple(f"r{number}" for number in range(8))
GROUPINGS: tuple[list[str], ...] = ([], ["a"], ["a", "b"], ["..."], ["team", "c"])

Values = dict[str, Any]


def labels(random: Random, values: tuple[str, ...] = VALUES) -> dict[str, str]:
    """A label set; some labels are missing."""
    return {name: random.choice(values) for name in NAMES if random.random() < 0.7}


def matcher(random: Random) -> str:
    """One matcher, written in one of the ways that there are."""
    operator = random.choice(OPERATORS)
    value = random.choice(PATTERNS if "~" in operator and random.random() < 0.8 else (*VALUES, ""))
    if "~" in operator and value in VALUES:
        value = "".join(f"\\{char}" if not char.isalnum() and char.isascii() else char for char in value)
    space = random.choice(("", "", " ", "  "))
    return f"{space}{random.choice(NAMES)}{space}{operator}{space}{written(random, value)}{space}"


def written(random: Random, value: str) -> str:
    """A value with quotes and escapes, or without where it may stand so."""
    needs_quotes = value != value.strip() or any(char in value for char in ',"{}\n') or value.endswith("\\")
    if not needs_quotes and random.random() < 0.4:
        return value.replace("\\", "\\\\")
    line_break = random.choice(("\\n", "\n"))
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", line_break)
    return f'"{escaped}"'


def matchers(random: Random, most: int = 2) -> list[str]:
    """Lines of ``matchers:``, several in one line or one in each, in braces or not."""
    lines = []
    for _ in range(random.randint(0, most)):
        line = ",".join(matcher(random) for _ in range(random.choice((1, 1, 1, 2))))
        lines.append(random.choice(("{%s}", "%s", "{%s,}")) % line if random.random() < 0.5 else f"{{{line}}}")
    return lines


def conditions(random: Random, prefix: str = "") -> Values:
    """Any of the three ways to write what has to match."""
    found: Values = {}
    if random.random() < 0.75:
        found[f"{prefix}matchers"] = matchers(random)
    if random.random() < 0.2:
        found[f"{prefix}match"] = {random.choice(NAMES): random.choice((*VALUES, ""))}
    if random.random() < 0.2:
        found[f"{prefix}match_re"] = {random.choice(NAMES): random.choice(PATTERNS)}
    return found


def route(random: Random, depth: int) -> Values:
    """One route with children; a receiver that is left out is inherited."""
    found = conditions(random)
    if random.random() < 0.6:
        found["receiver"] = random.choice(RECEIVERS)
    if random.random() < 0.4:
        found["continue"] = random.random() < 0.8
    if random.random() < 0.4:
        found["group_by"] = random.choice(GROUPINGS)
    if depth:
        found["routes"] = [route(random, depth - 1) for _ in range(random.randint(0, 3))]
    return found


def guarded_trees(random: Random, count: int) -> list[Values]:
    """Trees below one root, each for the alerts with its own ``tree``; some consist of two that follow one another."""
    found = []
    for number in range(count):
        parts = random.choice((1, 1, 2))
        for part in range(parts):
            one = route(random, 2)
            guard, own = random.choice(("matchers", "match", "match_re")), f'tree="{number}"'
            if guard == "matchers":
                one["matchers"] = [*one.get("matchers", ()), own]
            else:
                one[guard] = {**one.get(guard, {}), "tree": str(number)}
            if part < parts - 1:
                one["continue"] = True
            found.append(one)
    return found


def inhibit_rules(random: Random, count: int) -> list[Values]:
    """Rules for the alerts with their own ``case``; sides that overlap and labels that are missing are likely."""
    found = []
    for number in range(count):
        rule: Values = {"equal": random.sample(NAMES, random.choice((0, 1, 1, 2)))}
        for side in ("source_", "target_"):
            rule |= {f"{side}match": {"case": str(number)}, f"{side}matchers": [], f"{side}match_re": {}}
            for name in random.sample(NAMES, random.randint(0, 2)):
                operator = random.choice(OPERATORS)
                rule[f"{side}matchers"].append(f'{name}{operator}"{random.choice(FEW_VALUES)}"')
            if random.random() < 0.2:
                rule[f"{side}match_re"] = {random.choice(NAMES): random.choice(("x|y", ".+", ".*", "", "x.*"))}
        found.append(rule)
    return found


def silence(random: Random, case: int) -> list[Values]:
    """The matchers of a silence, as the API takes them."""
    found = [{"name": "case", "value": str(case), "isRegex": False, "isEqual": True}]
    for _ in range(random.randint(1, 3)):
        operator = random.choice(OPERATORS)
        value = random.choice(PATTERNS if "~" in operator else (*VALUES, ""))
        found.append({
            "name": random.choice(NAMES), "value": value, "isRegex": "~" in operator, "isEqual": operator[0] == "=",
        })  # fmt: skip
    return found


def configuration(routes: list[Values], rules: list[Values]) -> Values:
    """A whole configuration around them."""
    return {
        "route": {"receiver": "r0", "group_by": ["b"], "group_wait": "1h", "routes": routes},
        "inhibit_rules": rules,
        "receivers": [{"name": name} for name in RECEIVERS],
    }


def text(values: Mapping[str, Any]) -> str:
    """As a file: JSON is YAML."""
    return json.dumps(values, indent=1)
