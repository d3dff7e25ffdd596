"""The command ``tocsin-exporter``: the only module of the exporters that prints, reads arguments, exits.

Exit codes: 0 fine, 1 what was given cannot be used, 2 wrong usage, 3 a fault of ours.
"""

import hashlib
import logging
import math
import os
import re
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from exporters.business.check import DEFAULT_MAX_COST, examine, table
from exporters.business.exporter import Exporter
from exporters.business.plan import Plan, Source, load
from exporters.business.problems import Invalid, Problem, render
from exporters.business.web.app import application
from exporters.business.web.asgi import Application
from exporters.business.web.config import LiveConfig
from exporters.business.web.server import parse_listen, run
from exporters.business.web.server import serve as serve_pages

# Plans that come along, by the word that stands for their file.
SHIPPED = {"postgres": Path(__file__).parent / "postgres" / "plan.yml"}
_LONGEST_NAME = 100
_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9_@.-]", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class _Cost(click.ParamType[float]):
    """A number above 0; infinity turns the ceiling off."""

    name = "cost"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            cost = float(str(value))
        except ValueError:
            cost = math.nan
        if not cost > 0:
            self.fail(f"{value!r} is no number above 0", param, ctx)
        return cost


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tocsin")
def exporter() -> None:
    """Numbers for Prometheus: out of PostgreSQL, as a compiled plan says, and of the machine."""


def _plan_options(command: Callable[..., None]) -> Callable[..., None]:
    for decorate in (
        click.option("--domains", metavar="NAMES", help="Only the queries of these domains, separated by commas."),
        click.option("--dsn-env", metavar="NAME", help="The environment variable that holds the connection string."),
        click.option("--dsn-file", metavar="FILE", help="The file that holds the connection string."),
        click.argument("plan"),
    ):
        command = decorate(command)
    return command


def _web_options(port: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        config = click.Path(path_type=Path)
        command = click.option("--web.config.file", "web_config", type=config, help="TLS and basic auth.")(command)
        return click.option("--listen", default=f"127.0.0.1:{port}", show_default=True, metavar="HOST:PORT")(command)

    return decorate


@exporter.command()
@_plan_options
@_web_options(9187)
@click.option(
    "--replica-group", default="", metavar="NAME", help="Only exporters of one group stand by for each other."
)
@click.option("--state-dir", type=click.Path(path_type=Path), help="Where it is kept what a restart must not forget.")
def serve(
    plan: str,
    domains: str | None,
    dsn_env: str | None,
    dsn_file: str | None,
    listen: str,
    web_config: Path | None,
    replica_group: str,
    state_dir: Path | None,
) -> None:
    """Serve the metrics of PLAN: a compiled file, or the word postgres for PostgreSQL's own health.

    SIGHUP reads the plan again, SIGTERM lets scrapes in flight end.
    """
    _log_to_stderr()
    path, read = _reader(plan, domains, dsn_env, dsn_file)
    first = read()
    state = _state_folder(state_dir) / _state_name(first, domains, replica_group)
    address = parse_listen(listen)
    web = LiveConfig(web_config) if web_config else None
    run(_serve(Exporter(read, path, state=state, group=replica_group), address, web))


@exporter.command()
@_web_options(9464)
def host(listen: str, web_config: Path | None) -> None:
    """Serve the metrics of this machine: CPU, memory, file systems, disks, network, and the container's limits.

    SIGTERM lets scrapes in flight end.
    """
    _log_to_stderr()
    with _extra("host"):
        from exporters.host import HostExporter
    served, address = HostExporter(), parse_listen(listen)
    web = LiveConfig(web_config) if web_config else None
    run(_serve_pages(application(served), address, web, partial(served.reload, web.reread) if web else None))


@exporter.command()
@_plan_options
@click.option(
    "--max-cost", default=DEFAULT_MAX_COST, show_default=True, type=_Cost(), help="The most that EXPLAIN may say."
)
def check(plan: str, domains: str | None, dsn_env: str | None, dsn_file: str | None, max_cost: float) -> None:
    """Try every query of PLAN on its live database, and write nothing.

    Says which queries do not fit the database: names, types, rights, cost, number of series.
    """
    path, read = _reader(plan, domains, dsn_env, dsn_file)
    found = run(examine(read(), path, max_cost=max_cost))
    click.echo(table(found))
    _end(found.problems)


@exporter.command()
@click.option("--platform", required=True, metavar="NAME", help="The first word of the platform's metrics.")
@click.option("--prometheus", "url", required=True, envvar="PROMETHEUS_URL", show_envvar=True, metavar="URL")
@click.option("--prometheus-auth-file", "auth_file", metavar="FILE", help="The file that holds user:password.")
@click.option("--listen", metavar="HOST:PORT", help="Else 127.0.0.1, and the port that PORT says or 3001.")
@click.option("--web.config.file", "web_config", type=click.Path(path_type=Path), help="TLS and basic auth.")
def api(platform: str, url: str, auth_file: str | None, listen: str | None, web_config: Path | None) -> None:
    """Serve a platform's metrics as JSON, now and over time, out of its Prometheus.

    SIGTERM lets requests in flight end.
    """
    _log_to_stderr()
    with _extra("api"):
        from exporters.instrument.api.program import program
    address = parse_listen(listen) if listen is not None else ("127.0.0.1", _port())
    web = LiveConfig(web_config) if web_config else None
    try:
        app = program(platform, url, None if auth_file is None else Path(auth_file))
    except ValueError as error:
        raise Invalid([Problem("api", None, None, "option", str(error))]) from None
    run(_serve_pages(app, address, web))


def main() -> None:
    """Run the command; what was given wrong is said in words, a fault of ours with its traceback."""
    try:
        exporter(standalone_mode=False)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except Invalid as invalid:
        _end(invalid.problems)
    except Exception:
        traceback.print_exc()
        sys.exit(3)


def _end(problems: tuple[Problem, ...]) -> None:
    errors = sum(not problem.warning for problem in problems)
    click.echo(render(problems), err=True, nl=False)
    if errors:
        click.echo(f"{errors} error{'s' if errors > 1 else ''}", err=True)
        sys.exit(1)


async def _serve(served: Exporter, listen: tuple[str, int], web: LiveConfig | None) -> None:
    app = application(served, startup=served.start, shutdown=served.close)
    await _serve_pages(app, listen, web, partial(served.reload, web.reread) if web else served.reload)


async def _serve_pages(
    app: Application,
    listen: tuple[str, int],
    web: LiveConfig | None,
    reload: Callable[[], Awaitable[None]] | None = None,
) -> None:
    def listening(address: str) -> None:
        logging.getLogger(__name__).info("listening on %s", address)

    await serve_pages(app, listen, web=web, ready=listening, reload=reload)


def _reader(
    plan: str, domains: str | None, dsn_env: str | None, dsn_file: str | None
) -> tuple[Path, Callable[[], Plan]]:
    """The plan's file, and what reads it with the options laid over."""
    if dsn_env is not None and dsn_file is not None:
        raise click.UsageError("give one of --dsn-env and --dsn-file")
    if dsn_env is not None and not _VARIABLE.fullmatch(dsn_env):
        raise click.UsageError(f"--dsn-env: {dsn_env!r} is no name of an environment variable")
    if dsn_file == "":
        raise click.UsageError("--dsn-file: no file is named")
    path = SHIPPED.get(plan, Path(plan))
    wanted = None if domains is None else frozenset(name.strip() for name in domains.split(",") if name.strip())
    if wanted is not None and not wanted:
        raise click.UsageError("--domains: no domain is named")
    source = None if dsn_env is None and dsn_file is None else (dsn_env, dsn_file)
    return path, partial(_read, path, wanted, source)


def _read(path: Path, domains: frozenset[str] | None, source: tuple[str | None, str | None] | None) -> Plan:
    plan = load(path)
    if domains is not None:
        if unknown := sorted(domains - set(plan.domains)):
            message = f"--domains: no domain is called {', '.join(unknown)}; there are {', '.join(plan.domains)}"
            raise Invalid([Problem(str(path), None, None, "domains", message)])
        plan = plan.only(domains)
    if source is not None:
        if len(plan.sources) > 1:
            message = f"--dsn-env and --dsn-file are for a plan with one source; this one has {len(plan.sources)}"
            raise Invalid([Problem(str(path), None, None, "sources", message)])
        ((name, declared),) = plan.sources.items()
        env, file = source
        told = Source(type=declared.type, dsn_env=env, dsn_file=file, max_age_seconds=declared.max_age_seconds)
        plan = plan.model_copy(update={"sources": {name: told}})
    return plan


def _state_folder(given: Path | None) -> Path:
    """Where state is kept: as told, as systemd tells (StateDirectory=), or where the XDG base directories say."""
    if given is not None:
        return given
    if under_systemd := os.environ.get("STATE_DIRECTORY"):
        return Path(under_systemd.split(":")[0])
    if below := os.environ.get("XDG_STATE_HOME"):
        return Path(below) / "tocsin-exporter"
    try:
        return Path.home() / ".local" / "state" / "tocsin-exporter"
    except RuntimeError:
        message = "there is no home folder to keep state in; give --state-dir"
        raise Invalid([Problem("--state-dir", None, None, "state", message)]) from None


def _state_name(plan: Plan, domains: str | None, group: str) -> str:
    name = plan.platform if domains is None else "-".join([plan.platform, *plan.domains])
    if group:
        name += f"@{group}"
    plain = _NOT_IN_FILE_NAMES.sub("_", name)
    if len(name) > _LONGEST_NAME or plain != name:
        return f"{plain[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.json"
    return f"{name}.json"


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Imports what only those need who run it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed; it comes with tocsin[{name}]") from None


def _port() -> int:
    """The port that the environment gives, as hosts of programs do it."""
    text = os.environ.get("PORT", "3001")
    if not re.fullmatch("[0-9]{1,5}", text, re.ASCII) or not 0 < int(text) < 65536:
        raise Invalid([Problem("PORT", None, None, "listen", f"{text!r} is no port: a number from 1 to 65535")])
    return int(text)


def _log_to_stderr() -> None:
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)sZ %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    # Its warnings quote libpq, which names hosts and users; the exporter says itself what became of a session.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
