"""What a model looks like from outside: which keys it knows, what it is called, and where an error of it lies."""

import functools
import types
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from generator.source import Path

_NOUNS = {
    "Domain": "a domain file",
    "Platform": "platform.yaml",
    "Kpi": "a KPI",
    "Each": "each",
    "Cadence": "a notification",
    "SeverityRow": "a row of the escalation matrix",
    "RoutingKey": "a contact's PagerDuty address",
    "SnsChannel": "an SNS channel",
    "SlackChannel": "a Slack channel",
    "EmailChannel": "an email channel",
    "PagerDutyChannel": "a PagerDuty channel",
    "WebhookChannel": "a webhook channel",
    "PostgresSource": "a source",
    "TracedService": "a traced service",
    "Alert": "an alert",
}
_KEYS_OF_PLATFORM = frozenset({"Targets", "Scrape", "Links", "Monitoring", "Tracing", "Durations", "Dashboard"})


class Place(NamedTuple):
    """Where an error lies: the path that a person wrote, and what the model expects there."""

    path: Path
    model: type[BaseModel] | None
    """The innermost model on the way."""
    on_key: bool
    """The key is wrong, not its value."""
    union: Path | None
    """The path of the outermost choice between forms on the way."""
    member: Any
    """The form that pydantic tried there."""


def noun(model: type[BaseModel]) -> str:
    """What a person calls an entry of this model."""
    name = model.__name__
    if name in _KEYS_OF_PLATFORM:
        return name.lower()
    article = "an" if name[0] in "AEIO" else "a"
    return _NOUNS.get(name, f"{article} {name.lower()}")


@functools.cache
def keys(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys that a model knows, as they are written."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


@functools.cache
def homes(root: type[BaseModel]) -> dict[str, tuple[type[BaseModel], ...]]:
    """Every key that is known anywhere below a model, and the models that know it."""
    found: dict[str, tuple[type[BaseModel], ...]] = {}
    for model in sorted({root, *_models(root, set())}, key=lambda model: model.__name__):
        for key in keys(model):
            found[key] = (*found.get(key, ()), model)
    return found


def place(root: type[BaseModel], loc: tuple[str | int, ...]) -> Place:
    """Follow pydantic's ``loc`` through the models: it also holds the names of union members and ``[key]``."""
    annotation: Any = root
    path: list[str | int] = []
    model: type[BaseModel] | None = None
    union: Path | None = None
    member: Any = None
    for step in loc:
        if step == "[key]":
            return Place(tuple(path), model, True, union, member)
        annotation = _without_none(annotation)
        if _is_union(annotation):
            if _discriminator(annotation) is None and union is None:
                union = tuple(path)
            annotation = _member(annotation, str(step))
            member = annotation if union == tuple(path) else member
            model = annotation if _is_model(annotation) else model
            continue
        model = annotation if _is_model(annotation) else model
        path.append(step)
        annotation = _below(annotation, step)
    annotation = _without_none(annotation)
    return Place(tuple(path), annotation if _is_model(annotation) else model, False, union, member)


def owner(root: type[BaseModel], loc: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The model that the last step of ``loc`` is a key of."""
    return place(root, loc[:-1]).model


def constraints(place: Place) -> frozenset[str]:
    """The patterns of the texts that the key at a place may hold, be it one of many below a key of the model."""
    for name, field in place.model.model_fields.items() if place.model else ():
        if not {name, field.alias}.isdisjoint(place.path[-2:]):
            return frozenset(_patterns(Annotated[field.annotation, *field.metadata, None]))
    return frozenset()


def _patterns(annotation: Any) -> Iterator[str]:
    for part in get_args(annotation):
        if pattern := getattr(part, "pattern", None):
            yield str(pattern)
        yield from _patterns(part)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_union(annotation: Any) -> bool:
    return get_origin(_bare(annotation)) in (Union, types.UnionType)


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _discriminator(annotation: Any) -> str | None:
    if get_origin(annotation) is not Annotated:
        return None
    found = (getattr(extra, "discriminator", None) for extra in get_args(annotation)[1:])
    return next((name for name in found if isinstance(name, str)), None)


def _without_none(annotation: Any) -> Any:
    """``X | None`` as ``X``: pydantic does not mention that choice in ``loc``."""
    if not _is_union(annotation) or _discriminator(annotation):
        return annotation if _discriminator(annotation) else _bare(annotation)
    members = [member for member in get_args(_bare(annotation)) if member is not type(None)]
    return _without_none(members[0]) if len(members) == 1 else Union[tuple(members)]  # noqa: UP007


def _member(annotation: Any, tag: str) -> Any:
    """The member of a union that a step of ``loc`` names."""
    discriminator = _discriminator(annotation)
    for member in get_args(_bare(annotation)):
        bare = _bare(member)
        if discriminator is not None:
            if tag in get_args(bare.model_fields[discriminator].annotation):
                return bare
        elif _is_model(bare):
            if bare.__name__ == tag:
                return bare
        elif tag.startswith(getattr(get_origin(bare) or bare, "__name__", "?")):
            return bare
    return str  # "constrained-str"


def _below(annotation: Any, step: str | int) -> Any:
    if _is_model(annotation):
        for name, field in annotation.model_fields.items():
            if step in (name, field.alias):
                return field.annotation
        extra = get_type_hints(annotation, include_extras=True).get("__pydantic_extra__")
        return get_args(extra)[1] if extra is not None and get_args(extra) else object
    arguments = get_args(_bare(annotation))
    return arguments[-1] if arguments else object


def _models(annotation: Any, seen: set[Any]) -> Iterator[type[BaseModel]]:
    bare = _bare(annotation)
    if _is_model(bare):
        if bare in seen:
            return
        seen.add(bare)
        yield bare
        for field in bare.model_fields.values():
            yield from _models(field.annotation, seen)
        return
    for argument in get_args(bare):
        yield from _models(argument, seen)
