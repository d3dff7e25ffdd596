"""What a number among a part's options may be."""

import math


def positive(name: str, value: float) -> None:
    """Refuse what is no time.

    Raises:
        ValueError: the value is no positive number.
    """
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {value}, and has to be a positive number")


def at_least(name: str, value: float, least: float) -> None:
    """Refuse what is no count or size.

    Raises:
        ValueError: the value is smaller, or no number.
    """
    if not least <= value < math.inf:
        raise ValueError(f"{name} is {value}, and has to be a number from {least} on")
