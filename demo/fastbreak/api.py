"""The service ``api`` (FastAPI): moments, portfolios, players and analyses, with all instruments.

Its environment: ``DB_*``, ``REDIS_*``, ``PROMETHEUS_URL``, ``OTEL_CONFIG_FILE`` and ``DEBUG`` as the instruments read
them; ``PLAYERS_URL``, another service that is asked in batches; ``MODEL_URL``, the model that analyses.
"""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import FastAPI, HTTPException
from psycopg.rows import dict_row
from pydantic import BaseModel, Field

from demo.fastbreak.moments import OF_A_PLAY, ONE, PORTFOLIO, Moments
from exporters.instrument import debug_logs, instrument_asgi
from exporters.instrument.ai import Analyses
from exporters.instrument.api import monitoring_api
from exporters.instrument.batching import Batcher, Limits
from exporters.instrument.cache import Cache, Options, redis_from_environment
from exporters.instrument.database import monitored_async_pool
from exporters.instrument.tracing import trace_asgi

MODEL = "moments-v2"
# The boundary that the response time's target is compared at.
TARGETS = [0.2]


class Price(BaseModel):
    """What a moment costs from now on."""

    # What the table can hold: a NaN would be saved, and make every portfolio that has the moment worth NaN.
    price_usd: Annotated[float, Field(ge=0, le=9_999_999_999, allow_inf_nan=False)]


class Service:
    """What the service works with, for as long as it runs."""

    def __init__(self) -> None:
        self.pool = monitored_async_pool(name="api", max_size=60, timeout=10, row_factory=dict_row)
        redis = redis_from_environment()
        small = Options(memory_keys=2000, expected_keys=100_000, sweep_seconds=5)
        self.moments = Cache("fb:moments", redis, small, store=Moments(self.pool))
        self.quotes = Cache("fb:quotes", redis, small)
        self.players = Batcher("players-api", self._players, limits=Limits(concurrent_batches=1))
        self.analyses = Analyses(models=[MODEL])
        self.client = httpx.AsyncClient(timeout=10, limits=httpx.Limits(max_connections=200))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open what it works with, and close it in order."""
        async with AsyncExitStack() as stack:
            for part in (self.client, self.pool, self.moments, self.quotes, self.players):
                await stack.enter_async_context(part)
            yield

    async def _players(self, names: Sequence[str]) -> Sequence[dict[str, Any]]:
        answer = await self.client.get(f"{os.environ['PLAYERS_URL']}/players", params={"name": list(names)})
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    async def rows(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """What the database answers."""
        async with self.pool.connection() as connection:
            return await (await connection.execute(statement, parameters)).fetchall()

    async def confidence(self) -> float:
        """How sure the model is."""
        with self.analyses.measure(MODEL) as analysis:
            answer = await self.client.get(f"{os.environ['MODEL_URL']}/analyse", timeout=30)
            answer.raise_for_status()
            analysis.confidence = answer.json()["confidence"]
            return float(answer.json()["confidence"])


def service() -> FastAPI:
    """The application, before it is instrumented."""
    work = Service()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with work.running():
            yield

    app = FastAPI(title="FastBreak API", lifespan=lifespan)

    @app.get("/moments/{moment}")
    async def moment(moment: int) -> dict[str, Any]:
        found: dict[str, Any] | None = await work.moments.get_or_load(str(moment), tags=["moments"])
        if found is None:
            raise HTTPException(404)
        return found

    @app.put("/moments/{moment}/price")
    async def price(moment: int, price: Price) -> dict[str, Any]:
        found = await work.rows(ONE, moment)
        if not found:
            raise HTTPException(404)
        changed = found[0] | {"price_usd": price.price_usd}
        await work.moments.set(str(moment), changed, tags=["moments"])
        return changed

    @app.get("/portfolios/{owner}")
    async def portfolio(owner: int) -> dict[str, Any]:
        return (await work.rows(PORTFOLIO, owner))[0]

    @app.get("/plays/{play}")
    async def play(play: str) -> int:
        return len(await work.rows(OF_A_PLAY, play))

    @app.get("/players/{name}")
    async def player(name: str) -> dict[str, Any]:
        return await work.players.load(name)

    @app.get("/analyses/{moment}")
    async def analysis(moment: int) -> float:
        return await work.confidence()

    _add_quotes(app, work)

    async def database() -> None:
        await work.rows("SELECT 1")

    app.mount("/", monitoring_api(service_name="api", platform="fastbreak", health={"database": database}))
    return app


def _add_quotes(app: FastAPI, work: Service) -> None:
    """What others ask for a moment, kept in the cache alone."""

    @app.get("/quotes")
    async def quotes(first: int, count: int) -> int:
        return len(await work.quotes.get_many(str(first + number) for number in range(count)))

    @app.put("/quotes")
    async def quote(quotes: dict[str, str]) -> None:
        await work.quotes.set_many(quotes, tags=["quotes"])

    @app.post("/quotes/warm")
    async def warm(quotes: dict[str, str]) -> int:
        return await work.quotes.warm(quotes)

    @app.delete("/quotes/{quote}")
    async def unquote(quote: str) -> None:
        await work.quotes.delete(quote)

    @app.delete("/quotes")
    async def forget() -> None:
        await work.quotes.invalidate_tag("quotes")


debug_logs("fastbreak")
app = instrument_asgi(trace_asgi(service()), service_name="api", exclude_paths=["/health"], duration_targets=TARGETS)
