"""The condition language: text to a typed tree, and the tree to PromQL and SQL."""

from generator.condition.evaluate import evaluate, quantity_value
from generator.condition.labels import leading_comparisons, node_labels, quantity_labels
from generator.condition.promql import quantity_to_promql, to_promql
from generator.condition.resolve import parse_target, resolve, resolve_quantity
from generator.condition.scope import Scope
from generator.condition.sql import field_value_sql, row_predicate, worst_field
from generator.condition.units import FIXED_UNITS, format_quantity, near_miss
from generator.condition.walk import references

__all__ = [
    "FIXED_UNITS", "Scope", "evaluate", "field_value_sql", "format_quantity", "leading_comparisons", "near_miss",
    "node_labels", "parse_target", "quantity_labels", "quantity_to_promql", "quantity_value", "references", "resolve",
    "resolve_quantity", "row_predicate", "to_promql", "worst_field",
]  # fmt: skip
