"""What must never be shown: the values of secrets that somebody wrote into a file by mistake.

It works on the text, not on what was parsed: a secret stands just as well in a file that does not parse, and on the
line of somebody else's problem. A masked text keeps its length and its lines, so that columns stay true. When in
doubt it masks: a line that shows too little costs a look into the file.
"""

import difflib
import functools
import re

_SECRET_NAMES = (
    "api_url", "routing_key", "service_key", "auth_password", "password", "passwd", "passphrase", "token", "bot_token",
    "secret", "auth_secret", "client_secret", "dsn", "credentials", "api_key", "access_key", "secret_key",
    "private_key", "authorization",
)  # fmt: skip
_SECRET_PART = re.compile(
    r"api_?url|routing_?key|service_?key|pass(word|wd|phrase)|token|secret|dsn|credential|(api|access|private)_?key"
    r"|authorization"
)
_KEY = re.compile(r"""(?:^|(?<=[\s{,\[(\-?]))(["']?)([A-Za-z][\w-]*)\1(?:\s*:[ \t]*|\s*=\s*(?=["']))""")
_ENTRY = re.compile(r"""\s*(?:-\s+)*["']?[\w-]+["']?\s*:(?:\s|$)""")
_SHAPES = re.compile(
    r"(?<=hooks\.slack\.com/)\S+|(?<=/api/webhooks/)\S+|\bxox[a-z]-\S+|\bAKIA[0-9A-Z]{12,}|(?<=[Bb]earer )\S+"
    r"|(?<=://)[^\s/@:]*:[^\s/@]+(?=@)|(?<=\.webhook\.office\.com/)\S+|(?<=api\.telegram\.org/bot)\S+"
    r"|\b(?:gh[opsu]|github_pat|glpat)[_-][\w-]{20,}|-----BEGIN .*"
    r"|(?i:[?&][\w-]*(?:token|secret|passw(?:or)?d|signature|key|sig|auth)=[^\s&\"']+)"
    r"|(?i:\b(?:password|passwd|pwd)\s*=\s*\S+)"
)
_PATH = re.compile(r"[A-Za-z0-9._/+-]+")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|$)")


@functools.cache
def names_secret(key: str) -> bool:
    """Whether a key names a secret itself, even misspelt; ``password_file`` and ``dsn_env`` only say where it is."""
    lower = key.lower().replace("-", "_")
    if lower.endswith(("_file", "_env", "username")):
        return False
    return bool(_SECRET_PART.search(lower) or difflib.get_close_matches(lower, _SECRET_NAMES, 1, 0.8))


@functools.cache
def _is_secret_itself(key: str) -> bool:
    """Whether a key is the name of a secret, and not that of a thing called after one, as ``password_resets`` is."""
    lower = key.lower().replace("-", "_")
    return names_secret(key) and bool(difflib.get_close_matches(lower, _SECRET_NAMES, 1, 0.8))


def is_secret(key: str, value: str) -> bool:
    """Whether what stands under a key is a secret, also where only the place of one is expected."""
    lower = key.lower().replace("-", "_")
    if lower.endswith("_file"):
        return not _PATH.fullmatch(value) or (len(value) >= 20 and not re.search(r"[/.]", value))
    if lower.endswith("_env"):
        return not _VARIABLE.fullmatch(value)
    return names_secret(key)


def mask_shapes(text: str) -> str:
    """Mask what looks like a secret wherever it stands: passwords in addresses, webhook paths, tokens."""
    return _SHAPES.sub(lambda match: _stars(match[0]), text)


def mask(text: str) -> str:
    """Mask every secret in the text of a file; the length of every line stays."""
    masked: list[str] = []
    key_indent = -1  # of the secret whose value may continue on the next lines
    block = False
    for line in (match[0] for match in _LINE.finditer(text)):
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        inside = key_indent >= 0 and (not stripped or indent > key_indent or stripped.startswith("- "))
        if inside and (block or not _ENTRY.match(line)):
            masked.append(_stars(line))
            continue
        line, continues = _mask_line(line)
        key_indent = indent if continues else -1
        block = continues == "block"
        masked.append(mask_shapes(line))
    return "".join(masked)


def _mask_line(line: str) -> tuple[str, str]:
    """The masked line, and whether its secret goes on below: as a ``block``, as ``more`` or not."""
    position = 0
    while match := _KEY.search(line, position):
        position = match.end()
        value = line[position:].strip()
        if value.startswith("{"):
            if _is_secret_itself(match[2]):
                end = _closing(line, position)
                line = line[:position] + _stars(line[position:end]) + line[end:]
                if end >= len(line.rstrip()):
                    return line, "block"
                position = end
            continue
        if not value or value.startswith(("#", "|", ">")):
            if names_secret(match[2]):
                nested = value.startswith(("|", ">")) or _is_secret_itself(match[2])
                return line, "block" if nested else "more"
            continue
        end = _value_end(line, position)
        if is_secret(match[2], line[position:end].strip().strip("\"'")):
            line = line[:position] + _stars(line[position:end]) + line[end:]
            if end >= len(line.rstrip()):
                return line, "more"
            position = end
    return line, ""


def _closing(line: str, start: int) -> int:
    """Where the flow mapping that begins here ends, or the line."""
    depth = 0
    for index in range(start, len(line)):
        depth += (line[index] in "{[") - (line[index] in "}]")
        if depth == 0:
            return index + 1
    return len(line)


def _value_end(line: str, start: int) -> int:
    """Where a value ends: at its closing quote, at the end of its entry in a flow mapping, else with the line."""
    quote = line[start]
    if quote in "\"'":
        end = line.find(quote, start + 1)
        return end + 1 if end > 0 else len(line)
    if "{" in line[:start]:
        match = re.compile(r"(?=,\s+[\w\"'-]+:\s|\s*\}\s*$)").search(line, start)
        return match.start() if match else len(line)
    return len(line)


def _stars(text: str) -> str:
    return re.sub(r"\S", "*", text)
