"""Types: a condition compares single numbers, which histograms are not."""

import re
from collections.abc import Iterator

from generator.condition import references
from generator.condition.tree import Condition, MetricSymbol, Symbol
from generator.diagnostics import Problem
from generator.load import DomainFile, Files
from generator.plan.resolution import resolve

Path = tuple[str | int, ...]


def check(files: Files) -> Iterator[Problem]:
    """Histograms in conditions and expressions."""
    histograms = {
        (file.model.domain, name)
        for file in files.domains
        for name, metric in file.model.metrics.items()
        if metric.type == "histogram"
    }
    for file in files.domains if histograms else ():
        for path, text, symbols in _texts(files, file):
            for symbol in symbols:
                if isinstance(symbol, MetricSymbol) and (symbol.domain, symbol.name) in histograms:
                    match = re.search(rf"\b{symbol.name}\b", text)
                    start, end = match.span() if match else (0, len(text))
                    message = f'histogram "{symbol.name}" is not one number: nothing can be compared with it'
                    hint = "make a quantile of it a metric of its own, with promql: histogram_quantile(…)"
                    yield Problem(file.text_span(path, start, end), "metric-type", message, (hint,))


def _texts(files: Files, file: DomainFile) -> Iterator[tuple[Path, str, tuple[Symbol, ...]]]:
    resolution = resolve(files)
    domain = file.model.domain
    for name in file.model.alerts:
        condition = resolution.conditions.get((domain, name))
        if isinstance(condition, Condition):
            yield ("alerts", name, "condition"), condition.text, condition.symbols
    for name, metric in file.model.metrics.items():
        definition = resolution.symbols.metrics[domain, name].definition
        if metric.expr is not None and definition is not None:
            symbols = tuple(dict.fromkeys(reference.symbol for reference in references(definition)))
            yield ("metrics", name, "expr"), metric.expr, symbols
