"""A statement's tokens, read by sqlglot: placeholders taken for the values that they are, and literals hidden."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot.dialects.dialect import Dialect
from sqlglot.tokenizer_core import Token, TokenType

POSTGRES = Dialect.get_or_raise("postgres")
_LITERALS = frozenset({
    TokenType.NUMBER, TokenType.STRING, TokenType.BIT_STRING, TokenType.BYTE_STRING, TokenType.HEREDOC_STRING,
    TokenType.HEX_STRING, TokenType.NATIONAL_STRING, TokenType.RAW_STRING, TokenType.UNICODE_STRING,
})  # fmt: skip
# psycopg's: as text, as binary, whichever is best.
_FORMATS = frozenset("tbs")
# Tokens of a placeholder's name, with its brackets.
_LONGEST_NAME = 16
HIDDEN = "?"


@dataclass(frozen=True, slots=True)
class Tokens:
    """``parsable``: what sqlglot's parser takes; ``masked``: the text without comments and without any literal."""

    parsable: Sequence[Token]
    masked: str


def tokens_of(text: str) -> Tokens:
    """The tokens of a statement as psycopg is given it, with ``%s`` and ``%(name)s`` or with ``$1``.

    Raises:
        sqlglot.errors.TokenError: it is no SQL.
    """
    found = POSTGRES.tokenize(text)
    parsable: list[Token] = []
    pieces: list[str] = []
    end, at = -1, 0
    while at < len(found):
        token = found[at]
        is_spaced = bool(pieces) and token.start > end + 1
        length = _placeholder(found, at)
        last = found[at + length - 1] if length else token
        if length:
            # For the parser it is a value like any other; sqlglot itself knows them only in some places.
            parsable.append(Token.string(HIDDEN))
            piece = text[token.start : last.end + 1]
        elif token.token_type in _LITERALS or token.text[:1].isdigit():
            # `1_000` and `0o17` are one number, and not one with another name after it.
            if at + 1 < len(found) and _is_glued(found[at + 1], token):
                last = found[at + 1]
                length = 2
            parsable.append(token)
            # A parameter's number is no value.
            piece = token.text if pieces and pieces[-1].endswith("$") and not is_spaced else HIDDEN
        elif _is_escaped_percent(found, at):
            length, last = 2, found[at + 1]
            parsable.append(token)
            piece = "%"
        else:
            parsable.append(token)
            piece = text[token.start : token.end + 1]
        pieces.append(f" {piece}" if is_spaced else piece)
        end = last.end
        at += length or 1
    return Tokens(parsable, "".join(pieces))


def _placeholder(tokens: Sequence[Token], at: int) -> int:
    """How many tokens the placeholder has that begins here; 0 where none does."""
    if tokens[at].token_type is not TokenType.MOD or at + 1 == len(tokens):
        return 0
    following = tokens[at + 1]
    if following.start != tokens[at].end + 1:
        return 0
    if following.token_type is not TokenType.L_PAREN:
        return 2 if following.text in _FORMATS else 0
    for closing in range(at + 2, min(at + _LONGEST_NAME, len(tokens) - 1)):
        if tokens[closing].token_type is TokenType.R_PAREN:
            is_named = tokens[closing + 1].text in _FORMATS and _touches(tokens[closing], tokens[closing + 1])
            return closing + 2 - at if is_named else 0
    return 0


def _is_escaped_percent(tokens: Sequence[Token], at: int) -> bool:
    if tokens[at].token_type is not TokenType.MOD or at + 1 == len(tokens):
        return False
    return tokens[at + 1].token_type is TokenType.MOD and _touches(tokens[at], tokens[at + 1])


def _is_glued(token: Token, number: Token) -> bool:
    return number.token_type is TokenType.NUMBER and token.token_type is TokenType.VAR and _touches(number, token)


def _touches(left: Token, right: Token) -> bool:
    return right.start == left.end + 1
