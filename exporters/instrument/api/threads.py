"""Calls that block, each in a thread of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_thread(function: Callable[[], T]) -> Future[T]:
    """Call a function in a thread; what it returns or raises is the future's.

    A daemon, and no pool: a call that hangs must not keep the process from ending.
    """
    future: Future[T] = Future()
    # Who waits for it and leaves, leaves it as it is: what has begun cannot be cancelled.
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, daemon=True, name=f"{__name__}.{getattr(function, '__name__', 'call')}").start()
    return future
