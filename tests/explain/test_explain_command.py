"""``tocsin explain`` as a person types it: names right and wrong, files with problems, hostile text."""

import gc
import json
import shutil
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from generator import cli
from generator.explain import as_text
from tests.compiling import PLATFORMS, ROOT
from tests.explain.explaining import explained

Run = Callable[..., tuple[int, str, str]]
HOSTILE = r"""  hostile:
    condition: open_orders > 50
    severity: high
    channels: [email]
    summary: "\u202e back {{ $labels }} \" ' `; \\ $(reboot) end"
    description: "gone \u2028 and\r\n gone"
    runbook: ["a\r\nb", "- c # d"]
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two platforms with the same alerts in ``domains/``, the second in a folder that is not called like it."""
    for folder, name in (("first", "first"), ("elsewhere", "second")):
        copied = tmp_path / "domains" / folder
        shutil.copytree(PLATFORMS["minimal"], copied)
        platform = copied / "platform.yaml"
        platform.write_text(platform.read_text().replace("platform: minimal", f"platform: {name}"))
    (tmp_path / "domains/elsewhere/orders.yaml").write_text(
        (PLATFORMS["minimal"] / "orders.yaml").read_text().replace("too_many_orders", "far_too_many_orders")
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def explain(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        thresholds = gc.get_threshold()
        monkeypatch.setattr(sys, "argv", ["tocsin", "explain", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        gc.set_threshold(*thresholds)
        out, err = capfd.readouterr()
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, out, err

    return run


@pytest.mark.parametrize("name", [
    "orders/too_many_orders", "first/orders/too_many_orders",
    "orders/far_too_many_orders", "second/orders/far_too_many_orders", "second/orders/order_forgotten",
    "first/tocsin/source_blind_shop",
])  # fmt: skip
def test_names_that_mean_one_alert(explain: Run, work: Path, name: str) -> None:
    code, out, err = explain(name)
    assert (code, err) == (0, "")
    assert out.partition(" (")[0].endswith(name)


def test_the_folder_of_one_platform(explain: Run, work: Path) -> None:
    code, out, _ = explain("orders/order_forgotten", "domains/elsewhere")
    assert (code, out.partition(" (")[0]) == (0, "second/orders/order_forgotten")


def test_a_name_that_two_platforms_have(explain: Run, work: Path) -> None:
    code, out, err = explain("orders/order_forgotten")
    assert (code, out) == (1, "")
    assert err.startswith("domains/elsewhere/orders.yaml:")
    assert 'error[ambiguous-alert]: 2 platforms have an alert "orders/order_forgotten"\n' in err
    assert "= help: write one of: second/orders/order_forgotten, first/orders/order_forgotten\n" in err
    assert err.endswith("1 error; nothing to explain\n")


@pytest.mark.parametrize(("name", "hint"), [
    ("first/orders/too_many_order", "an alert is near: first/orders/too_many_orders (domains/first/orders.yaml:27)"),
    ("orders/order_forgoten", "an alert is near: second/orders/order_forgotten (domains/elsewhere/orders.yaml:23)"),
    ("too_many_orders", "an alert is near: first/orders/too_many_orders (domains/first/orders.yaml:27)"),
    ("OrdersTooManyOrders", "an alert is near: first/orders/too_many_orders (domains/first/orders.yaml:27)"),
    ("orders/zzz", "alerts of orders: far_too_many_orders, order_forgotten, too_many_orders"),
    ("zzz/zzz", "domains: orders, tocsin"),
    ("zzz", "an alert is named domain/alert, or platform/domain/alert"),
    ("a/b/c/d", "an alert is named domain/alert, or platform/domain/alert"),
    ("", "an alert is named domain/alert, or platform/domain/alert"),
])  # fmt: skip
def test_wrong_names(explain: Run, work: Path, name: str, hint: str) -> None:
    code, out, err = explain(name)
    assert (code, out) == (1, "")
    assert f'error[unknown-alert]: no alert is called "{name}"\n' in err
    assert f"= help: {hint}\n" in err
    assert err.endswith("1 error; nothing to explain\n")


def test_a_name_cannot_steer_the_terminal(explain: Run, work: Path) -> None:
    _, _, err = explain("orders/\x1b[31m")
    assert r'"orders/\x1b[31m"' in err
    assert "\x1b" not in err


def test_an_alert_that_is_switched_off(explain: Run, work: Path) -> None:
    orders = work / "domains/first/orders.yaml"
    orders.write_text(orders.read_text() + "    enabled: false\n")
    code, _, err = explain("first/orders/too_many_orders")
    assert code == 1
    assert 'error[disabled-alert]: the alert "first/orders/too_many_orders" is switched off\n' in err
    assert "domains/first/orders.yaml:31:" in err


def test_problems_are_listed_all_at_once(explain: Run, work: Path) -> None:
    orders = work / "domains/first/orders.yaml"
    orders.write_text(
        orders.read_text().replace("open_orders >= 20", "opn_orders >= 20").replace("title: Orders", "titel: Orders")
    )
    code, out, err = explain("first/orders/order_forgotten")
    assert (code, out) == (1, "")
    assert "domains/first/orders.yaml:2:1: error[unknown-key]" in err
    assert err.endswith("nothing to explain\n")
    rows = json.loads(explain("first/orders/order_forgotten", "--format", "json")[2])
    assert "unknown-key" in {row["code"] for row in rows}


def test_another_platform_s_problems_do_not_matter(explain: Run, work: Path) -> None:
    (work / "domains/elsewhere/orders.yaml").write_text("nonsense")
    assert explain("first/orders/order_forgotten")[0] == 0


def test_an_environment(explain: Run, work: Path) -> None:
    overlay = work / "domains/first/environments/demo.yaml"
    overlay.parent.mkdir()
    overlay.write_text("durations: {scale: 0.1}\nmonitoring: {severity: high}\n")
    code, out, _ = explain("orders/too_many_orders", "--env", "demo")
    assert code == 0
    assert "first/orders/too_many_orders in environment demo (OrdersTooManyOrders)\n" in out
    assert "output/first.demo/prometheus/rules/orders.yml" in out
    assert "\ndomains/first/environments/demo.yaml:2\n" in explain("tocsin/watchdog", "--env", "demo")[1]
    code, _, err = explain("orders/too_many_orders", "--env", "nowhere")
    assert code == 1
    assert 'error[unknown-environment]: there is no environment "nowhere"' in err


@pytest.mark.parametrize("arguments", [(), ("a/b", "nowhere"), ("a/b", "--format", "github"), ("a/b", "--env")])
def test_wrong_usage(explain: Run, work: Path, arguments: tuple[str, ...]) -> None:
    code, out, err = explain(*arguments)
    assert (code, out) == (2, "")
    assert "Error: " in err


def test_json_is_one_object(explain: Run, work: Path) -> None:
    code, out, err = explain("orders/too_many_orders", "--format", "json")
    assert (code, json.loads(err)) == (0, [])
    read = json.loads(out)
    assert read["path"] == "first/orders/too_many_orders"
    assert read["written"]["line"] == 27
    assert read["threshold"] == {"text": ">= 20 orders", "op": ">=", "value": 20.0, "unit": "orders"}


@pytest.mark.parametrize("format_", ["text", "json"])
def test_hostile_text_is_harmless(explain: Run, work: Path, format_: str) -> None:
    orders = work / "domains/first/orders.yaml"
    orders.write_text(orders.read_text() + HOSTILE)
    code, out, _ = explain("first/orders/hostile", "--format", format_)
    assert code == 0
    odd = {character for character in out if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert odd == {"\n"}
    if format_ == "text":
        assert "\n\\u202e back {{ $labels }} \" ' `; \\ $(reboot) end\n" in out
        assert "\n  gone and gone\n" in out
        assert "\n  1. a b\n  2. - c # d\n" in out
    else:
        assert json.loads(out)["runbook"]["steps"] == ["a\r\nb", "- c # d"]


def test_a_secret_in_a_comment_is_masked(explain: Run, work: Path) -> None:
    orders = work / "domains/first/orders.yaml"
    orders.write_text(orders.read_text() + "    # password: hunter2\n    for: 1m\n")
    code, out, _ = explain("first/orders/too_many_orders")
    assert code == 0
    assert "# password: *******\n    for: 1m\n" in out


def test_the_checkout_is_as_readable(explain: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code, out, _ = explain("collections/settlement_overdue")
    assert code == 0
    assert out.startswith("fire22/collections/settlement_overdue (CollectionsSettlementOverdue)\n")


def test_whatever_a_text_holds_a_terminal_obeys_none_of_it() -> None:
    it = explained("fire22", "collections/settlement_overdue")
    steer = "\x1b[31m\x1b]0;title\x07\x9b2J\u202e\u2028\x00"
    text = as_text(spoilt(it, steer))
    assert text.count("title") > 20
    odd = {character for character in text if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert odd == {"\n"}


def spoilt(value: Any, steer: str) -> Any:
    """The same with something in every text that steers a terminal."""
    if isinstance(value, str):
        return value + steer
    if isinstance(value, tuple):
        return tuple(spoilt(each, steer) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
        kept = {"language", "op", "unit"}
        return replace(value, **{name: spoilt(getattr(value, name), steer) for name in names if name not in kept})
    return value


def test_the_readme_shows_what_comes_out() -> None:
    shown = (ROOT / "README.md").read_text().partition("```\nfire22/collections/settlement_overdue (")[2]
    lines = [line for line in shown.partition("```")[0].split("\n")[1:] if line.strip() != "…"]
    assert len(lines) > 20
    out = as_text(explained("fire22", "collections/settlement_overdue")).split("\n")
    assert [line for line in lines if line not in out] == []
