"""``proxy/nginx.conf``: Grafana behind nginx, and each dashboard at the address that its domain names.

Nothing but the platform's title, checked paths and uids are put into it, so nothing needs quoting.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from generator.emit.artefact import Artefact
from generator.plan.types import Plan

# The usual name of the program beside it. A port above 1023, which nobody has to be root for.
GRAFANA_URL = "http://grafana:3000"
LISTEN = "8080"

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Redirect:
    """A path that leads to a dashboard's path in Grafana."""

    path: str
    dashboard: str


def emit(plan: Plan) -> Iterator[Artefact]:
    """The configuration of a platform's nginx."""
    text = _template().render(
        title=" ".join(plan.title.split()), listen=LISTEN, grafana=GRAFANA_URL, redirects=_redirects(plan)
    )
    yield Artefact("proxy/nginx.conf", text.encode())


def _redirects(plan: Plan) -> list[Redirect]:
    """Each path as written and, unless that is another domain's, with a slash more or less at its end."""
    written = {domain.dashboard_path: domain for domain in plan.domains if domain.dashboard_path}
    leads = dict(written)
    for path, domain in written.items():
        leads.setdefault(path.rstrip("/") or "/", domain)
        leads.setdefault(f"{path.rstrip('/')}/", domain)
    found = (Redirect(path, f"/d/{domain.dashboard_uid}") for path, domain in sorted(leads.items()))
    # One that is Grafana's own address already would lead to itself.
    return [redirect for redirect in found if redirect.path != redirect.dashboard]


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=False,
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("nginx.conf.j2")
