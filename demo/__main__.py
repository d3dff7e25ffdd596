"""``make demo``: Fire22 on this machine, watched by what Tocsin generates; the one module of the demo that prints."""

import logging
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import click
import psycopg
import watchfiles

from demo import postgres, reload
from demo.addresses import people, targets
from demo.faults import FAULTS
from demo.fire22 import INCIDENTS
from demo.fire22.running import BUSINESS_JOB, DATABASE_JOB, Fire22, listens_on
from demo.fire22.world import API_JOB
from demo.incident import Incident, alert_of
from demo.interrupts import Interrupted, Interrupts
from demo.processes import DemoError, uninterrupted
from demo.receiver import Message
from demo.stack import check_free, check_programs
from generator.load import Files, load
from generator.plan.build import plan
from generator.plan.types import Plan

CHECKOUT = Path(__file__).resolve().parents[1]
DOMAINS = CHECKOUT / "domains/fire22"
COMPILED = CHECKOUT / "output/fire22.demo"
_READY_SECONDS = 60
# For some five seconds after a reload Prometheus has no Alertmanager, and drops what it would send just then; it sends
# it again at its usual pace after a minute, which is a hundred minutes here.
_FLAGS = {"rules.alert.resend-delay": "5s"}


_interrupts = Interrupts()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--incident", metavar="DOMAIN/ALERT", help="Make this alert's incident happen; list names all.")
@click.option("--once", is_flag=True, help="Stop when the incident is over; 1 if not all heard of it.")
def main(incident: str | None, once: bool) -> None:
    """Run Fire22 and all that watches it on this machine, until Ctrl-C."""
    logging.getLogger().addHandler(logging.NullHandler())  # what libraries say belongs into no terminal
    _interrupts.listen()
    uninterrupted.set(_interrupts.held)
    try:
        incident = incident or None
        if incident == "list":
            click.echo("\n".join((*INCIDENTS, *FAULTS)))
            return
        if incident:
            _check_name(incident)
        check_programs()
        what = _plan()
        check_free(listens_on(what))
        sys.exit(_run(what, incident, once))
    except DemoError as error:
        click.echo(f"demo: {error}", err=True)
        sys.exit(1)
    except psycopg.OperationalError as error:
        click.echo(f"demo: PostgreSQL has gone: {error}", err=True)
        sys.exit(1)
    except Interrupted:
        click.echo("\nStopped; nothing is left behind.")


def _check_name(incident: str) -> None:
    known = (*INCIDENTS, *FAULTS)
    if incident in known:
        return
    near = get_close_matches(incident, known, 1)
    hint = f"; {near[0]} is near" if near else ""
    names = "\n".join(f"  {name}" for name in known)
    raise DemoError(f'no incident is called "{incident}"{hint}. There are:\n{names}')


def _plan() -> Plan:
    files = load(DOMAINS, "demo")
    if not isinstance(files, Files):
        raise DemoError("the files in domains/fire22 have problems; make generate says which")
    if not COMPILED.is_dir():
        raise DemoError("output/fire22.demo is missing; make generate writes it")
    return plan(files)


def _run(what: Plan, incident: str | None, once: bool) -> int:
    with ExitStack() as running:
        started = time.monotonic()
        folder = running.enter_context(_folder())
        try:
            _progress("PostgreSQL")
            cluster = running.enter_context(_cluster(folder))
            schema = (DOMAINS / "schema.sql").read_text("utf-8")
            near = incident == "system/low_uptime"
            fire22 = Fire22(what, COMPILED, folder, schema, cluster, flags=_FLAGS, near_low_uptime=near)
            running.callback(fire22.stop)
            fire22.start(_progress)
            _progress("First look at everything")
            _wait_until_seen(fire22)
            click.echo(f"Running after {time.monotonic() - started:.0f} s.\n\n{_places(fire22)}\n")
            stop = threading.Event()
            running.callback(stop.set)
            for task in (_tell, _watch):
                threading.Thread(target=task, args=(fire22, stop), daemon=True).start()
            heard = incident is None or _incident(fire22, incident).run()
            while not once:
                signal.pause()
            return 0 if heard else 1
        finally:
            _interrupts.ignore()


@contextmanager
def _folder() -> Iterator[Path]:
    """Where everything is kept that the demo needs, and that goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-demo-"))
    folder.chmod(0o711)  # PostgreSQL, which root runs as somebody else, has its own folder below
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _cluster(folder: Path) -> Iterator[postgres.Cluster]:
    data = folder / "postgresql"
    data.mkdir(mode=0o700)
    cluster = postgres.Cluster(postgres.embedded(folder), data)
    try:
        cluster.create()
        cluster.start()
        yield cluster
    finally:
        cluster.stop("immediate")


def _wait_until_seen(fire22: Fire22) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not fire22.stack.is_seen():
        if time.monotonic() > deadline:
            raise DemoError(f"Prometheus does not see everything:\n{fire22.stack.prometheus.last_words()}")
        time.sleep(0.1)


def _places(fire22: Fire22) -> str:
    links = fire22.plan.links
    jobs = [(job, address) for job in (BUSINESS_JOB, DATABASE_JOB, API_JOB) for address in targets(fire22.plan, job)]
    rows = [
        ("who is told what", links.grafana),
        ("Prometheus", f"{links.prometheus}/alerts"),
        ("Alertmanager", links.alertmanager),
        *((job, f"http://{host}:{port}/metrics") for job, (host, port) in jobs),
        ("PostgreSQL", f"host={fire22.cluster.folder} dbname=fire22 user=fire22"),
    ]
    width = max(len(name) for name, _ in rows)
    places = "\n".join(f"  {name:<{width}}  {place}" for name, place in rows)
    return (
        f"{places}\n\n"
        "For alerts time passes a hundred times as fast: who has five minutes to respond has three seconds.\n"
        "Change a threshold in domains/fire22/ and run make generate beside this: it is taken on here.\n"
        "make demo INCIDENT=collections/settlement_overdue makes an incident happen; INCIDENT=list names all.\n"
        "Ctrl-C stops everything."
    )


def _tell(fire22: Fire22, stop: threading.Event) -> None:
    """Print each message as it arrives."""
    names, seen = people(fire22.plan), 0
    while not stop.is_set():
        try:
            messages = fire22.stack.receiver.wait(_after(seen), 1)
        except TimeoutError:
            continue
        for message in messages:
            who = names.get((message.kind, message.to), message.to)
            _say(f"{message.kind:<8}{who:<28}{' '.join(message.title.split())}", at=message.at)
        seen += len(messages)


def _after(seen: int) -> Callable[[tuple[Message, ...]], tuple[Message, ...]]:
    return lambda messages: messages[seen:]


def _watch(fire22: Fire22, stop: threading.Event) -> None:
    """Have what runs take on what is generated anew."""
    for changes in watchfiles.watch(COMPILED, stop_event=stop):
        changed = {part for _, path in changes for part in Path(path).relative_to(COMPILED).parts[:1]}
        for program in fire22.reloadable():
            if program.reads in changed:
                text = reload.reload(program) or f"{program.process.name} has taken on what was generated."
                _say(text)
                fire22.stack.receiver.say(text)


def _incident(fire22: Fire22, name: str) -> Incident:
    alert, receiver = alert_of(fire22.plan, name), fire22.stack.receiver
    if name in FAULTS:
        fault = FAULTS[name]
        begin, end = partial(fault.begin, fire22), partial(fault.end, fire22)
        return Incident(fire22.plan, alert, fault.begins, fault.ends, begin, end, receiver, _say)
    found = INCIDENTS[name]
    begin, end = partial(found.begin, fire22.world), partial(found.end, fire22.world)
    return Incident(fire22.plan, alert, found.begins, found.ends, begin, end, receiver, _say)


def _progress(text: str) -> None:
    click.echo(f"Starting: {text}")


def _say(text: str, at: float | None = None) -> None:
    click.echo(f"{time.strftime('%H:%M:%S', time.localtime(at))}  {text}")


if __name__ == "__main__":
    main()
