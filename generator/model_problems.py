"""What pydantic has against a file, as Problems in people's words.

pydantic says where and what kind; the words, the hints and the place in the text are ours. No message repeats a value
that may be a secret.
"""

import difflib
import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from generator import masking, model_shape
from generator.diagnostics import Problem, Span
from generator.model import base
from generator.source import Path, kind

_NAME_HELP = "a name begins with a letter and holds a-z, 0-9 and single underscores{dash}, such as {example}"
_EXPECTED_TYPES = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
}
_WRITTEN_BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def _pattern(named: Any) -> str:
    return next(str(extra.pattern) for extra in get_args(named)[1:] if getattr(extra, "pattern", None))


_NAME, _DASHED_NAME = _pattern(base.Name), _pattern(base.DashedName)
_DURATION = _pattern(base.DurationText)
_PERCENTAGE = _pattern(base.Percentage)
_FILE, _VARIABLE = _pattern(base.FilePath), _pattern(base.EnvironmentVariable)
_EXPECTED_TEXTS = {
    _DURATION: ("a duration", "a number and one of ms s m h d w, such as 90s, 5m or 1h30m"),
    _pattern(base.TimeOfDay): ("a time of day", "hours and minutes of 24 hours, such as 09:00"),
    _pattern(base.TimeOfWeek): ("a time of the week", "a day and a time before 24:00, such as monday 09:00"),
    _pattern(base.Date): ("a date", "year, month and day, such as 2026-11-30"),
    _pattern(base.Version): ("a version", 'numbers with dots in quotes, such as "2.42"'),
    _pattern(base.HttpUrl): ("an address", "it begins with http:// or https://, such as https://grafana.example"),
    _pattern(base.HostPort): ("a host with a port", "such as api:8000"),
    _FILE: ("the path of a file", "such as /run/secrets/slack"),
    _VARIABLE: ("the name of an environment variable", "capitals, digits and underscores, such as SHOP_DSN"),
    _pattern(base.EmailAddress): ("an email address", "such as ops@shop.example"),
    _PERCENTAGE: ("a percentage", "0% to 100% with at most two decimals, such as 10% or 0.25%"),
    _pattern(base.RequestPath): (
        "a path of requests",
        "it begins with /, such as /health; one that ends in / is all below it, such as /static/; no wildcards",
    ),
    _pattern(base.OtlpEndpoint): ("an address of OTLP over HTTP", "such as http://otel-collector:4318"),
    _pattern(base.ServiceVersion): ("a version", "letters, digits, dots, + and -, such as 2.1.0"),
}
_EXPECTED_BY_KEY = {
    "table": ("the name of a table", "such as payments or billing.payments; a condition belongs into where"),
    "path": ("a path", "it begins with /, such as /monitoring/payments"),
    "metrics_path": ("a path", "it begins with /, such as /metrics"),
    "timezone": ("a time zone", "such as UTC or Europe/Stockholm"),
    "topic_arn": ("an ARN", "such as arn:aws:sns:eu-north-1:1:oncall"),
    "role_arn": ("an ARN", "such as arn:aws:iam::1:role/alerts"),
    "phone_number": ("a phone number", 'with its country, in quotes, such as "+46700000001"'),
}


class Located(Protocol):
    """What knows where the values of a file stand."""

    def span(self, path: Path) -> Span:
        """Where a value stands."""

    def key_span(self, path: Path) -> Span:
        """Where its key stands."""

    def raw(self, path: Path) -> str:
        """How it was written."""


class _Finding:
    """One error of pydantic's, with its place and what was written there."""

    def __init__(self, root: type[BaseModel], value: Any, error: ErrorDetails) -> None:
        self.kind = error["type"]
        self.loc = error["loc"]
        self.context: dict[str, Any] = error.get("ctx") or {}
        self.words = error["msg"]
        self.place = model_shape.place(root, self.loc)
        self.path = self.place.path
        self.root = root
        self.value = _at(value, self.path)
        keys = [step for step in self.path if isinstance(step, str)]
        self.key = keys[-1] if keys else ""

    def shown(self) -> str:
        """The value in quotes, or words for one that may be a secret."""
        text = str(self.value)
        secret = any(masking.is_secret(step, text) for step in self.path if isinstance(step, str))
        if secret or masking.mask_shapes(text) != text:
            return "this value"
        return f'"{text if len(text) <= 60 else text[:57] + "…"}"'


def problems(root: type[BaseModel], value: Any, located: Located, error: ValidationError) -> Iterator[Problem]:
    """Everything that pydantic found, one Problem for one mistake."""
    details = error.errors(include_url=False, include_input=False)
    findings = list(_without_other_forms([_Finding(root, value, detail) for detail in details], value))
    replaced = {twin for finding in findings if (twin := _twin(finding))}
    for finding in findings:
        if finding.kind == "missing" and finding.path in replaced:
            continue  # it is there under a wrong name, which is said already
        code, message, help_ = _describe(finding, located)
        yield Problem(_span(finding, code, located), code, message, help_)


def _at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _span(finding: _Finding, code: str, located: Located) -> Span:
    if finding.kind == "missing":
        return located.key_span(finding.path[:-1])
    if finding.kind == "extra_forbidden" or finding.place.on_key or finding.kind == "union_tag_not_found":
        return located.key_span(finding.path)
    if finding.kind == "union_tag_invalid":
        return located.span((*finding.path, "type"))
    if finding.value is None or code == "too-short":
        return located.key_span(finding.path)
    return located.span(finding.path)


def _without_other_forms(findings: list[_Finding], value: Any) -> Iterator[_Finding]:
    """Where several forms are allowed, pydantic tells what each lacks: keep what concerns the form that was meant."""
    tried: set[Path] = set()
    for finding in findings:
        union = finding.place.union
        if union is None:
            yield finding
            continue
        written = _at(value, union)
        members = [other.place.member for other in findings if other.place.union == union]
        meant = [member for member in members if _has_form(written, member)]
        if meant:
            if finding.place.member in meant:
                yield finding
        elif union not in tried:
            tried.add(union)
            finding.words = " or ".join(dict.fromkeys(_form(member) for member in members))
            finding.kind = "no_form"
            finding.path = union
            finding.value = written
            yield finding


def _has_form(written: Any, member: Any) -> bool:
    form = get_origin(member) or member
    if isinstance(form, type) and issubclass(form, BaseModel):
        form = dict
    return type(written) is form


def _form(member: Any) -> str:
    form = get_origin(member) or member
    if isinstance(form, type) and issubclass(form, BaseModel):
        return "keys with values"
    return {str: "text", list: "a list", dict: "keys with values"}.get(form, "a number")


def _describe(finding: _Finding, located: Located) -> tuple[str, str, tuple[str, ...]]:
    """Code, message and help."""
    describe = _DESCRIPTIONS.get(finding.kind)
    if describe is not None:
        return describe(finding, located)
    if finding.kind in _EXPECTED_TYPES:
        return _wrong_type(finding, located)
    words = finding.words[:1].lower() + finding.words[1:]
    return "invalid-value", f'"{finding.key}": {words.removeprefix("input ")}', ()


def _missing(finding: _Finding, located: Located) -> tuple[str, str, tuple[str, ...]]:
    model = model_shape.owner(finding.root, finding.loc) or finding.root
    help_ = (f"write it as {finding.key}: …",)
    return "missing-key", f'{model_shape.noun(model)} needs the key "{finding.key}"', help_


def _known(finding: _Finding) -> tuple[type[BaseModel], tuple[str, ...]]:
    model = model_shape.owner(finding.root, finding.loc) or finding.root
    return model, model_shape.keys(model)


def _nearest(word: str, known: tuple[str, ...]) -> str | None:
    """The known word that is meant, whatever its case and dashes."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).lower().replace("-", "_").replace(" ", "_")
    for candidate in (plain, plain.rstrip("s"), plain + "s"):
        if candidate in known:
            return candidate
    return next(iter(difflib.get_close_matches(plain, known, 1, 0.65)), None)


def _inline(finding: _Finding) -> bool:
    """Whether an unknown key holds a secret, and is not merely a misspelt ``*_file``."""
    if not masking.names_secret(finding.key) or isinstance(finding.value, (dict, bool, type(None))):
        return False
    nearest = _nearest(finding.key, _known(finding)[1])
    path_like = str(finding.value).startswith(("/", "./"))
    return not (nearest is not None and nearest.endswith("_file") and path_like)


def _secret_file(finding: _Finding) -> str | None:
    """The key that names the file of a secret that was written inline."""
    known = _known(finding)[1]
    if f"{finding.key}_file" in known:
        return f"{finding.key}_file"
    files = tuple(key for key in known if key.endswith(("_file", "_env")))
    return _nearest(f"{finding.key}_file", files) or next(iter(files), None)


def _twin(finding: _Finding) -> Path | None:
    """The path of the key that was meant by an unknown one."""
    if finding.kind != "extra_forbidden":
        return None
    meant = _secret_file(finding) if _inline(finding) else _nearest(finding.key, _known(finding)[1])
    return (*finding.path[:-1], meant) if meant else None


def _unknown_key(finding: _Finding, located: Located) -> tuple[str, str, tuple[str, ...]]:
    model, known = _known(finding)
    noun = model_shape.noun(model)
    if _inline(finding):
        file = _secret_file(finding)
        where = f"write it into a file of its own and name that file: {file}: …" if file else "keep it in a file"
        if "dsn_env" in known:
            where = "name the environment variable (dsn_env: …) or the file (dsn_file: …) that holds it"
        help_ = (where, "a secret that was ever committed is known: replace it")
        return "inline-secret", f'the key "{finding.key}" puts a secret into this file', help_
    hints = []
    if nearest := _nearest(finding.key, known):
        hints.append(f"the nearest known key: {nearest}")
    elif homes := model_shape.homes(finding.root).get(finding.key, ()):
        hints.append(f'"{finding.key}" is a key of ' + " and of ".join(model_shape.noun(home) for home in homes))
    if re.search(r"[(),'\"]|\s", finding.key):
        hints.append("a comma inside of { } separates entries; quote a text that holds one")
    if not nearest:
        hints.append(f"known here: {', '.join(known)}")
    key = finding.key if len(finding.key) <= 60 else f"{finding.key[:57]}…"
    return "unknown-key", f'{noun} has no key "{key}"', tuple(hints)


def _wrong_type(finding: _Finding, located: Located) -> tuple[str, str, tuple[str, ...]]:
    expected = finding.words if finding.kind == "no_form" else _EXPECTED_TYPES[finding.kind]
    where = f'"{finding.key}": ' if finding.path else ""
    message = f"{where}expected {expected}, found {kind(finding.value)}"
    return "wrong-type", message, _type_help(finding, expected, located)


def _type_help(finding: _Finding, expected: str, located: Located) -> tuple[str, ...]:
    value = finding.value
    written = located.raw(finding.path) if not isinstance(value, (dict, list)) else ""
    secret = finding.shown() == "this value"
    if value is None:
        if expected == "text":
            return ('"#" after a space begins a comment: quote a text that begins with it',)
        return ("write a value, or delete the key",)
    if isinstance(value, (int, float)) and "text" in expected and _DURATION in model_shape.constraints(finding.place):
        return (f"write it with its unit, such as {value}s" if type(value) is int else "write it with its unit",)
    if isinstance(value, (int, float)) and "text" in expected and _PERCENTAGE in model_shape.constraints(finding.place):
        return (f"write it as a percentage, such as {value if type(value) is int else value * 100:g}%",)
    if isinstance(value, (int, float)) and "text" in expected:
        return (f'quote it: "{written}"',) if written and not secret else ("quote it",)
    if isinstance(value, str):
        if expected == "true or false":
            meant = _WRITTEN_BOOLEANS.get(value.lower())
            return (f"write {meant} without quotes" if meant else "write true or false",)
        if "number" in expected:
            digits = value.replace("_", "").replace(",", "").lstrip("+")
            plain = re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", digits) and not secret
            return (f"write {digits} without quotes" if plain else "write it in digits, without a unit",)
    if expected == "a list" and not isinstance(value, dict):
        return (f"write a list: [{written}]",) if written and not secret else ("write a list: […]",)
    if isinstance(value, (dict, list)) and "text" in expected:
        return ("quote a text that begins with { or [, or that holds a comma inside of { }",)
    return ()


def _mismatch(finding: _Finding, located: Located) -> tuple[str, str, tuple[str, ...]]:
    pattern = str(finding.context.get("pattern"))
    subject = f'"{finding.key}"' if finding.place.on_key else finding.shown()
    if pattern in (_NAME, _DASHED_NAME):
        return "unsafe-name", f"{subject} cannot be a name", _name_help(finding, pattern)
    text = str(finding.value)
    if pattern in (_FILE, _VARIABLE) and masking.is_secret(finding.key, text) and not text.startswith(("/", ".")):
        message = f'the key "{finding.key}" names where a secret is kept; this is no such name'
        place_ = "the path of a file" if pattern == _FILE else "the name of an environment variable"
        return "inline-secret", message, (f"write {place_} that holds the secret, not the secret",)
    unknown = ("what is expected", "")
    expected, example = _EXPECTED_TEXTS.get(pattern) or _EXPECTED_BY_KEY.get(finding.key) or unknown
    return "invalid-value", f"{subject} is not {expected}", (example,) if example else ()


def _name_help(finding: _Finding, pattern: str) -> tuple[str, ...]:
    text = finding.key if finding.place.on_key else str(finding.value)
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    meant = re.sub(r"[^a-z0-9]+", "_", snake.lower()).strip("_")
    dashed = pattern == _DASHED_NAME
    if dashed and "_" not in text:
        meant = meant.replace("_", "-")
    usable = re.fullmatch(pattern, meant) is not None and finding.shown() != "this value"
    example = meant if usable else "on-call" if dashed else "settlement_age"
    return (_NAME_HELP.format(dash=" or dashes" if dashed else "", example=example),)


def _not_a_word(finding: _Finding, located: Located) -> tuple[str, str, tuple[str, ...]]:
    """A value that is none of a fixed set of words."""
    expected = finding.context.get("expected_tags") or finding.context.get("expected") or ""
    words = tuple(re.findall(r"'([^']*)'", expected))
    if finding.kind == "union_tag_invalid":
        finding.key, finding.value = "type", finding.context.get("tag")
    if not words:
        return "invalid-value", f'"{finding.key}" can only be {expected.lower()}', ()
    meant = _nearest(str(finding.value), words)
    hints = [f"the nearest: {meant}"] if meant else []
    hints.append(f"known here: {', '.join(words)}")
    return "invalid-value", f'"{finding.key}" cannot be {finding.shown()}', tuple(hints)


def _no_tag(finding: _Finding, located: Located) -> tuple[str, str, tuple[str, ...]]:
    types = "slack, email, sns, pagerduty, webhook"
    return "missing-key", f'the channel "{finding.key}" needs the key "type"', (f"one of {types}",)


def _too_long(finding: _Finding, located: Located) -> tuple[str, str, tuple[str, ...]]:
    subject = f'the name "{finding.key[:20]}…"' if finding.place.on_key else f'"{finding.key}"'
    limit = finding.context.get("max_length")
    unit = "characters" if finding.kind.startswith("string") else "entries"
    return "too-long", f"{subject} is longer than {limit:,} {unit}", ()


def _too_short(finding: _Finding, located: Located) -> tuple[str, str, tuple[str, ...]]:
    if not finding.kind.startswith("string"):
        return "too-short", f'"{finding.key}" needs at least one entry', ()
    help_: tuple[str, ...] = ()
    if located.raw(finding.path).startswith((">", "|")):
        help_ = ('text that begins with ">" or "|" must be quoted',)
    return "too-short", f'"{finding.key}" is empty', help_


def _out_of_range(finding: _Finding, located: Located) -> tuple[str, str, tuple[str, ...]]:
    bounds = (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))
    limit = next((f"{words} {finding.context[key]:g}" for key, words in bounds if key in finding.context), "different")
    return "invalid-value", f'"{finding.key}" must be {limit}', ()


_DESCRIPTIONS: dict[str, Callable[[_Finding, Located], tuple[str, str, tuple[str, ...]]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "no_form": _wrong_type,
    "string_pattern_mismatch": _mismatch,
    "literal_error": _not_a_word,
    "union_tag_invalid": _not_a_word,
    "union_tag_not_found": _no_tag,
    "string_too_long": _too_long,
    "too_long": _too_long,
    "string_too_short": _too_short,
    "too_short": _too_short,
    "greater_than": _out_of_range,
    "greater_than_equal": _out_of_range,
    "less_than": _out_of_range,
    "less_than_equal": _out_of_range,
}
