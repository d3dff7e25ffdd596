"""A platform's folder to Files, or everything that is wrong with it, in words and at its place."""

from pathlib import Path

import pytest

from generator.diagnostics import Problem, render, render_github, render_json
from generator.load import Files, load, load_all
from generator.source import Path as ValuePath

PLATFORM = """\
platform: shop
title: Shop
channels:
  slack: {type: slack, api_url_file: /run/secrets/slack, channel: "#shop"}
contacts:
  ann: {slack: "@ann"}
links:
  prometheus: http://prometheus:9090
  alertmanager: http://alertmanager:9093
  grafana: http://grafana:3000
  runbooks: http://runbooks
"""
SALES = """\
domain: sales
title: Sales
owner: ann
metrics:
  orders: {help: Orders., unit: orders, sql: SELECT 1 AS value}
alerts:
  few_orders:
    condition: orders < 5
    severity: high
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = Path("domains/shop")
    (folder / "environments").mkdir(parents=True)
    (folder / "platform.yaml").write_text(PLATFORM)
    (folder / "sales.yaml").write_text(SALES)
    return folder


def loaded(folder: Path, environment: str | None = None) -> Files:
    files = load(folder, environment)
    assert isinstance(files, Files), files
    return files


def wrong(folder: Path, environment: str | None = None) -> tuple[Problem, ...]:
    problems = load(folder, environment)
    assert isinstance(problems, tuple)
    return problems


def one(folder: Path, environment: str | None = None) -> Problem:
    (problem,) = wrong(folder, environment)
    return problem


def underlined(problem: Problem) -> str:
    """The characters that the caret stands under."""
    line = Path(problem.span.path).read_text().splitlines()[problem.span.line - 1]
    return line[problem.span.column - 1 : problem.span.end - 1]


def test_a_platform_and_its_domains(shop: Path) -> None:
    (shop / "billing.yaml").write_text(SALES.replace("sales", "billing"))
    for ignored in (".sales.yaml.swp", "#sales.yaml#", "README.md", "_draft.yaml", "sales.yaml~"):
        (shop / ignored).write_text("ignored: [")
    files = loaded(shop)
    assert (files.directory, files.environment) == ("domains/shop", None)
    assert [file.model.domain for file in files.domains] == ["billing", "sales"]
    assert files.domains[1].source.path == "domains/shop/sales.yaml"
    span = files.domains[1].text_span(("alerts", "few_orders", "condition"), 9, 10)
    assert (span.line, span.column, span.end) == (8, 25, 26)
    assert files.platform.key_span(("links", "grafana")).line == 10


# What is written in place of a line of SALES, the code, what is underlined, the message, and words of the help.
DOMAIN_MISTAKES = {
    "misspelt key": ("    severty: high", "unknown-key", "severty", 'an alert has no key "severty"', "severity"),
    "camel case": (
        "    severity: high\n    noData: ok", "unknown-key", "noData", 'an alert has no key "noData"',
        "known key: no_data",
    ),
    "key of another": (
        "    severity: high\n    target: 5", "unknown-key", "target", 'an alert has no key "target"', "a key of a KPI",
    ),
    "foreign key": (
        "    severity: high\n    zzz: 5", "unknown-key", "zzz", 'an alert has no key "zzz"',
        "known here: condition, promql, severity",
    ),
    "missing": ("    by: []", "missing-key", "few_orders", 'an alert needs the key "severity"', "severity: …"),
    "number as text": ("    severity: 5", "wrong-type", "5", '"severity": expected text, found a number', 'it: "5"'),
    "nothing": ("    severity: #high", "wrong-type", "severity", "expected text, found nothing", "begins a comment"),
    "on": (
        "    severity: high\n    enabled: on", "wrong-type", "on", '"enabled": expected true or false, found text',
        "write true without quotes",
    ),
    "no list": (
        "    severity: high\n    channels: slack", "wrong-type", "slack", '"channels": expected a list, found text',
        "write a list: [slack]",
    ),
    "number for a duration": (
        "    severity: high\n    for: 15", "wrong-type", "15", '"for": expected text, found a number', "such as 15s",
    ),
    "no duration": (
        "    severity: high\n    for: 5 minutes", "invalid-value", "5 minutes", '"5 minutes" is not a duration', "5m",
    ),
    "no word": (
        "    severity: high\n    no_data: okay", "invalid-value", "okay", '"no_data" cannot be "okay"',
        "keep, ok, alert",
    ),
    "unsafe name": ("    severity: Very high", "unsafe-name", "Very high", '"Very high" cannot be a name', "very-high"),
    "text or list": (
        "    severity: high\n    runbook: 5", "wrong-type", "5", '"runbook": expected text or a list, found a number',
        "",
    ),
    "item of a list": (
        "    severity: high\n    runbook: [a, 5]", "wrong-type", "5", "expected text, found a number", 'quote it: "5"',
    ),
    "empty text": (
        "    severity: high\n    summary: ''", "too-short", "summary", '"summary" is empty', "",
    ),
    "text by accident empty": (
        "    severity: high\n    promql: >5", "too-short", "promql", '"promql" is empty', "must be quoted",
    ),
    "long": (f"    severity: {'x' * 61}", "too-long", "x" * 61, '"severity" is longer than 60 characters', ""),
    "name of an alert": (
        '    severity: high\n  "few/orders": {severity: high}', "unsafe-name", '"few/orders"',
        '"few/orders" cannot be a name', "few_orders",
    ),
    "form of a mapping": (
        "    severity: high\nkpis: [a]", "wrong-type", "[a]", '"kpis": expected keys with values, found a list', "",
    ),
    "form inside of a choice": (
        "    severity: high\nqueries: {}\nrecords: {a: {table: t, fields: {b: {sql: c, values: x}}}}", "wrong-type",
        "x",
        '"values": expected a list, found text', "[x]",
    ),
    "out of range": (
        "    severity: high\nrecords: {a: {table: t, fields: {b: {sql: c}}, each: {label: l, sql: c, limit: 0}}}",
        "invalid-value", "0", '"limit" must be at least 1', "",
    ),
    "quoted number": (
        '    severity: high\nrecords: {a: {table: t, fields: {b: {sql: c}}, each: {label: l, sql: c, limit: "20"}}}',
        "wrong-type", '"20"', '"limit": expected a whole number, found text', "write 20 without quotes",
    ),
    "no entry": (
        "    severity: high\nrecords: {a: {table: t, fields: {}}}", "too-short", "fields",
        '"fields" needs at least one entry', "",
    ),
    "no table": (
        "    severity: high\nrecords: {a: {table: t where x, fields: {b: {sql: c}}}}", "invalid-value", "t where x",
        '"t where x" is not the name of a table', "",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("line", "code", "marked", "message", "hint"), DOMAIN_MISTAKES.values(), ids=DOMAIN_MISTAKES)
def test_a_mistake_in_a_domain(shop: Path, line: str, code: str, marked: str, message: str, hint: str) -> None:
    (shop / "sales.yaml").write_text(SALES.replace("    severity: high", line))
    problem = one(shop)
    assert (problem.code, underlined(problem)) == (code, marked)
    assert message in problem.message
    assert hint in "\n".join(problem.help)


SLACK = PLATFORM.splitlines()[3].strip()
PLATFORM_MISTAKES = {
    "type of a channel": (
        "slack: {type: slak}", "invalid-value", "slak", '"type" cannot be "slak"', "the nearest: slack",
    ),
    "no type": ("slack: {channel: x}", "missing-key", "slack", 'the channel "slack" needs the key "type"', "pagerduty"),
    "key of a channel": (
        SLACK.replace('"#shop"}', '"#shop", chanel: x}'), "unknown-key", "chanel",
        'a Slack channel has no key "chanel"',
        "channel",
    ),
    "misspelt channel key": (
        SLACK.replace("channel:", "chanel:"), "unknown-key", "chanel", 'a Slack channel has no key "chanel"', "channel",
    ),
    "address of an email": (
        SLACK + "\n  mail: {type: email, to: [ann], from: a@b, smarthost: c:25}", "invalid-value", "ann",
        '"ann" is not an email address', "ops@shop.example",
    ),
    "port": (
        SLACK + "\n  mail: {type: email, to: [a@b], from: a@b, smarthost: c}", "invalid-value", "c",
        '"c" is not a host with a port', "api:8000",
    ),
    "url": (
        SLACK + "\n  hook: {type: webhook, url: ftp://x}", "invalid-value", "ftp://x", '"ftp://x" is not an address',
        "",
    ),
    "version": (
        SLACK + "\ntargets: {prometheus: 2.40}", "wrong-type", "2.40", '"prometheus": expected text',
        'quote it: "2.40"',
    ),
    "time": (
        SLACK + "\nnotifications: {daily: {at: 9:00}}", "invalid-value", "9:00", '"9:00" is not a time of day', "09:00",
    ),
    "weekday": (
        SLACK + "\nnotifications: {weekly: {at: '09:00', day: mon}}", "invalid-value", "mon", '"day" cannot be "mon"',
        "monday",
    ),
    "next": (
        SLACK + "\nescalation: {high: {next: 5}}", "wrong-type", "5", '"next": expected text or a list', "",
    ),
    "name in next": (
        SLACK + "\nescalation: {high: {next: [a b]}}", "unsafe-name", "a b", '"a b" cannot be a name', "a-b",
    ),
    "durations": (
        SLACK + "\ndurations: {scale: 0.5}", "unknown-key", "durations", '"durations" scales',
        "environments/<name>.yaml",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code", "marked", "message", "hint"), PLATFORM_MISTAKES.values(), ids=PLATFORM_MISTAKES
)
def test_a_mistake_in_the_platform(shop: Path, line: str, code: str, marked: str, message: str, hint: str) -> None:
    (shop / "platform.yaml").write_text(PLATFORM.replace(SLACK, line))
    problem = one(shop)
    assert (problem.code, underlined(problem)) == (code, marked)
    assert message in problem.message
    assert hint in "\n".join(problem.help)


def test_a_phone_number_stays_text_and_a_number_is_refused(shop: Path) -> None:
    (shop / "platform.yaml").write_text(PLATFORM.replace('"@ann"', '"@ann", sms: +46700000001'))
    extra = loaded(shop).platform.model.contacts["ann"].model_extra
    assert extra == {"slack": "@ann", "sms": "+46700000001"}
    (shop / "platform.yaml").write_text(PLATFORM.replace('"@ann"', '"@ann", sms: 46700000001'))
    assert one(shop).message == '"sms": expected text or keys with values, found a number'


SECRETS = {
    "webhook": (
        "slack: {type: slack, api_url: https://hooks.slack.com/services/hunter2, channel: x}", "api_url",
        "api_url_file: …",
    ),
    "pagerduty": ("slack: {type: pagerduty, routing_key: hunter2}", "routing_key", "routing_key_file: …"),
    "old pagerduty": ("slack: {type: pagerduty, service_key: hunter2}", "service_key", "routing_key_file: …"),
    "smtp": (
        "slack: {type: email, to: [a@b], from: a@b, smarthost: c:25, auth_password: hunter2}", "auth_password",
        "auth_password_file: …",
    ),
    "short": (
        "slack: {type: email, to: [a@b], from: a@b, smarthost: c:25, password: hunter2}", "password",
        "auth_password_file: …",
    ),
    "bot": ("slack: {type: slack, channel: x, bot_token: hunter2}", "bot_token", "api_url_file: …"),
    "bearer": ("slack: {type: webhook, url: 'http://x', credentials: hunter2}", "credentials", "credentials_file: …"),
    "database": (SLACK + "\nsources: {db: {type: postgres, dsn: 'host=db password=hunter2'}}", "dsn", "dsn_env: …"),
    "a file that is none": (
        "slack: {type: slack, channel: x, api_url_file: https://hunter2}", "https://hunter2", "the path of a file",
    ),
    "a variable that is none": (
        SLACK + "\nsources: {db: {type: postgres, dsn_env: 'postgres://a:hunter2@b'}}", "'postgres://a:hunter2@b'",
        "an environment variable",
    ),
    "contact": (SLACK + "\nmonitoring: {}\nroles: {}", None, None),
}  # fmt: skip


@pytest.mark.parametrize(("line", "marked", "hint"), SECRETS.values(), ids=SECRETS)
def test_an_inline_secret_is_refused_and_never_shown(
    shop: Path, line: str, marked: str | None, hint: str | None
) -> None:
    text = PLATFORM.replace(SLACK, line)
    if marked is None:
        marked, hint = "routing_key", "routing_key_file: …"
        text = text.replace('"@ann"', '"@ann", phone: {routing_key: hunter2}')
    (shop / "platform.yaml").write_text(text)
    problem = next(problem for problem in wrong(shop) if problem.code == "inline-secret")
    assert underlined(problem) == marked
    assert hint is not None
    assert hint in "\n".join(problem.help)
    assert not [other for other in wrong(shop) if other.code == "missing-key" and "_file" in other.message]
    texts = {"domains/shop/platform.yaml": text}
    for output in (render(wrong(shop), texts), render_github(wrong(shop)), render_json(wrong(shop))):
        assert "hunter2" not in output


def test_a_misspelt_file_key_is_no_secret(shop: Path) -> None:
    (shop / "platform.yaml").write_text(PLATFORM.replace("api_url_file", "api_url_flie"))
    assert (one(shop).code, one(shop).help) == ("unknown-key", ("the nearest known key: api_url_file",))


def test_problems_of_all_files_come_at_once_and_sorted(shop: Path) -> None:
    (shop / "platform.yaml").write_text(PLATFORM.replace("title: Shop", "titel: Shop"))
    (shop / "sales.yaml").write_text(SALES.replace("owner: ann", "owner: 5"))
    (shop / "empty.yaml").write_text("")
    (shop / "latin.yaml").write_bytes(b"title: \xe5")
    (shop / "old.yml").write_text(SALES)
    problems = wrong(shop)
    assert list(problems) == sorted(problems)
    assert [(problem.span.path.rpartition("/")[2], problem.code) for problem in problems] == [
        ("empty.yaml", "empty-file"),
        ("latin.yaml", "not-utf8"),
        ("old.yml", "file-extension"),
        ("platform.yaml", "unknown-key"),
        ("sales.yaml", "wrong-type"),
    ]


def test_the_file_is_called_as_the_domain(shop: Path) -> None:
    (shop / "sales.yaml").rename(shop / "selling.yaml")
    problem = one(shop)
    assert (problem.code, underlined(problem)) == ("domain-file-name", "sales")
    assert "rename the file to sales.yaml" in problem.help[0]


@pytest.mark.parametrize("content", ["- a\n- b\n", "just text\n"])
def test_a_file_that_is_no_mapping(shop: Path, content: str) -> None:
    (shop / "sales.yaml").write_text(content)
    assert one(shop).code == "wrong-type"


def test_no_platform(shop: Path) -> None:
    (shop / "platform.yaml").unlink()
    assert (one(shop).code, one(shop).span.path) == ("missing-platform", "domains/shop/platform.yaml")
    assert one(Path("domains/nowhere")).message == "domains/nowhere is not a folder"


def test_a_file_that_cannot_be_read(shop: Path) -> None:
    (shop / "folder.yaml").mkdir()
    (shop / "link.yaml").symlink_to("nowhere")
    assert [problem.code for problem in wrong(shop)] == ["unreadable-file", "unreadable-file"]


TEST_OVERLAY = """\
channels: {slack: {channel: "#test"}}
links: {grafana: http://test:3000}
durations: {scale: 0.01}
"""


def test_an_overlay_merges_mappings_and_replaces_the_rest(shop: Path) -> None:
    (shop / "environments/test.yaml").write_text(TEST_OVERLAY)
    assert "#shop" in str(loaded(shop).platform.model.channels["slack"])
    files = loaded(shop, "test")
    platform = files.platform
    assert files.environment == "test"
    assert platform.model.model_dump()["channels"]["slack"] == {
        "type": "slack", "api_url_file": "/run/secrets/slack", "channel": "#test", "quiet_hours": [],
    }  # fmt: skip
    assert platform.model.durations.scale == 0.01
    assert platform.model.links.prometheus == "http://prometheus:9090"
    assert loaded(shop).platform.model.durations.scale == 1


@pytest.mark.parametrize(
    ("path", "file", "line"),
    [
        (("channels", "slack", "channel"), "environments/test.yaml", 1),
        (("channels", "slack", "type"), "platform.yaml", 4),
        (("channels", "slack"), "platform.yaml", 4),
        (("links", "grafana"), "environments/test.yaml", 2),
        (("links", "runbooks"), "platform.yaml", 11),
        (("durations",), "environments/test.yaml", 3),
    ],
)
def test_a_merged_value_stands_where_it_came_from(shop: Path, path: ValuePath, file: str, line: int) -> None:
    (shop / "environments/test.yaml").write_text(TEST_OVERLAY)
    platform = loaded(shop, "test").platform
    for span in (platform.span(path), platform.key_span(path)):
        assert (span.path, span.line) == (f"domains/shop/{file}", line)


def test_a_mistake_in_an_overlay_is_found_there(shop: Path) -> None:
    (shop / "environments/test.yaml").write_text("channels: {slack: {chanel: x}}\nlinks: {grafana: nowhere}\n")
    (shop / "environments/other.yaml").write_text("")
    assert isinstance(load(shop), Files)
    assert [(p.code, p.span.path, p.span.line) for p in wrong(shop, "test")] == [
        ("unknown-key", "domains/shop/environments/test.yaml", 1),
        ("invalid-value", "domains/shop/environments/test.yaml", 2),
    ]
    every = load_all(shop)
    assert [problem.code for problem in every if isinstance(problem, Problem)] == [
        "empty-file", "unknown-key", "invalid-value",
    ]  # fmt: skip


def test_all_environments(shop: Path) -> None:
    (shop / "environments/test.yaml").write_text(TEST_OVERLAY)
    every = load_all(shop)
    assert [files.environment for files in every if isinstance(files, Files)] == [None, "test"]


def test_an_unknown_environment_names_those_that_exist(shop: Path) -> None:
    (shop / "environments/test.yaml").write_text(TEST_OVERLAY)
    problem = one(shop, "tset")
    assert (problem.code, problem.help) == ("unknown-environment", ("there are: test",))
    assert one(shop, "../platform").code == "unknown-environment"


MODULE = "from generator.model import Domain\nDOMAIN = Domain(domain='stock', title='Stock', owner='ann')\n"


def test_a_python_module_stands_beside_yaml(shop: Path) -> None:
    (shop / "stock.py").write_text(MODULE)
    stock = loaded(shop).domains[1]
    assert (stock.model.title, stock.span(("title",)).path, stock.key_span(("title",)).line) == (
        "Stock", "domains/shop/stock.py", 1,
    )  # fmt: skip
    assert not list(shop.glob("__pycache__"))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("x = 1\n", 1, "the module has no DOMAIN"),
        ("DOMAIN = 5\n", 1, "DOMAIN is not a Domain"),
        ("x = 1\ny = (\n", 2, "the module is no Python"),
        ("def f():\n    return 1 / 0\nf()\n", 2, "the module fails: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(5)\n", 2, "the module fails: SystemExit: 5"),
        (MODULE.replace("'Stock'", "5"), 2, "Domain title: input should be a valid string"),
        (MODULE.replace("'stock'", "'stocks'"), 1, 'the file stock.py says that it is the domain "stocks"'),
        ("x = '\x00'\n", 1, "the module"),
    ],
)
def test_a_module_that_is_wrong(shop: Path, text: str, line: int, message: str) -> None:
    (shop / "stock.py").write_text(text)
    problem = one(shop)
    assert problem.span.line == line
    assert message in problem.message


def test_one_domain_in_two_files(shop: Path) -> None:
    (shop / "sales.py").write_text(MODULE.replace("stock", "sales"))
    assert one(shop).message == 'sales.py and sales.yaml are both the domain "sales"'
