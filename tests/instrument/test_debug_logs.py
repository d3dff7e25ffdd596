"""``DEBUG``: what is asked for is shown, once, and nothing else; each case is a process, whose logging is its own."""

import re

import pytest

from exporters.instrument import debug_logs
from tests.instrument.scripts import script

# Says which loggers would log at DEBUG, of those that were there before and those that come after.
SAYS = """
import logging
for name in ("shop.cache", "shop.orders.late", "exporters.instrument.http.measures", "exporters.instrument.cache"):
    logging.getLogger(name)
from exporters.instrument import debug_logs
for _ in range(2):
    debug_logs("shop")
    names = ("shop", "shop.cache", "shop.cache.l1", "shop.orders", "shop.orders.late", "shopping", "express",
             "exporters.instrument.http.measures", "exporters.instrument.cache", "exporters.instrument.cache.l1",
             "exporters.instrument.batching", "exporters.business", "root")
    on = [name.removeprefix("exporters.") for name in names if logging.getLogger(name).isEnabledFor(logging.DEBUG)]
    print(*on)
"""
OURS = {"instrument.http.measures", "instrument.cache", "instrument.cache.l1", "instrument.batching"}
THEIRS = {"shop", "shop.cache", "shop.cache.l1", "shop.orders", "shop.orders.late"}
CACHE = {"shop.cache", "shop.cache.l1", "instrument.cache", "instrument.cache.l1"}


@pytest.mark.parametrize(("debug", "shown"), [
    ("", set()),
    ("1", set()),
    ("express:*,shopping:*", set()),
    ("-shop:*", set()),
    ("shop:*,-shop:*", set()),
    ("shop:*", OURS | THEIRS),
    ("*", OURS | THEIRS),
    ("express:* shop:cache", CACHE),
    ("shop:cache:*", CACHE),
    ("shop:*, -shop:cache", (OURS | THEIRS) - CACHE),
    ("*:cache", CACHE),
    # There is no such logger yet.
    ("shop:batching", {"instrument.batching"}),
    ("shop:h*", {"instrument.http.measures"}),
    ("shop:orders:late", {"shop.orders.late"}),
    ("shop:orders.late", {"shop.orders.late"}),
    ("shop.orders.late", {"shop.orders.late"}),
    ("shop:(", set()),
])  # fmt: skip
def test_debug_turns_on_what_it_names_and_once_is_enough(debug: str, shown: set[str]) -> None:
    once, again = script(SAYS, DEBUG=debug).stdout.splitlines()
    assert set(once.split()) == shown
    assert again == once


LOGS = """
import logging, sys
from exporters.instrument import debug_logs
{before}
for _ in range(2):
    debug_logs("shop")
    print(sum(len(logging.getLogger(name).handlers) for name in ("shop", "exporters.instrument")))
{after}
logging.getLogger("exporters.instrument.http.measures").debug("a request")
logging.getLogger("shop.orders").debug("an order")
logging.getLogger("shop.orders").warning("no money")
"""
OWN_LOGGING = 'logging.basicConfig(level=logging.{}, format="own %(message)s")'
TO_ITSELF = 'logging.getLogger("shop").propagate = False; logging.getLogger("shop").addHandler(logging.StreamHandler())'


@pytest.mark.parametrize(("before", "after", "debug", "lines"), [
    ("", "", "shop:*", ["T shop:http a request", "T shop:orders an order", "T shop:orders no money"]),
    ("", "", "", ["no money"]),
    ('logging.getLogger("shop").addHandler(logging.NullHandler())', "", "shop:http",
     ["T shop:http a request", "T shop:orders no money"]),
    (OWN_LOGGING.format("INFO"), "", "shop:*", ["own a request", "own an order", "own no money"]),
    ("", OWN_LOGGING.format("INFO"), "shop:*", ["own a request", "own an order", "own no money"]),
    (OWN_LOGGING.format("WARNING") + "; logging.root.handlers[0].setLevel(logging.WARNING)", "", "shop:*",
     ["T shop:http a request", "T shop:orders an order", "own no money"]),
    (TO_ITSELF, "", "shop:*", ["T shop:http a request", "an order", "no money"]),
    (OWN_LOGGING.format("INFO") + '; logging.getLogger("shop").propagate = False', "", "shop:*",
     ["own a request", "T shop:orders an order", "T shop:orders no money"]),
    # What is the library's has the name that was given first.
    ('debug_logs("shop.orders")', "", "shop:*",
     ["T shop:orders:http a request", "T shop:orders an order", "T shop:orders no money"]),
], ids=["nothing", "off", "null", "own", "own-later", "own-warnings", "own-logger", "cut-off", "nested"])  # fmt: skip
def test_each_line_is_shown_once_by_whoever_shows_it(before: str, after: str, debug: str, lines: list[str]) -> None:
    done = script(LOGS.replace("{before}", before).replace("{after}", after), DEBUG=debug)
    handlers = done.stdout.split()
    assert handlers[0] == handlers[1]
    time = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", re.MULTILINE)
    assert time.sub("T", done.stderr).splitlines() == lines


SERVICE = """
import asyncio
from exporters.instrument import debug_logs, instrument_asgi
from exporters.instrument.ai import Analyses
from exporters.instrument.batching import Batcher, Retries
from tests.instrument.calls import answering, ask, body, start
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

debug_logs("shop")

async def page(request):
    return PlainTextResponse("page")

app = instrument_asgi(Starlette(routes=[Route("/items/{item}", page)]), service_name="shop")
ask(app, "/items/secret")
ask(app, "/secret", "SECRET")

async def fetch(keys):
    calls.append(keys)
    if len(calls) == 1:
        raise ConnectionError("secret")
    if len(calls) == 3:
        raise LookupError("secret")
    return ["secret" for key in keys]

calls = []

async def batches():
    async with Batcher("players", fetch, retries=Retries(first_delay_seconds=0)) as players:
        await asyncio.gather(players.load("secret"), players.load("secret"), players.load("secret2"))
        await asyncio.gather(players.load("secret"), return_exceptions=True)

asyncio.run(batches())
with Analyses(["m"]).measure("m"):
    pass
"""
SAID = """
shop:http GET /items/{item} 200 N ms
shop:http _OTHER (no route) 404 N ms
shop:batching players: 2 keys of 3 callers leave
shop:batching players: 2 keys, attempt 2
shop:batching players: 2 keys answered, N ms
shop:batching players: 1 keys of 1 callers leave
shop:batching players: 1 keys failed with LookupError, N ms
shop:ai m N ms ok
"""


def test_the_parts_say_what_they_do_and_nothing_that_a_client_or_a_caller_gave() -> None:
    lines = script(SERVICE, DEBUG="shop:*").stderr.splitlines()
    said = [re.sub(r"[0-9.]+ ms", "N ms", line.split(" ", 1)[1]) for line in lines]
    assert said == SAID.strip().splitlines()
    assert script(SERVICE, DEBUG="others:*").stderr == ""


@pytest.mark.parametrize("namespace", ["", "shop:*", "a b", "shop,", "-shop", ":shop"])
def test_a_namespace_is_the_name_of_a_logger(namespace: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        debug_logs(namespace)


def test_the_library_stays_light() -> None:
    heavy = ("psutil", "psycopg", "redis", "opentelemetry", "starlette", "flask", "tenacity", "exporters.business")
    code = f"import sys, exporters.instrument; print([one for one in {heavy!r} if one in sys.modules])"
    assert script(code).stdout.strip() == "[]"
