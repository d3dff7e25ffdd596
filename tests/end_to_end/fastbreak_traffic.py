"""What people do with FastBreak's two services: so much that every target is met, or what brings them into trouble."""

import json
import random
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

import requests

from demo.addresses import Address

# More than the target of 1,000 a second, in steps of a tenth of a second.
PER_STEP = 140
STEP_SECONDS = 0.1
QUOTES = 500
LARGE = 120
# Fewer keys, and the fixed part of the memory would be all that one sees.
WARMED = 60_000
MOMENTS = 20_000
_ANSWER = b"HTTP/1.1 "


def quotes(first: int, count: int, size: int) -> dict[str, str]:
    """Quotes that do not get smaller by compression."""
    chance = random.Random(first)
    return {str(first + number): chance.randbytes(size // 2).hex() for number in range(count)}


class Traffic:
    """Two services in use; a context manager. Its switches say what is left out, or done as well."""

    def __init__(self, api: Address, analysis: Address) -> None:
        self.api, self.analysis = (f"http://{host}:{port}" for host, port in (api, analysis))
        self._address = api
        self.is_busy = True
        self.is_clumsy = False
        self.reads_plays = False
        self._stopped = Event()
        self._threads = [
            Thread(target=self._again, args=(what, seconds), daemon=True)
            for what, seconds in (
                (self._many, STEP_SECONDS),
                (self._some, 0.2),
                (self._some_quotes, 0.25),
                (self._analyses, 0.3),
                (self._players, 0.35),
            )
        ]

    def __enter__(self) -> Self:
        self.warm()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def at_once(self, paths: list[str]) -> ThreadPoolExecutor:
        """Begin to ask for all of them, each on its own connection; whoever leaves the pool waits for the answers."""
        pool = ThreadPoolExecutor(len(paths))
        for path in paths:
            pool.submit(self._try, "GET", path)
        return pool

    def warm(self) -> None:
        """Bring so many quotes into the cache that its memory can be told from what is there without any."""
        self._ask("POST", f"{self.api}/quotes/warm", quotes(0, WARMED, 16)).raise_for_status()

    def forget_quotes(self) -> None:
        """Throw away what was quoted, other than what was warmed."""
        self._ask("DELETE", f"{self.api}/quotes").raise_for_status()

    def _again(self, what: Callable[[], None], seconds: float) -> None:
        while not self._stopped.wait(seconds):
            with suppress(OSError):
                what()

    def _many(self) -> None:
        """One connection on which requests do not wait for answers, until they are no longer wanted."""
        with socket.create_connection(self._address, timeout=30) as connection:
            ahead = time.monotonic()
            while self.is_busy and not self._stopped.is_set():
                asked = (f"GET /moments/{1 + number} HTTP/1.1\r\nHost: api\r\n\r\n" for number in range(PER_STEP))
                connection.sendall("".join(asked).encode())
                answers, rest = 0, b""
                while answers < PER_STEP:
                    received = connection.recv(65536)
                    if not received:
                        return
                    rest += received
                    answers += rest.count(_ANSWER)
                    # A part of the next answer's beginning, and no whole one.
                    rest = rest[1 - len(_ANSWER) :]
                ahead = max(ahead + STEP_SECONDS, time.monotonic() - 1)
                self._stopped.wait(max(0.0, ahead - time.monotonic()))

    def _some(self) -> None:
        number = random.randint(1, MOMENTS)
        for path in (f"{self.api}/portfolios/{number % 2000}", f"{self.analysis}/portfolios/{number % 2000}"):
            self._try("GET", path)
        self._try("GET", f"{self.analysis}/moments/{number}")
        self._try("PUT", f"{self.api}/moments/{MOMENTS - number % 500}/price", {"price_usd": 7})
        self._try("DELETE", f"{self.api}/quotes/{number % QUOTES}")
        if self.reads_plays:
            for play in range(40):
                self._try("GET", f"{self.api}/plays/play-{play}")

    def _some_quotes(self) -> None:
        self._try("PUT", f"{self.api}/quotes", quotes(0, QUOTES, 16))
        if self.is_clumsy:
            # Large ones, which take their time to be packed and unpacked, and others that there are none of.
            self._try("PUT", f"{self.api}/quotes", quotes(WARMED + random.randrange(10) * LARGE, LARGE, 30_000))
            for first in (WARMED, WARMED + 5 * LARGE):
                self._try("GET", f"{self.api}/quotes?first={first}&count={5 * LARGE // 2}")
            self._try("GET", f"{self.api}/quotes?first={random.randrange(10**6, 10**9)}&count={QUOTES}")
        else:
            self._try("GET", f"{self.api}/quotes?first=0&count={QUOTES}")

    def _analyses(self) -> None:
        pool = self.at_once([f"{url}/analyses/{random.randint(1, MOMENTS)}" for url in (self.api, self.analysis)])
        pool.shutdown()

    def _players(self) -> None:
        # Nobody waits for those before, or all would come at once when those are answered.
        urls = [f"{url}/players/player-{random.randrange(3)}" for url in (self.api, self.api, self.api, self.analysis)]
        self.at_once(urls).shutdown(wait=False)

    def _try(self, method: str, url: str, body: object = None) -> None:
        with suppress(requests.RequestException):
            self._ask(method, url, body)

    def _ask(self, method: str, url: str, body: object = None) -> requests.Response:
        content = None if body is None else json.dumps(body)
        return requests.request(method, url, data=content, headers={"Content-Type": "application/json"}, timeout=60)
