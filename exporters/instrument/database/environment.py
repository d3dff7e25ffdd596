"""Where the database is, by the environment: ``DB_HOST``, ``DB_PORT``, ``DB_NAME``, ``DB_USER``, ``DB_PASSWORD``."""

import os
from collections.abc import Callable, Mapping

from psycopg.conninfo import make_conninfo

_PARAMETERS = {
    "DB_HOST": "host",
    "DB_PORT": "port",
    "DB_NAME": "dbname",
    "DB_USER": "user",
    "DB_PASSWORD": "password",
}
_LAST_PORT = 65535


def conninfo_of(environment: Mapping[str, str] = os.environ) -> str:
    """A connection string; what is missing or empty is left to libpq, which has its own variables and defaults.

    Raises:
        ValueError: the port is none.
    """
    found = {name: environment[variable] for variable, name in _PARAMETERS.items() if environment.get(variable)}
    port = found.get("port", "5432")
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _LAST_PORT):
        raise ValueError(f"DB_PORT is {port!r}, which is no port number")
    return make_conninfo(**found)


def hidden_conninfo() -> Callable[[], str]:
    """The same, as a function: a pool keeps it, and whoever prints the pool's parts sees no password.

    Raises:
        ValueError: as above.
    """
    conninfo = conninfo_of()
    return lambda: conninfo
