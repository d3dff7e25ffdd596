"""People's words where Grafana would read them as something else: variables, legends, Markdown."""

import re

# What cannot be seen, takes no room and never breaks a line: U+2060, word joiner. Grafana knows no escape for `$`; it
# leaves names that it does not know alone (`$1,000`), so only known names are broken up.
_JOINER = "\u2060"
_VARIABLE = re.compile(r"(\$)(?=\{?(?:datasource\b|instance\b|__))|(\[)(?=\[(?:datasource\b|instance\b|__))")
_MARKDOWN = re.compile(r"[\\`*\[\]<>|~&#]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
_TICKS = re.compile(r"`+")


def plain(text: str) -> str:
    """Text that no variable is put into: titles, names."""
    if "$" not in text and "[[" not in text:
        return text
    return _VARIABLE.sub(lambda match: match.group() + _JOINER, text)


def legend(text: str) -> str:
    """Text in a legend, where ``{{ }}`` would be a label's value."""
    return plain(text).replace("{{", "{" + _JOINER + "{")


def markdown(text: str) -> str:
    """Text in a description, which Grafana shows as Markdown."""
    return _MARKDOWN.sub(r"\\\g<0>", plain(text))


def code(text: str) -> str:
    """Text in a description, shown letter for letter on one line."""
    line = " ".join(plain(text).split())
    ticks = "`" * (max((len(run) for run in _TICKS.findall(line)), default=0) + 1)
    pad = " " if len(ticks) > 1 else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"
