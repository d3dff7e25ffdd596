"""Work beside other work in forked processes, which see everything that is in memory without copying it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

# What makes processes is imported where they are made: small platforms, which are most, start without it.
if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
_inherited: list[Callable[[], Any]] = []


def cores() -> int:
    """How many processes can run at once; 1 where processes cannot be forked."""
    if not hasattr(os, "fork"):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def forked(tasks: Sequence[Callable[[], T]], workers: int) -> Iterator[list[Future[T]]]:
    """Start tasks in so many forked workers, in their order; what they return has to be picklable, they need not be.

    A task that raises does so again where its result is asked for. The workers are gone when the block is left.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, initializer=_inherit, initargs=(tasks,)) as pool:
        yield [pool.submit(_run, index) for index in range(len(tasks))]


def _inherit(tasks: Sequence[Callable[[], Any]]) -> None:
    _inherited.extend(tasks)


def _run(index: int) -> Any:
    return _inherited[index]()
