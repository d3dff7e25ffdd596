"""FastBreak's services: what a client asks for wrongly is the client's error, and nobody is woken by it."""

import pytest

from tests.instrument.scripts import script

# A service of another process: it measures into the registry that all share. Nobody is at port 1.
NOBODY = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1", "DB_HOST": "127.0.0.1", "DB_PORT": "1", "DEBUG": ""}
ANALYSIS = """
from demo.fastbreak import analysis
analysis.Service.rows = lambda self, *arguments: []
print(analysis.service().test_client().get("/analyses/7").status_code)
"""
PRICES = """
import asyncio, httpx
from demo.fastbreak import api

async def main():
    service = httpx.ASGITransport(api.service(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=service, base_url="http://api") as client:
        for price in ("NaN", "Infinity", "-1", "1e10"):
            print((await client.put("/moments/7/price", json={"price_usd": price})).status_code)

api.Service.rows = lambda self, *arguments: asyncio.sleep(0, [{"price_usd": 1.0}])
asyncio.run(main())
"""


@pytest.mark.parametrize(("code", "statuses"), [(ANALYSIS, ["404"]), (PRICES, ["422"] * 4)], ids=["moment", "price"])
def test_what_a_client_asks_for_wrongly_is_its_own_error(code: str, statuses: list[str]) -> None:
    assert script(code, PROMETHEUS_URL="http://127.0.0.1:1", **NOBODY).stdout.split() == statuses
