"""What a model finds wrong with a file, in words and with its place."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from exporters.business import positions
from exporters.business.problems import Problem, excerpts

Where = tuple[str | int, ...]

_CODE = "plan"
_CONTRADICTION = "contradiction"
_LONGEST_MESSAGE = 300
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (type(None), "nothing"), (bool, "true or false"), (str, "text"), ((int, float), "a number"),
    (list, "a list"), (dict, "a mapping"),
)  # fmt: skip
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def contradiction(found: Sequence[tuple[Where, str]]) -> PydanticCustomError:
    """What a model's own validator raises: everything that does not fit together, each below the model's place."""
    text = "; ".join(message for _, message in found)
    return PydanticCustomError(_CONTRADICTION, "{text}", {"text": text, "found": tuple(found)})


def problems(
    path: Path, text: str, model: type[BaseModel], error: ValidationError, patterns: Mapping[str, str]
) -> list[Problem]:
    """Every error of a model on the text of a file; ``patterns`` says in words what each pattern asks for."""
    place, show = positions.finder(text), excerpts(text)
    found = []
    for item in error.errors(include_url=False):
        for where, message, help_ in _said(model, item, patterns):
            line, column = place(where) or (None, None)
            shown = show(line, column, None) if line is not None else ()
            whole = f"{_spoken(where)}{message}"[:_LONGEST_MESSAGE]
            found.append(Problem(str(path), line, column, _CODE, whole, shown, help_))
    return found


def _spoken(where: Where) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return f"{''.join(parts).removeprefix('.')}: " if where else ""


def _said(
    model: type[BaseModel], item: ErrorDetails, patterns: Mapping[str, str]
) -> Iterator[tuple[Where, str, str | None]]:
    where, value, context = item["loc"], item["input"], item.get("ctx", {})
    match item["type"]:
        case "contradiction":
            yield from (((*where, *below), message, None) for below, message in context["found"])
        case "too_short":
            # A list of which every item is wrong counts as empty, too; its items were told already.
            if not value:
                yield where, "must not be empty", None
        case "missing":
            yield where[:-1], f'"{where[-1]}" is missing', None
        case "extra_forbidden":
            known = ", ".join(_model_at(model, where[:-1]).model_fields)
            yield where, "there is no such key", f"the keys here are {known}"
        case _ if where[-1:] == ("[key]",):
            yield where[:-1], f"a name here has {patterns.get(context.get('pattern', ''), 'another form')}", None
        case _:
            yield where, _wanted(item["type"], value, context, patterns) or _lowered(item["msg"]), None


def _wanted(kind: str, value: Any, context: Mapping[str, Any], patterns: Mapping[str, str]) -> str | None:
    if kind == "float_type" and value is None:
        return "expected a finite number"  # JSON, which the file became, knows no other
    if kind in _EXPECTED:
        what = next((word for types, word in _KINDS if isinstance(value, types)), "something else")
        return f"expected {_EXPECTED[kind]}, found {what}"
    if kind == "literal_error":
        return f"expected {context['expected']}"
    if kind == "string_pattern_mismatch" and context["pattern"] in patterns:
        return f"expected {patterns[context['pattern']]}"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "greater_than":
        return f"must be greater than {context['gt']:g}"
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']:g}"
    return None


def _lowered(message: str) -> str:
    said = message.removeprefix("Value error, ")
    return said[:1].lower() + said[1:]


def _model_at(model: type[BaseModel], where: Where) -> type[BaseModel]:
    """The model of what stands at a place."""
    for part in where:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_models(field.annotation), model)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
