"""The platform ``everything`` uses every key that a platform or domain file may have."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from generator import model
from generator.load import Files, load
from generator.model.base import Model

PLATFORMS = Path(__file__).parent
ENVIRONMENTS = (None, "demo", "next")


def loaded(platform: str, environment: str | None) -> Files:
    """A platform that must load; what is wrong with it otherwise."""
    files = load(PLATFORMS / platform, environment)
    assert isinstance(files, Files), files
    return files


def keys(value: object) -> Iterator[tuple[type[BaseModel], str]]:
    """Every model's class with every key that was written in it."""
    if isinstance(value, BaseModel):
        for key in value.model_fields_set & set(type(value).model_fields):
            yield type(value), key
            yield from keys(getattr(value, key))
        yield from keys(list((value.__pydantic_extra__ or {}).values()))
    elif isinstance(value, dict):
        yield from keys(list(value.values()))
    elif isinstance(value, list):
        for one in value:
            yield from keys(one)


def models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """All models that operators write."""
    for found in base.__subclasses__():
        if found.__module__.startswith(f"{model.__name__}."):
            yield found
            yield from models(found)


def test_every_key_of_every_model_is_used() -> None:
    used: set[tuple[type[BaseModel], str]] = set()
    for environment in ENVIRONMENTS:
        files = loaded("everything", environment)
        used.update(keys(files.platform.model))
        for domain in files.domains:
            used.update(keys(domain.model))
    known = {(found, key) for found in models(Model) for key in found.model_fields}
    assert sorted(f"{found.__name__}.{key}" for found, key in known - used) == []


@pytest.mark.parametrize("platform", ["minimal", "everything"])
def test_the_schema_has_every_table_that_the_records_name(platform: str) -> None:
    schema = (PLATFORMS / platform / "schema.sql").read_text()
    for domain in loaded(platform, None).domains:
        for record in domain.model.records.values():
            assert f"CREATE TABLE {record.table.removeprefix('public.')} (" in schema
