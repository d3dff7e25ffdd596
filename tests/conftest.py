"""What all tests share: ``--bless`` writes what came out in place of what was expected."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the expected texts of tests/invalid")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole stacks first: they wait most of their time, so that what computes fills it."""
    items.sort(key=lambda item: "end_to_end" not in item.path.parts)


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--bless"))
