"""The service ``ai-analysis`` (Flask), much the same without asyncio; its environment is that of ``api``.

The cache and the batcher are for asyncio: here they live in a thread with an event loop, behind anyio's portal.
"""

import atexit
import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import requests
from anyio import to_thread
from anyio.from_thread import start_blocking_portal
from flask import Flask, abort, jsonify
from flask.typing import ResponseReturnValue
from psycopg.rows import dict_row

from demo.fastbreak.moments import OF_A_PLAY, ONE, PORTFOLIO
from exporters.instrument import debug_logs, instrument_wsgi
from exporters.instrument.ai import Analyses
from exporters.instrument.batching import Batcher
from exporters.instrument.cache import Cache, Options, redis_from_environment
from exporters.instrument.database import monitored_pool
from exporters.instrument.tracing import trace_wsgi

MODEL = "moments-v2-small"
# The boundary that the response time's target is compared at.
TARGETS = [0.2]


class Service:
    """What the service works with, for as long as its process lives."""

    def __init__(self) -> None:
        self.pool = monitored_pool(name="ai-analysis", max_size=10, timeout=10, row_factory=dict_row)
        self.analyses = Analyses(models=[MODEL])
        with ExitStack() as stack:
            self.portal = stack.enter_context(start_blocking_portal())
            options = Options(memory_keys=2000, expected_keys=100_000, sweep_seconds=5)
            self._scores = Cache("fb:scores", redis_from_environment(), options)
            self._players: Batcher[str, dict[str, Any]] = Batcher("players-api", self._fetch)
            stack.callback(self.pool.close)
            stack.callback(lambda: self.portal.call(self._scores.close))
            stack.callback(lambda: self.portal.call(self._players.close))
            atexit.register(stack.pop_all().close)

    async def _fetch(self, names: Sequence[str]) -> Sequence[dict[str, Any]]:
        def asked() -> list[dict[str, Any]]:
            answer = requests.get(f"{os.environ['PLAYERS_URL']}/players", params={"name": list(names)}, timeout=10)
            answer.raise_for_status()
            found: list[dict[str, Any]] = answer.json()
            return found

        return await to_thread.run_sync(asked)

    def rows(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """What the database answers."""
        with self.pool.connection() as connection:
            return connection.execute(statement, parameters).fetchall()

    def player(self, name: str) -> dict[str, Any]:
        """What the players' API says of somebody, asked together with others."""
        return self.portal.call(self._players.load, name)

    def score(self, moment: str) -> float:
        """The price of a moment for 100, from the cache or else the database.

        Raises:
            LookupError: there is no such moment.
        """

        async def loaded(moment: str) -> float:
            return float((await to_thread.run_sync(self.rows, ONE, int(moment)))[0]["price_usd"]) / 100

        return self.portal.call(self._scores.get_or_load, moment, loaded)

    def confidence(self) -> float:
        """How sure the model is."""
        with self.analyses.measure(MODEL) as analysis:
            answer = requests.get(f"{os.environ['MODEL_URL']}/analyse", timeout=30)
            answer.raise_for_status()
            analysis.confidence = answer.json()["confidence"]
            return float(answer.json()["confidence"])


def service() -> Flask:
    """The application, before it is instrumented."""
    app = Flask(__name__)
    work = Service()

    @app.get("/moments/<int:moment>")
    def moment(moment: int) -> ResponseReturnValue:
        found = work.rows(ONE, moment)
        return jsonify(found[0]) if found else abort(404)

    @app.get("/portfolios/<int:owner>")
    def portfolio(owner: int) -> ResponseReturnValue:
        return jsonify(work.rows(PORTFOLIO, owner)[0])

    @app.get("/plays/<play>")
    def play(play: str) -> ResponseReturnValue:
        return jsonify(len(work.rows(OF_A_PLAY, play)))

    @app.get("/players/<name>")
    def player(name: str) -> ResponseReturnValue:
        return jsonify(work.player(name))

    @app.get("/analyses/<int:moment>")
    def analysis(moment: int) -> ResponseReturnValue:
        try:
            score = work.score(str(moment))
        except LookupError:
            abort(404)
        return jsonify(score=score, confidence=work.confidence())

    @app.get("/health")
    def health() -> ResponseReturnValue:
        return jsonify(status="ok")

    return app


debug_logs("fastbreak")
app = instrument_wsgi(
    trace_wsgi(service()), service_name="ai-analysis", exclude_paths=["/health"], duration_targets=TARGETS
)
