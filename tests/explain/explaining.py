"""Explain alerts as the command does, with what stands beside the repository's root as its working directory."""

from functools import cache

from generator.explain import Explanation, Known, describe
from generator.load import Files, load
from generator.plan.build import plan
from generator.plan.types import Alert
from tests.compiling import PLATFORMS, ROOT, problems


@cache
def known(platform: str, environment: str | None = None) -> Known:
    """A platform of the tests, with its plan; its folder by its relative path, as people give it."""
    files = load(PLATFORMS[platform].relative_to(ROOT), environment)
    assert isinstance(files, Files), files
    assert problems(files) == []
    return Known(files, plan(files))


def alerts(platform: str) -> list[Alert]:
    """Every alert of a platform, its own domain's among them."""
    return [alert for domain in known(platform).plan.domains for alert in domain.alerts]


@cache
def explained(platform: str, path: str, environment: str | None = None) -> Explanation:
    """The explanation of ``domain/alert``."""
    domain, _, name = path.partition("/")
    where = known(platform, environment)
    return describe(where.files, where.plan, domain, name)
