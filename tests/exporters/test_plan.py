"""The compiled plan as the exporter reads it: what is written arrives, and what is wrong is said where it stands."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from exporters.business.plan import DEFAULT_ROW_LIMIT, Plan, Query, Series, Source, load
from exporters.business.problems import Invalid

PLAN = """\
version: 1
platform: shop
query_success: shop_query_success
interval_seconds: 15
sources:
  warehouse: {type: postgres, dsn_env: WAREHOUSE_DSN}
queries:
- name: orders/open
  file: orders.yaml
  source: warehouse
  sql: SELECT size, count(*) AS value FROM orders GROUP BY size
  series:
  - name: shop_orders_open
    help: Open orders.
    type: gauge
    column: value
    labels: {size: [small, large]}
    absent: zero
"""
QUERY = PLAN[PLAN.index("- name: orders/open") :]


def loaded(folder: Path, text: str) -> Plan:
    path = folder / "business.yml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def refused(folder: Path, text: str) -> str:
    """What a person reads of a plan, without its folder."""
    with pytest.raises(Invalid) as caught:
        loaded(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


def changed(old: str, new: str) -> str:
    assert PLAN.count(old) == 1
    return PLAN.replace(old, new)


# --- what arrives ---


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    plan = loaded(tmp_path, PLAN.replace("    labels: {size: [small, large]}\n    absent: zero\n", ""))
    (query,) = plan.queries
    assert plan.sources == {"warehouse": Source(type="postgres", dsn_env="WAREHOUSE_DSN", max_age_seconds=0)}
    assert (query.within_seconds, query.when, query.interval_seconds) == (None, None, None)
    assert query.row_limit == DEFAULT_ROW_LIMIT
    assert query.series == (
        Series(name="shop_orders_open", help="Open orders.", type="gauge", column="value", labels={}, absent="gone"),
    )


def test_everything_that_a_plan_may_say(tmp_path: Path) -> None:
    text = changed("dsn_env: WAREHOUSE_DSN", "dsn_file: /run/secrets/dsn, max_age_seconds: 90.5")
    text = text.replace(
        "  sql:", "  within_seconds: 3600\n  when: SELECT true\n  interval_seconds: 60\n  row_limit: 5\n  sql:"
    )
    text += "    grouping_set: 3\n    resets: true\n    buckets: [0.5, 1, 2e3]\n"
    plan = loaded(tmp_path, text.replace("type: gauge", "type: histogram"))
    assert plan.sources["warehouse"] == Source(type="postgres", dsn_file="/run/secrets/dsn", max_age_seconds=90.5)
    (query,) = plan.queries
    assert (query.within_seconds, query.interval_seconds, query.row_limit) == (3600, 60, 5)
    assert query.when == "SELECT true"
    (series,) = query.series
    assert (series.grouping_set, series.resets, series.buckets) == (3, True, (0.5, 1, 2000))
    assert list(series.labels.items()) == [("size", ("small", "large"))]


def test_plain_words_are_read_as_yaml_1_2(tmp_path: Path) -> None:
    words = ["yes", "no", "on", "off", "y", "18:00", "1_000", "2026-01-01", "=", "<<", "0777_", "é", "'1.0'", '"null"']
    plan = loaded(tmp_path, changed("small, large", ", ".join(words)))
    assert plan.queries[0].series[0].labels["size"] == tuple(word.strip("'\"") for word in words)


def test_a_plan_of_some_domains_asks_only_their_sources(tmp_path: Path) -> None:
    text = changed("  warehouse:", "  ledger: {type: postgres, dsn_env: LEDGER_DSN}\n  warehouse:")
    other = (
        QUERY.replace("orders/open", "money/owed").replace("warehouse", "ledger").replace("shop_orders", "shop_money")
    )
    plan = loaded(tmp_path, text + other)
    assert plan.domains == ("money", "orders")
    only = plan.only(frozenset({"money"}))
    assert [query.name for query in only.queries] == ["money/owed"]
    assert list(only.sources) == ["ledger"]
    assert plan.only(frozenset(plan.domains)) == plan


def test_a_byte_order_mark_and_carriage_returns_are_no_part_of_it(tmp_path: Path) -> None:
    assert loaded(tmp_path, "\ufeff" + PLAN.replace("\n", "\r\n")) == loaded(tmp_path, PLAN)


def test_variants_of_one_series_for_other_servers_are_no_contradiction(tmp_path: Path) -> None:
    old, new = (
        query.replace("  sql:", f"  when: SELECT {sign} 140000\n  sql:")
        for query, sign in ((QUERY.replace("orders/open", "orders/old"), "13 <"), (QUERY, "15 >="))
    )
    assert len(loaded(tmp_path, PLAN.replace(QUERY, "") + old + new).queries) == 2


# --- what is refused ---

WRONG = {
    "another version": (
        changed("version: 1", "version: 2\nqueries_of_tomorrow: {}"),
        """\
business.yml:1:1: error[plan]: version: this exporter reads version 1 of a plan, not 2
 1 | version: 2
   | ^
""",
    ),
    "unknown key": (
        changed("  sql:", "  within: 5\n  sql:"),
        """\
business.yml:11:3: error[plan]: queries[0].within: there is no such key
 11 |   within: 5
    |   ^
    = help: the keys here are name, file, source, within_seconds, when, interval_seconds, row_limit, sql, series
""",
    ),
    "inline secret": (
        changed("dsn_env: WAREHOUSE_DSN", "dsn: 'postgres://shop:hunter2@db/shop'"),
        """\
business.yml:6:31: error[plan]: sources.warehouse.dsn: there is no such key
 6 |   warehouse: {type: postgres, dsn: **********************************
   |                               ^
    = help: the keys here are type, dsn_env, dsn_file, max_age_seconds
""",
    ),
    "no address": (
        changed(", dsn_env: WAREHOUSE_DSN", ""),
        """\
business.yml:6:3: error[plan]: sources.warehouse: give exactly one of dsn_env and dsn_file
 6 |   warehouse: {type: postgres}
   |   ^
""",
    ),
    "missing": (
        changed("  sql: SELECT size, count(*) AS value FROM orders GROUP BY size\n", ""),
        """\
business.yml:8:3: error[plan]: queries[0]: "sql" is missing
 8 | - name: orders/open
   |   ^
""",
    ),
    "wrong types": (
        changed("column: value", "column: 3").replace("size: [small, large]", "size: small").replace("15", "'15'"),
        """\
business.yml:4:1: error[plan]: interval_seconds: expected a number, found text
 4 | interval_seconds: '15'
   | ^
business.yml:16:5: error[plan]: queries[0].series[0].column: expected text, found a number
 16 |     column: 3
    |     ^
business.yml:17:14: error[plan]: queries[0].series[0].labels.size: expected a list, found text
 17 |     labels: {size: small}
    |              ^
""",
    ),
    "a word that YAML 1.2 takes for another type": (
        changed("[small, large]", "[yes, null, true, 0777]"),
        """\
business.yml:17:26: error[plan]: queries[0].series[0].labels.size[1]: expected text, found nothing
 17 |     labels: {size: [yes, null, true, 0777]}
    |                          ^
business.yml:17:32: error[plan]: queries[0].series[0].labels.size[2]: expected text, found true or false
 17 |     labels: {size: [yes, null, true, 0777]}
    |                                ^
""",
    ),
    "not finite": (
        changed("interval_seconds: 15", "interval_seconds: .inf"),
        """\
business.yml:4:1: error[plan]: interval_seconds: expected a finite number
 4 | interval_seconds: .inf
   | ^
""",
    ),
    "nothing where something must be": (
        changed("interval_seconds: 15", "interval_seconds: 0").replace("Open orders.", "''"),
        """\
business.yml:4:1: error[plan]: interval_seconds: must be greater than 0
 4 | interval_seconds: 0
   | ^
business.yml:14:5: error[plan]: queries[0].series[0].help: must not be empty
 14 |     help: ''
    |     ^
""",
    ),
    "negative": (
        changed("WAREHOUSE_DSN}", "WAREHOUSE_DSN, max_age_seconds: -1}").replace("zero", "zero\n    grouping_set: -1"),
        """\
business.yml:6:55: error[plan]: sources.warehouse.max_age_seconds: must be at least 0
 6 |   warehouse: {type: postgres, dsn_env: WAREHOUSE_DSN, max_age_seconds: -1}
   |                                                       ^
business.yml:19:5: error[plan]: queries[0].series[0].grouping_set: must be at least 0
 19 |     grouping_set: -1
    |     ^
""",
    ),
    "fraction": (
        changed("  sql:", "  row_limit: 1.5\n  sql:"),
        """\
business.yml:11:3: error[plan]: queries[0].row_limit: expected a whole number, found a number
 11 |   row_limit: 1.5
    |   ^
""",
    ),
    "type of series": (
        changed("type: gauge", "type: summary"),
        """\
business.yml:15:5: error[plan]: queries[0].series[0].type: expected 'gauge', 'counter', 'histogram' or 'unknown'
 15 |     type: summary
    |     ^
""",
    ),
    "buckets of a gauge": (
        changed("    absent: zero\n", "    buckets: [1, 2]\n"),
        """\
business.yml:18:5: error[plan]: queries[0].series[0].buckets: a gauge has no buckets, only a histogram has
 18 |     buckets: [1, 2]
    |     ^
""",
    ),
    "histogram without buckets": (
        changed("type: gauge", "type: histogram"),
        """\
business.yml:15:5: error[plan]: queries[0].series[0].type: a histogram needs buckets
 15 |     type: histogram
    |     ^
""",
    ),
    "buckets that do not rise": (
        changed("type: gauge", "type: histogram").replace("absent: zero", "buckets: [1, 2, 2, 0]"),
        """\
business.yml:18:21: error[plan]: queries[0].series[0].buckets[2]: every bound must be greater than the one before
 18 |     buckets: [1, 2, 2, 0]
    |                     ^
business.yml:18:24: error[plan]: queries[0].series[0].buckets[3]: every bound must be greater than the one before
 18 |     buckets: [1, 2, 2, 0]
    |                        ^
""",
    ),
    "label value listed twice": (
        changed("small, large", "small, large, small"),
        """\
business.yml:17:35: error[plan]: queries[0].series[0].labels.size[2]: this value is listed already
 17 |     labels: {size: [small, large, small]}
    |                                   ^
""",
    ),
    "names": (
        PLAN.replace("platform: shop", "platform: Shop")
        .replace("orders/open", "orders/open/late/now")
        .replace("name: shop_orders", "name: shop-orders")
        .replace("{size:", "{__size:")
        .replace("WAREHOUSE_DSN", "a b"),
        """\
business.yml:2:1: error[plan]: platform: expected lower-case letters and digits, parts joined by _, a letter first
 2 | platform: Shop
   | ^
business.yml:6:31: error[plan]: sources.warehouse.dsn_env: expected the name of an environment variable
 6 |   warehouse: {type: postgres, dsn_env: a b}
   |                               ^
business.yml:8:3: error[plan]: queries[0].name: expected one to three names joined by /, each of lower-case letters,\
 digits and _, a letter first
 8 | - name: orders/open/late/now
   |   ^
business.yml:13:5: error[plan]: queries[0].series[0].name: expected lower-case letters, digits and _, a letter first
 13 |   - name: shop-orders_open
    |     ^
business.yml:17:14: error[plan]: queries[0].series[0].labels.__size: a name here has lower-case letters and digits,\
 parts joined by _, a letter first
 17 |     labels: {__size: [small, large]}
    |              ^
""",
    ),
    "two queries of one name": (
        PLAN + QUERY,
        """\
business.yml:19:3: error[plan]: queries[1].name: another query is called orders/open already
 19 | - name: orders/open
    |   ^
""",
    ),
    "unknown source": (
        changed("source: warehouse", "source: werehouse"),
        """\
business.yml:10:3: error[plan]: queries[0].source: no source is called "werehouse"; there is warehouse
 10 |   source: werehouse
    |   ^
""",
    ),
    "one series of two types": (
        PLAN + QUERY.replace("orders/open", "orders/old").replace("gauge", "counter"),
        """\
business.yml:26:5: error[plan]: queries[1].series[0].type: shop_orders_open is a gauge elsewhere, and has one type\
 everywhere
 26 |     type: counter
    |     ^
""",
    ),
    "one series of two queries": (
        PLAN + QUERY.replace("orders/open", "orders/old"),
        """\
business.yml:24:5: error[plan]: queries[1].series[0].name: shop_orders_open is given by query orders/open already
 24 |   - name: shop_orders_open
    |     ^
""",
    ),
    "one series twice in a query": (
        PLAN + QUERY[QUERY.index("  - name") :],
        """\
business.yml:19:5: error[plan]: queries[0].series[1].name: shop_orders_open is given by query orders/open already
 19 |   - name: shop_orders_open
    |     ^
""",
    ),
    "no series": (
        PLAN[: PLAN.index("  series:")] + "  series: []\n",
        """\
business.yml:12:3: error[plan]: queries[0].series: must not be empty
 12 |   series: []
    |   ^
""",
    ),
    "no queries": (
        PLAN[: PLAN.index("queries:")] + "queries: []\n",
        """\
business.yml:7:1: error[plan]: queries: must not be empty
 7 | queries: []
   | ^
""",
    ),
    "no mapping": (
        PLAN[: PLAN.index("queries:")] + "queries: [5, ~]\n",
        """\
business.yml:7:11: error[plan]: queries[0]: expected a mapping, found a number
 7 | queries: [5, ~]
   |           ^
business.yml:7:14: error[plan]: queries[1]: expected a mapping, found nothing
 7 | queries: [5, ~]
   |              ^
""",
    ),
    "keys that are no text": (
        changed("{size:", "{2: [], true:"),
        """\
business.yml:17:14: error[plan]: a key must be text; quote it
 17 |     labels: {2: [], true: [small, large]}
    |              ^
business.yml:17:21: error[plan]: a key must be text; quote it
 17 |     labels: {2: [], true: [small, large]}
    |                     ^
""",
    ),
    "a list": ("- 1\n", "business.yml:1:1: error[plan]: expected a mapping, found a list\n 1 | - 1\n   | ^\n"),
    "empty": ("", "business.yml: error[plan]: the file is empty\n"),
    "comments alone": ("# soon\n", "business.yml: error[plan]: the file is empty\n"),
    # --- not YAML ---
    "colon": (
        changed("Open orders.", "Open: orders."),
        """\
business.yml:14:15: error[yaml]: this is not YAML: mapping values are not allowed in this context
 14 |     help: Open: orders.
    |               ^
""",
    ),
    "never closed": (
        changed("large]}", "large}"),
        """\
business.yml:17:33: error[yaml]: this is not YAML: did not find expected ',' or ']', while parsing a flow sequence\
 at line 17 column 20
 17 |     labels: {size: [small, large}
    |                                 ^
""",
    ),
    "never closed up to the end": (
        changed("zero", "'zero"),
        """\
business.yml:18:13: error[yaml]: this is not YAML: found unexpected end of stream, while scanning a quoted scalar\
 at line 18 column 13
 18 |     absent: 'zero
    |             ^
""",
    ),
    "tab": (
        changed("    help:", "\thelp:"),
        """\
business.yml:14:1: error[yaml]: this is not YAML: found a tab character that violates indentation, while scanning a\
 plain scalar at line 13 column 11
 14 |  help: Open orders.
    | ^
    = help: a tab cannot indent; use spaces
""",
    ),
    "key twice": (
        changed("    type: gauge\n", "    type: gauge\n    help: Again.\n"),
        """\
business.yml:16:5: error[yaml]: the key "help" stands here twice
 16 |     help: Again.
    |     ^
""",
    ),
    "key that is a list": (
        changed("version: 1", "? [version]\n: 1"),
        "business.yml:1:3: error[yaml]: a key must be text\n 1 | ? [version]\n   |   ^\n",
    ),
    "two documents": (
        PLAN + "---\n" + PLAN,
        "business.yml:19:1: error[yaml]: a plan is one document\n 19 | ---\n    | ^\n",
    ),
    "control character": (
        changed("Open orders.", "é\x07"),
        """\
business.yml:14:12: error[yaml]: this is not YAML: control characters are not allowed
 14 |     help: é\ufffd
    |            ^
""",
    ),
    "number beyond all bounds": (
        changed("interval_seconds: 15", f"interval_seconds: {10**22}"),
        f"""\
business.yml:4:19: error[yaml]: this is not YAML: interval_seconds: invalid type: integer `{10**22}` as u128, expected\
 any YAML value
 4 | interval_seconds: {10**22}
   |                   ^
""",
    ),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_plan_is_refused_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    assert refused(tmp_path, text) == said


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    wrong = QUERY.replace("gauge", "gage").replace("zero", "nil").replace("  file: orders.yaml\n", "")
    said = refused(tmp_path, PLAN[: PLAN.index("- name")] + "".join(wrong.replace("open", f"o{i}") for i in range(40)))
    assert said.count("error[plan]") == 3 * 40
    assert "empty" not in said


@pytest.mark.parametrize("depth", [200, 20_000])
@pytest.mark.parametrize("text", ["a: {}{}", "a: 1\na: 2\nb: {}{}", "a: {}"], ids=["closed", "key twice", "open"])
def test_no_depth_ends_the_process(text: str, depth: int, tmp_path: Path) -> None:
    assert "error[yaml]" in refused(tmp_path, text.format("[" * depth, "]" * depth))


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yml"
    binary.write_bytes(b"\x7fELF\xff\xfe\x00")
    for path, reason in {
        tmp_path / "none.yml": "no such file or directory",
        tmp_path: "is a directory",
        binary: "is not UTF-8",
        binary / "below.yml": "not a directory",
    }.items():
        with pytest.raises(Invalid) as caught:
            load(path)
        assert str(caught.value) == f"{path}: error[unreadable]: the file cannot be read: {reason}\n"


def test_a_plan_that_is_built_is_held_to_the_same_rules() -> None:
    series = Series(name="shop_orders_open", help="Open orders.", type="gauge", column="value")
    query = Query(name="orders/open", file="orders.yaml", source="ledger", sql="SELECT 1", series=(series,))
    with pytest.raises(ValidationError, match='no source is called "ledger"; there is warehouse'):
        Plan(
            version=1,
            platform="shop",
            query_success="shop_query_success",
            interval_seconds=15,
            sources={"warehouse": Source(type="postgres", dsn_env="WAREHOUSE_DSN")},
            queries=(query,),
        )
    with pytest.raises(ValidationError, match="frozen"):
        query.name = "orders/late"  # type: ignore[misc]
    for bound in (float("inf"), float("nan")):
        with pytest.raises(ValidationError, match="finite"):
            Series(name="s", help="h", type="histogram", column="value", buckets=(1, bound))
