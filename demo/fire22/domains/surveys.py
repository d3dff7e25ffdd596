"""Customers answer how satisfied they are, with every domain."""

from random import Random

from demo.fire22.database import Cursor

# The lowest and the highest score that customers give.
_SCORES = {
    "collections": (84, 98), "distributions": (93, 100), "free_play": (80, 100), "balance": (96, 100),
    "adjustment": (89, 99),
}  # fmt: skip
# How many seconds lie between two answers, on average.
_PACE = 20
_KEPT = 2000

_ANSWER = """
    INSERT INTO satisfaction_surveys (domain, customer_id, score, answered_at)
    VALUES (%(domain)s, %(customer)s, %(score)s, now())"""
_FORGET = "DELETE FROM satisfaction_surveys WHERE id <= (SELECT max(id) FROM satisfaction_surveys) - %(kept)s"


def tick(cursor: Cursor, chance: Random) -> None:
    """The work of about a second."""
    if chance.random() < 1 / _PACE:
        domain = chance.choice(tuple(_SCORES))
        score = chance.randint(*_SCORES[domain])
        cursor.execute(_ANSWER, {"domain": domain, "customer": chance.randint(1, 2400), "score": score})


def forget(cursor: Cursor) -> None:
    """Delete the oldest of what has become too much."""
    cursor.execute(_FORGET, {"kept": _KEPT})
