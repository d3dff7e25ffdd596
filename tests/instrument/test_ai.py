"""Analyses: each one counts, and whatever becomes of it is what the caller would have had without."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from exporters.instrument.ai import Analyses
from tests.instrument.measured import Measured
from tests.instrument.scripts import FOLDER, linted, script


@dataclass(frozen=True)
class Counts:
    """What the series of one model say."""

    analyses: float = 0
    errors: float = 0
    confidences: float = 0
    confidence_sum: float = 0


def counts(registry: CollectorRegistry) -> dict[str, Counts]:
    samples = Measured.of(registry).samples
    by_name = {
        name: {one.labels["model"]: one.value for one in samples if one.name == name} for name in (
            "ai_analysis_duration_seconds_count", "ai_analysis_errors_total",
            "ai_analysis_confidence_ratio_count", "ai_analysis_confidence_ratio_sum",
        )
    }  # fmt: skip
    models = by_name["ai_analysis_duration_seconds_count"]
    return {model: Counts(*(round(values[model], 6) for values in by_name.values())) for model in models}


def plain(outcome: Callable[[], float]) -> Callable[[], Any]:
    return outcome


def coroutine(outcome: Callable[[], float]) -> Callable[[], Any]:
    async def analyse() -> float:
        await asyncio.sleep(0)
        return outcome()

    return analyse


def model_object(outcome: Callable[[], float]) -> Callable[[], Any]:
    class Model:
        async def __call__(self) -> float:
            await asyncio.sleep(0)
            return outcome()

    return Model()


def called(function: Callable[[], Any]) -> Any:
    result = function()
    return asyncio.run(result) if asyncio.iscoroutine(result) else result


def fails() -> float:
    raise LookupError("on purpose")


@pytest.mark.parametrize("kind", [plain, coroutine, model_object])
def test_a_decorated_function_is_measured_whatever_becomes_of_it(kind: Callable[..., Callable[[], Any]]) -> None:
    registry = CollectorRegistry()
    analyses = Analyses(["m"], registry=registry)
    assert counts(registry) == {"m": Counts()}
    good = analyses.measured("m", confidence=lambda score: score)(kind(lambda: 0.75))
    assert called(good) == 0.75
    with pytest.raises(LookupError):
        called(analyses.measured("m", confidence=lambda score: score)(kind(fails)))
    assert counts(registry) == {"m": Counts(2, 1, 1, 0.75)}


def test_only_what_succeeded_has_a_confidence_and_a_cancelled_one_has_failed() -> None:
    registry = CollectorRegistry()
    analyses = Analyses(["m"], registry=registry)

    async def slow() -> None:
        with analyses.measure("m") as analysis:
            analysis.confidence = 0.9
            await asyncio.sleep(3600)

    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(slow(), 0.001))
    assert counts(registry) == {"m": Counts(1, 1)}
    with analyses.measure("m"):
        pass
    assert counts(registry) == {"m": Counts(2, 1)}


def too_sure(result: object) -> float:
    raise AttributeError("on purpose")


@pytest.mark.parametrize("confidence", [
    math.nan, math.inf, -0.01, 1.01, 87, "high", [0.5], too_sure,
])  # fmt: skip
def test_a_confidence_that_is_none_is_left_out_and_harms_nobody(
    confidence: Any, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    analyses = Analyses(["m"], registry=registry)
    read = confidence if callable(confidence) else lambda _: confidence
    analyse = analyses.measured("m", confidence=read)(lambda: "the result")
    assert analyse() == "the result"
    assert counts(registry) == {"m": Counts(1)}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "high" not in caplog.text


def test_a_score_that_is_none_is_said_once_for_each_model(caplog: pytest.LogCaptureFixture) -> None:
    analyses = Analyses(["m", "n"], registry=CollectorRegistry())
    for model in ["m", "m", "n"]:
        with analyses.measure(model) as analysis:
            analysis.confidence = 2
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == ["m", "n"]


@pytest.mark.parametrize("score", [0, 1, True, 0.5])
def test_the_ends_are_confidences(score: float) -> None:
    registry = CollectorRegistry()
    with Analyses(registry=registry).measure("m") as analysis:
        analysis.confidence = score
    assert counts(registry) == {"m": Counts(1, 0, 1, float(score))}


def test_models_are_those_that_are_declared() -> None:
    registry = CollectorRegistry()
    analyses = Analyses(["m"], registry=registry)
    for model in ["m", "of a client", "another"]:
        with analyses.measure(model):
            pass
    assert counts(registry) == {"m": Counts(1), "_OTHER": Counts(2)}


def test_models_that_nobody_declared_are_bounded_over_all_of_a_registry() -> None:
    registry = CollectorRegistry()
    for number in range(60):
        with Analyses(registry=registry).measure(f"m{number}"):
            pass
    found = counts(registry)
    assert len(found) == 51
    assert found["m49"] == Counts(1)
    assert found["_OTHER"] == Counts(10)


@pytest.mark.parametrize("name", ["", "\ud800", "a\nb", "m" * 101])
def test_a_name_that_cannot_be_shown_is_other(name: str) -> None:
    registry = CollectorRegistry()
    with Analyses(registry=registry).measure(name):
        pass
    generate_latest(registry)
    assert counts(registry) == {"_OTHER": Counts(1)}
    with pytest.raises(ValueError, match="cannot be shown"):
        Analyses([name], registry=registry)


def test_a_declaration_that_cannot_be_meant_is_an_error() -> None:
    with pytest.raises(ValueError, match="a list of names"):
        Analyses("moments-v2", registry=CollectorRegistry())
    with pytest.raises(ValueError, match="at most 50"):
        Analyses([f"m{number}" for number in range(51)], registry=CollectorRegistry())


def test_a_generator_is_refused_since_its_work_is_not_done_when_it_returns() -> None:
    def parts() -> Iterator[str]:
        yield "a"

    async def later() -> AsyncIterator[str]:
        yield "a"

    analyses = Analyses(registry=CollectorRegistry())
    for generator in (parts, later):
        with pytest.raises(TypeError, match="generator"):
            analyses.measured("m")(generator)


def test_the_rules_find_their_boundaries_and_promtool_finds_nothing() -> None:
    registry = CollectorRegistry()
    Analyses(["m"], registry=registry)
    found = Measured.of(registry)

    def ends(family: str) -> list[float]:
        return [float(one.labels["le"]) for one in found.samples if one.name == f"{family}_bucket"]

    assert 5.0 in ends("ai_analysis_duration_seconds")
    assert ends("ai_analysis_confidence_ratio") == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, math.inf]
    assert linted(found.text) == ""


WORKERS = """
import os
from prometheus_client import CollectorRegistry, generate_latest
from exporters.instrument.ai import Analyses
from exporters.instrument.workers import Workers, shared_folder
analyses = Analyses(["m"])
child = os.fork()
with analyses.measure("m") as analysis:
    analysis.confidence = 0.5
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
shared = CollectorRegistry()
shared.register(Workers(shared_folder()))
print(generate_latest(shared).decode())
"""


def test_workers_count_together(tmp_path: Path) -> None:
    said = Measured(script(WORKERS, **{FOLDER: str(tmp_path)}).stdout)
    assert said.only("ai_analysis_duration_seconds_count") == 2
    assert said.only("ai_analysis_confidence_ratio_sum") == 1
    assert said.only("ai_analysis_errors_total") == 0
