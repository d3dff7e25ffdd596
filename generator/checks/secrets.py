"""Secrets: YAML holds the name of the file that holds a secret, never the secret."""

import re
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from generator.diagnostics import Problem
from generator.load import Files
from generator.model import WebhookChannel

Path = tuple[str | int, ...]

# What makes an address a secret: whoever reads it can use it.
_SECRETS = (
    (re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@"), "an address with a password in it"),
    (re.compile(r"https?://hooks\.slack\.com/(?:services|workflows|triggers)/\w+"), "a Slack webhook address"),
    (re.compile(r"https?://(?:[a-z]+\.)?discord(?:app)?\.com/api/webhooks/\d+"), "a Discord webhook address"),
    (re.compile(r"https?://[^\s/]+\.webhook\.office\.com/\w+"), "a Teams webhook address"),
    (re.compile(r"https?://api\.telegram\.org/bot\w+"), "a Telegram bot's token"),
    (
        re.compile(
            r"https?://\S+[?&](?:\w*(?:token|secret|password|passwd|signature)|(?:api|access)?_?key|sig|auth)=[^\s&]+",
            re.IGNORECASE,
        ),
        "an address with a key in it",
    ),
    (
        re.compile(r"(?=.*\b(?:host|dbname|user)\s*=)(?=.*\b(?:password|passwd|pwd)\s*=\s*\S)"),
        "a connection string with a password in it",
    ),
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b"), "an AWS access key"),
    (re.compile(r"\bxox[abposr]-[0-9A-Za-z-]{10,}"), "a Slack token"),
    (re.compile(r"\b(?:ghp|gho|ghs|github_pat)_[0-9A-Za-z_]{20,}|\bglpat-[0-9A-Za-z_-]{20,}"), "an access token"),
    (re.compile(r"\b[Bb]earer (?=[^\s\d]*\d)[\w.~+/=-]{12,}"), "an access token"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
)
# Cheap test for the rare text that may hold one at all.
_SUSPECT = re.compile(r"://|passw|pwd|AKIA|xox|gh[ops]_|github_pat_|glpat-|earer |-----BEGIN")
# Alertmanager reads a webhook's address from a file from this version on.
_URL_FILE_SINCE = (0, 26)


def check(files: Files) -> Iterator[Problem]:
    """Secrets written out, and secret webhook addresses that the oldest Alertmanager cannot read from a file."""
    platform = files.platform
    for path, text in _texts(platform.model, ()):
        if (what := _secret(text)) is not None:
            yield Problem(platform.span(path), "inline-secret", *_advice(path, what))
    for file in files.domains:
        for path, text in _texts(file.model, ()):
            if (what := _secret(text)) is not None:
                yield Problem(file.span(path), "inline-secret", *_advice(path, what))
    version = tuple(int(part) for part in platform.model.targets.alertmanager.split("."))
    for name, channel in platform.model.channels.items():
        if isinstance(channel, WebhookChannel) and channel.url_file is not None and version[:2] < _URL_FILE_SINCE:
            message = f"Alertmanager {platform.model.targets.alertmanager} cannot read a webhook's address from a file"
            hint = "0.26 and later can; before that, write url and keep the secret in credentials_file"
            yield Problem(platform.span(("channels", name, "url_file")), "target-version", message, (hint,))


def without_quotes(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Without what else is wrong with a secret's text: the message would quote parts of it."""
    every = list(problems)
    secrets = [problem.span for problem in every if problem.code == "inline-secret"]
    for problem in every:
        span = problem.span
        inside = (
            secret.path == span.path and secret.line == span.line and secret.column <= span.column < secret.end
            for secret in secrets
        )
        if problem.code == "inline-secret" or not any(inside):
            yield problem


def _texts(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in value.model_fields_set:
            yield from _texts(getattr(value, name), (*path, name.rstrip("_")))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def _secret(text: str) -> str | None:
    if not _SUSPECT.search(text):
        return None
    return next((what for pattern, what in _SECRETS if pattern.search(text)), None)


def _advice(path: Path, what: str) -> tuple[str, tuple[str, ...]]:
    if "sources" in path[:1]:
        hint = "name the environment variable (dsn_env) or the file (dsn_file) that holds it"
    else:
        hint = "write it into a file that only the program reads, and name that file (a key that ends in _file)"
    return f"this is {what}: a secret is never written here", (hint,)
