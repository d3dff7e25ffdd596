"""What PromQL is let through, and what is not: idioms that people use must not be taken for mistakes."""

from pathlib import Path

import pytest
import yaml

from tests.checks.shop import problems

ACCEPTED = {
    "": [
        "sum(rate(http_requests_total[5m]))",
        "sum(rate(a_total[5m])) / (sum(rate(b_total[5m])) > 0)",
        "(sum(rate(a_total[5m])) or vector(0)) / sum(rate(b_total[5m]))",
        "histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m]))) and on () (sum(rate(x_count[5m])) > 0)",
        "1e6 * sum(sum by (layer) (x) or max by (layer) (y)) / (max(z) >= 10000)",
        "max_over_time(sum(up)[1h:1m])",
        "count(up == 1) or vector(0)",
        "sum(rate(x_total{code=~\"5..\",code!=\"500\"}[5m]))",
        "sum(x{a=\"\"})",
        "absent(x)",
        "sum(rate(x_total[60s]))",
        "scalar(sum(x)) + time()",
        "-sum(x) < 0",
        "sum(x) == bool 1",
        "min(up) < 1",
        "avg(1 - rate(cpu_seconds_total{mode=\"idle\"}[5m]))",
        "sum(x) unless on () (max(y) > 3)",
    ],
    "path": [
        "sum by (path) (rate(http_requests_total[5m]))",
        "sum by (path) (rate(a_total[5m])) / on (path) sum by (path) (rate(b_total[5m]))",
        "sum by (path) (rate(a_total[5m])) / on () group_left () sum(rate(b_total[5m]))",
        "sum by (path) (rate(a_total[5m])) or 0 * sum by (path) (rate(b_total[5m]))",
        "topk(3, sum by (path) (x))",
        "sum by (path) (label_replace(x, \"path\", \"$1\", \"route\", \"/([^/]+).*\"))",
        "histogram_quantile(0.9, sum by (path, le) (rate(x_bucket[5m])))",
        "sum without (code) (sum by (path, code) (x))",
        "absent(x{path=\"/\"})",
        "count_values(\"path\", x)",
    ],
}  # fmt: skip
REFUSED = {
    "promql-syntax": ["sum(", "sum(x) by", "rate(x)", "1 > 2", "x{a=~\"(\"}", "sum(x) and 1", ""],
    "promql-labels": [
        "x",
        "rate(x_total[5m])",
        "sum without (job) (x)",
        "sum by (path) (x)",
        "x / on (path) y",
        "sum(sum by (a) (sum by (b) (x)))",
        "topk(3, x)",
    ],
    "promql-never-returns": [
        "sum(x{a=\"b\",a=\"c\"})",
        "sum(x{a=\"b\",a!=\"b\"})",
        "sum(x{a=\"b\",a=~\"c|d\"})",
        "sum(x) + sum by (a) (y)",
        "sum(x) and on (a) y",
        "sum(x) and on (a) sum by (a) (y)",
        "sum(up) < 0",
        "max(up) > 1",
        "absent(x) > 1",
        "count(x) < 1",
        "sum(rate(x_total[5m])) < 0",
        "vector(1) > 2",
        "histogram_quantile(0.9, sum(rate(x_bucket[5m])))",
    ],
    "promql-type": ["x[5m]", "\"text\""],
    "raw-counter": ["sum(x_total) > 5", "5 < max(x_total)"],
    "rate-window": ["sum(rate(x_total[59s]))", "sum(increase(x_total[30s]))", "sum(irate(x_total[15s]))"],
}  # fmt: skip


def metric(text: str, label: str = "") -> str:
    written = {"help": "A number.", "unit": "none", "job": "api", "promql": text}
    return yaml.safe_dump({"metrics": {"number": {**written, "by": [label]} if label else written}})


@pytest.mark.parametrize(("label", "text"), [(label, text) for label, texts in ACCEPTED.items() for text in texts])
def test_accepted(tmp_path: Path, label: str, text: str) -> None:
    assert problems(tmp_path, metric(text, label)) == []


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in REFUSED.items() for text in texts if text])
def test_refused(tmp_path: Path, code: str, text: str) -> None:
    assert code in {problem.code for problem in problems(tmp_path, metric(text))}


def test_labels_of_own_metrics_are_known(tmp_path: Path) -> None:
    """A metric that Tocsin records has exactly its declared labels; one that is scraped has job and instance, too."""
    domain = {
        "metrics": {
            "recorded": {"help": "A.", "unit": "none", "job": "api", "promql": "sum by (a) (x)", "by": ["a"]},
            "scraped": {"help": "A.", "unit": "none", "sql": "SELECT a, 1 AS value FROM x", "by": ["a"]},
            "fine": {
                "help": "A.", "unit": "none", "job": "api", "by": ["a"],
                "promql": "max_over_time(shop_orders_recorded[1h])",
            },
            "wrong": {
                "help": "A.", "unit": "none", "job": "api", "by": ["a"],
                "promql": "max_over_time(shop_orders_scraped[1h])",
            },
        }
    }  # fmt: skip
    found = problems(tmp_path, yaml.safe_dump(domain))
    assert {(problem.code, problem.message) for problem in found} == {
        ("promql-labels", f'the result has the label "{label}", which metric "wrong" does not list')
        for label in ("instance", "job")
    }


def test_alert_needs_a_condition(tmp_path: Path) -> None:
    for index, (text, fires_always) in enumerate(
        [
            ("sum(x)", True),
            ("sum(x) == bool 1", True),
            ("sum(x) > 1 or sum(y)", True),
            ("sum(x) > 1", False),
            ("absent(x)", False),
            ("sum(x > 1)", False),
            ("sum(x) unless sum(y)", False),
            ("sum(x) > 1 or sum(y) > 1", False),
        ]
    ):
        alert = yaml.safe_dump({"alerts": {"late": {"promql": text, "severity": "warning"}}})
        codes = [problem.code for problem in problems(tmp_path / str(index), alert)]
        assert codes == (["promql-condition"] if fires_always else []), text
