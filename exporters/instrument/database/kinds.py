"""Whether a query is simple or complex, by its text.

Simple is one SELECT, INSERT, UPDATE, DELETE, VALUES or COPY on at most one table, without join, sub-query, common table
expression, aggregate, GROUP BY, window function or set operation. Everything else is complex.
"""

from collections.abc import Sequence
from itertools import pairwise

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

_ROOTS = (exp.Select, exp.Insert, exp.Update, exp.Delete, exp.Values)
# Queries within one, and what makes one of several.
_COMPLEX = (exp.Join, exp.Lateral, exp.CTE, exp.Group, exp.Having, exp.Window, exp.Query)
# PostgreSQL's own (`SELECT proname FROM pg_proc WHERE prokind = 'a'`); what people define themselves is not known.
AGGREGATES = frozenset({
    "any_value", "array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "corr", "count",
    "covar_pop", "covar_samp", "cume_dist", "dense_rank", "every", "json_agg", "json_agg_strict", "json_arrayagg",
    "json_object_agg", "json_object_agg_strict", "json_object_agg_unique", "json_object_agg_unique_strict",
    "json_objectagg", "jsonb_agg", "jsonb_agg_strict", "jsonb_object_agg", "jsonb_object_agg_strict",
    "jsonb_object_agg_unique", "jsonb_object_agg_unique_strict", "max", "min", "mode", "percent_rank",
    "percentile_cont", "percentile_disc", "range_agg", "range_intersect_agg", "rank", "regr_avgx", "regr_avgy",
    "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "stddev",
    "stddev_pop", "stddev_samp", "string_agg", "sum", "var_pop", "var_samp", "variance", "xmlagg",
})  # fmt: skip


def is_simple(tree: exp.Expr, tokens: Sequence[Token]) -> bool:
    """Whether a statement, as sqlglot parsed it and by its tokens, is a simple query."""
    root = tree.unnest() if isinstance(tree, exp.Subquery) else tree
    if not isinstance(root, _ROOTS) or _aggregates(tokens):
        return False
    tables = 0
    for node in root.walk():
        if node is root:
            continue
        if isinstance(node, _COMPLEX):
            return False
        # The rows that an INSERT is given are no sub-query.
        if isinstance(node, exp.Values) and not (node.parent is root and isinstance(root, exp.Insert)):
            return False
        tables += isinstance(node, exp.Table) and node.find_ancestor(exp.Lock) is None
    return tables <= 1


def is_simple_copy(tokens: Sequence[Token]) -> bool:
    """Whether a COPY is of a table, and not of a query's rows."""
    return len(tokens) > 1 and tokens[1].token_type is not TokenType.L_PAREN


def _aggregates(tokens: Sequence[Token]) -> bool:
    # By their names: sqlglot has classes for some of them, and different ones.
    return any(
        token.text.lower() in AGGREGATES
        and following.token_type is TokenType.L_PAREN
        and (at == 0 or tokens[at - 1].token_type is not TokenType.INTO)
        for at, (token, following) in enumerate(pairwise(tokens))
    )
