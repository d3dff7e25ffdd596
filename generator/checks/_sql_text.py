"""SQL read once: what its tokens and its tree say, and where in the text they stand."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

# What sqlglot does not know it logs and takes for an opaque command; commands are refused here, so nobody need read it.
logging.getLogger("sqlglot").addHandler(logging.NullHandler())

_POSTGRES = Dialect.get_or_raise("postgres")
_OPENINGS = frozenset({TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN})
# Words that a SELECT may only hold as a name; whether it is one is then looked up in the tree.
_SUSPECT = frozenset({
    TokenType.INSERT, TokenType.UPDATE, TokenType.DELETE, TokenType.MERGE, TokenType.INTO, TokenType.FOR,
    TokenType.CREATE, TokenType.DROP, TokenType.ALTER, TokenType.TRUNCATE, TokenType.COMMAND, TokenType.COPY,
})  # fmt: skip
_WRITING = (
    exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter, exp.TruncateTable, exp.Command,
    exp.Copy,
)  # fmt: skip
# What one expression may be; statements are none of these.
_EXPRESSIONS = (exp.Condition, exp.Interval, exp.AtTimeZone, exp.Subquery, exp.Collate)
# Functions that write, wait, reach out of the database or end other people's work; a read-only session stops most of
# them, but not all.
_REFUSED = frozenset({
    "nextval", "setval", "set_config", "pg_sleep", "pg_sleep_for", "pg_sleep_until", "pg_terminate_backend",
    "pg_cancel_backend", "pg_reload_conf", "pg_rotate_logfile", "pg_notify", "pg_read_file", "pg_read_binary_file",
    "pg_ls_dir", "pg_stat_file", "pg_switch_wal", "pg_promote", "pg_create_restore_point", "pg_backup_start",
    "pg_backup_stop", "pg_start_backup", "pg_stop_backup", "pg_logical_emit_message", "query_to_xml",
    "query_to_xmlschema", "cursor_to_xml", "database_to_xml", "table_to_xml", "currval", "lastval", "txid_current",
    "pg_current_xact_id", "pg_stat_reset", "pg_stat_statements_reset", "xpath_table",
})  # fmt: skip
_REFUSED_STARTS = (
    "dblink",
    "lo_",
    "pg_advisory",
    "pg_try_advisory",
    "pg_stat_reset",
    "pg_replication",
    "pg_drop_",
    "pg_create_",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in an SQL text: a stretch of it (end exclusive) and what to say."""

    code: str
    message: str
    start: int
    end: int
    help: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """An output column and where its name stands (end exclusive); ``name`` is empty where it has none."""

    name: str
    start: int
    end: int


def select(text: str) -> tuple[exp.Query | None, tuple[Fault, ...]]:
    """Read one SELECT; None where the text is none, with what is wrong."""
    tokens = _tokens(text)
    if isinstance(tokens, Fault):
        return None, (tokens,)
    faults = tuple(_in_tokens(tokens, "not-one-select"))
    if tokens[0].token_type not in _OPENINGS:
        first = _at("not-one-select", f"this is {tokens[0].text.upper()}, not SELECT", tokens[0], _ONLY_READS)
        return None, (first,)
    if faults:
        return None, faults
    tree = _tree(tokens, text)
    if isinstance(tree, Fault):
        return None, (tree,)
    query = tree.unnest() if isinstance(tree, exp.Subquery) else tree
    if not isinstance(query, exp.Query):
        return None, (Fault("not-one-select", "this is not one SELECT", 0, len(text), (_ONLY_READS,)),)
    writing = tuple(_writing(query, tokens))
    return (None if writing else query), writing


def expression(text: str) -> tuple[Fault, ...]:
    """What is wrong with an SQL text that must be one expression over one row."""
    tokens = _tokens(text)
    if isinstance(tokens, Fault):
        return (tokens,)
    if faults := tuple(_in_tokens(tokens, "sql-expression")):
        return faults
    if tokens[0].token_type in _POSTGRES.tokenizer_class.COMMANDS:
        return (_at("sql-expression", f"this is {tokens[0].text.upper()}, not an expression", tokens[0]),)
    tree = _tree(tokens, text)
    if isinstance(tree, Fault):
        return (tree,)
    whole = Fault("sql-expression", "", 0, len(text))
    if isinstance(tree, exp.Query) and not isinstance(tree, exp.Subquery):
        return (_said(whole, "this is a whole SELECT, not an expression over one row"),)
    if isinstance(tree, exp.Alias | exp.Tuple | exp.Star) or not isinstance(tree, _EXPRESSIONS):
        return (_said(whole, "this is not one expression over one row"),)
    if _folds(tree):
        return (_said(whole, "this folds many rows, but it is about one row", "what folds rows is a metric"),)
    return tuple(_writing(tree, tokens))


_UNFILLED = "there is nothing to fill a placeholder with"
_FILL = ("write the value itself",)
# A hint that the text may hold :name, %s or %(name)s, which are then looked for in the tree.
_PLACEHOLDER = re.compile(r"(?<!:):\w|%\w|%\(")
_ONLY_READS = "the exporter only reads: one SELECT, with its CTEs before it"


def is_star(query: exp.Query) -> bool:
    """Whether the result has all columns of a table."""
    return query.is_star or any(isinstance(selected.this, exp.Star) for selected in query.selects if selected.is_star)


def columns(query: exp.Query) -> list[Column]:
    """The output columns as Postgres names them."""
    return [_column(selected) for selected in query.selects]


def ungrouped(query: exp.Query) -> list[Column]:
    """The columns beside an aggregate that nothing groups by, which Postgres refuses."""
    if not isinstance(query, exp.Select) or query.args.get("group") or not any(map(_aggregates, query.selects)):
        return []
    plain = (selected for selected in query.selects if isinstance(selected.unalias(), exp.Column))
    return [_column(selected) for selected in plain]


def _aggregates(tree: exp.Expr) -> bool:
    """Whether an expression folds the rows of its own query."""
    if isinstance(tree, exp.Query | exp.Window):
        return False
    return isinstance(tree, exp.AggFunc) or any(map(_aggregates, tree.iter_expressions()))


def _column(selected: exp.Expr) -> Column:
    named: exp.Expr | None = selected
    if isinstance(selected, exp.Alias):
        named = selected.args.get("alias")
    elif isinstance(selected, exp.Cast):
        return _column(selected.this)
    elif isinstance(selected, exp.Column):
        named = selected.this
    if not isinstance(named, exp.Identifier):
        place = next((node for node in selected.walk() if "start" in node.meta), None)
        return Column("", place.meta["start"], place.meta["end"] + 1) if place else Column("", 0, 0)
    name = named.name if named.args.get("quoted") else named.name.lower()
    return Column(name, named.meta.get("start", 0), named.meta.get("end", -1) + 1)


def _tokens(text: str) -> list[Token] | Fault:
    try:
        tokens = _POSTGRES.tokenize(text)
    except TokenError:
        message = "a quote, a comment or a bracket is opened here but not closed"
        return Fault("sql-syntax", message, _open_quote(text), len(text))
    return tokens or Fault("sql-syntax", "there is no SQL here", 0, len(text))


def _open_quote(text: str) -> int:
    """Where the last quote or comment is opened, for an SQL text that does not end."""
    return max(text.rfind("'"), text.rfind('"'), text.rfind("/*"), text.rfind("$$"), 0)


def _at(code: str, message: str, token: Token, *hints: str) -> Fault:
    return Fault(code, message, token.start, token.end + 1, hints)


def _said(fault: Fault, message: str, *hints: str) -> Fault:
    return Fault(fault.code, message, fault.start, fault.end, hints)


def _in_tokens(tokens: list[Token], several: str) -> Iterator[Fault]:
    """Statements beside the first, placeholders, and functions that do more than read."""
    previous: Token | None = None
    for at, token in enumerate(tokens):
        kind = token.token_type
        if kind is TokenType.IDENTIFIER and _is_escaped(tokens[max(at - 2, 0) : at], token):
            message = "a name that is written with U& does not show what it names"
            yield _at("sql-function", message, token, "write the name itself")
        if kind is TokenType.SEMICOLON:
            yield _at(several, "one statement, without a semicolon", token, "delete the semicolon and all after it")
            return
        if kind is TokenType.L_PAREN and previous is not None and _is_refused(previous.text.lower()):
            message = f"{previous.text} does more than read a row"
            yield _at("sql-function", message, previous, "the exporter only reads what is there, and at once")
        if kind is TokenType.PARAMETER and token.text == "$":
            end = next((each.end for each in tokens if each.start == token.end + 1), token.end)
            yield Fault("sql-placeholder", _UNFILLED, token.start, end + 1, _FILL)
        elif kind is TokenType.PLACEHOLDER and not _is_operator(previous):
            yield Fault("sql-placeholder", _UNFILLED, token.start, token.end + 1, _FILL)
        previous = token


def _is_refused(name: str) -> bool:
    return name in _REFUSED or name.startswith(_REFUSED_STARTS)


def _is_escaped(before: list[Token], token: Token) -> bool:
    """Whether ``U&`` stands right before a quoted name (PostgreSQL, "Identifiers and Key Words")."""
    if len(before) < 2:
        return False
    letter, sign = before
    adjacent = letter.end + 1 == sign.start and sign.end + 1 == token.start
    return adjacent and letter.text.lower() == "u" and sign.token_type is TokenType.AMP


def _is_operator(previous: Token | None) -> bool:
    """Whether a question mark stands where jsonb's operator may: behind a value."""
    values = (TokenType.VAR, TokenType.IDENTIFIER, TokenType.R_PAREN, TokenType.STRING, TokenType.R_BRACKET)
    return previous is not None and previous.token_type in values


def _tree(tokens: list[Token], text: str) -> exp.Expr | Fault:
    try:
        trees = _POSTGRES.parser().parse(tokens, text)
    except ParseError as error:
        return _syntax(error, text)
    tree = trees[0] if trees else None
    if tree is not None and _PLACEHOLDER.search(text) and (found := tree.find(exp.Placeholder)) is not None:
        name = re.escape(found.name)
        match = re.search(rf"%\({name}\)\w|(?<!:):{name}", text) or re.search(r"%\w", text)
        start, end = match.span() if match else (0, len(text))
        return Fault("sql-placeholder", _UNFILLED, start, end, _FILL)
    return tree if tree is not None else Fault("sql-syntax", "there is no SQL here", 0, len(text))


def _syntax(error: ParseError, text: str) -> Fault:
    """What sqlglot says of an error, in words for those who wrote the SQL."""
    found = error.errors[0] if error.errors else {}
    described, word = str(found.get("description", "")), str(found.get("highlight", ""))
    lines = text.split("\n")
    line = int(found.get("line", 1))
    end = sum(len(each) + 1 for each in lines[: line - 1]) + int(found.get("col", 0))
    if not 0 < end <= len(text) or not text[:end].endswith(word):
        end = max(text.rfind(word) + len(word), 1)
    start = max(end - max(len(word), 1), 0)
    return Fault("sql-syntax", _in_words(described, word), start, end)


def _in_words(described: str, word: str) -> str:
    if described.startswith("Expecting )"):
        return f'a parenthesis is not closed before or at "{word}"'
    if described.startswith("Expected table name"):
        return f'a table is missing after "{word}"'
    if described.startswith(("Required keyword", "Expected")):
        return f'something is missing at "{word}"'
    return f'Postgres does not expect "{word}" here'


def _writing(tree: exp.Expr, tokens: list[Token]) -> Iterator[Fault]:
    """Parts of a query that write or lock; only looked for where a word of the text may be one."""
    suspects = [token for token in tokens if token.token_type in _SUSPECT]
    if not suspects:
        return
    for node in tree.find_all(*_WRITING, exp.Into, exp.Lock):
        word = {exp.Into: "INTO", exp.Lock: "FOR"}.get(type(node), node.key.upper())
        token = next((each for each in suspects if each.text.upper() == word), suspects[0])
        message = "FOR locks the rows that it reads" if word == "FOR" else f"{word} writes"
        yield _at("not-one-select", message, token, _ONLY_READS)


def _folds(tree: exp.Expr) -> bool:
    """Whether an expression aggregates outside of a subquery."""
    if isinstance(tree, exp.Query):
        return False
    return isinstance(tree, exp.AggFunc | exp.Window) or any(_folds(child) for child in tree.iter_expressions())
