"""Which addresses lead to which dashboards; tests/test_compose.py asks a real nginx."""

import re
from dataclasses import replace

from generator.emit import proxy
from generator.plan.types import Plan
from tests.emit import dashboard_plans as plans


def addressed(*paths: str | None) -> Plan:
    """A plan whose first domains have these paths, and dashboards with the uids ``a``, ``b`` …"""
    plan = plans.full_plan()
    template = plan.domains[0]
    domains = (
        replace(template, name=uid, dashboard_uid=uid, dashboard_path=path)
        for uid, path in zip("abc", paths, strict=False)
    )
    return replace(plan, domains=tuple(domains))


def redirects(plan: Plan) -> dict[str, str]:
    (artefact,) = proxy.emit(plan)
    assert artefact.path == "proxy/nginx.conf"
    found = re.findall(r"location = (\S+) \{\n +return 302 (\S+)\$is_args\$args;", artefact.content.decode())
    assert len(dict(found)) == len(found)  # nginx refuses the same location twice
    return dict(found)


def test_a_path_leads_to_its_dashboard_with_and_without_a_slash() -> None:
    assert redirects(addressed("/monitoring/orders", None)) == {
        "/monitoring/orders": "/d/a",
        "/monitoring/orders/": "/d/a",
    }


def test_another_domains_path_is_not_taken() -> None:
    assert redirects(addressed("/shop", "/shop/")) == {"/shop": "/d/a", "/shop/": "/d/b"}


def test_the_root_is_an_address_too() -> None:
    assert redirects(addressed("/")) == {"/": "/d/a"}


def test_grafanas_own_address_does_not_lead_to_itself() -> None:
    assert "/d/a" not in redirects(addressed("/d/a"))


def test_without_paths_it_is_grafana_alone() -> None:
    (artefact,) = proxy.emit(addressed(None))
    assert not redirects(addressed(None))
    assert b"set $grafana http://grafana:3000;" in artefact.content


def test_a_title_stays_in_its_comment() -> None:
    (artefact,) = proxy.emit(replace(addressed(), title="Shop\n} evil {"))
    assert artefact.content.startswith(b"# Shop } evil {: ")
