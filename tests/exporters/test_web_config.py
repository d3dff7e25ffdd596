"""The web configuration file: what it may say, what is wrong with it, and that no message shows a secret."""

import logging
import os
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import bcrypt
import pytest

from exporters.business.problems import Invalid, Problem
from exporters.business.web.config import LiveConfig, load
from tests.exporters.serving import Authority, authority, openssl
from tests.programs import until

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
GO_CIPHERS = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate authority, and what a server needs beside the configuration."""
    ca = authority(tmp_path_factory.mktemp("web") / "ca")
    certificate, key = ca.issue("server", "DNS:localhost,IP:127.0.0.1")
    folder = ca.folder.parent
    certificate.rename(folder / "server.crt")
    key.rename(folder / "server.key")
    ca.certificate.rename(folder / "ca.crt")
    other = authority(folder / "other")
    other.issue("other", "DNS:localhost")[1].rename(folder / "other.key")
    openssl("genpkey", "-algorithm", "RSA", "-aes256", "-pass", "pass:hunter2", "-out", folder / "locked.key")
    (folder / "nonsense.pem").write_text("PRIVATE nonsense\n")
    return folder


def written(folder: Path, text: str) -> Path:
    path = folder / "web.yml"
    path.write_text(text)
    return path


def problems(path: Path) -> Sequence[Problem]:
    with pytest.raises(Invalid) as raised:
        load(path)
    return raised.value.problems


TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"


def test_an_empty_file_asks_for_nothing(folder: Path) -> None:
    for text in ("", "{}", "# nothing\n", "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n"):
        config = load(written(folder, text))
        assert (config.tls, config.headers, config.users) == (None, (), {})


def test_a_whole_file(folder: Path) -> None:
    ciphers = "\n".join(f"  - {name}" for name in GO_CIPHERS)
    path = written(
        folder,
        f"""{TLS}  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus.example]
  min_version: TLS12
  max_version: TLS12
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256]
  cipher_suites:
{ciphers}
http_server_config:
  http2: false
  headers:
    X-Frame-Options: sameorigin
    X-Content-Type-Options: nosniff
    Content-Security-Policy: ""
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: {HASH}
  '007': {HASH.replace("$2b$", "$2y$")}
""",
    )
    config = load(path)
    assert config.headers == (
        (b"strict-transport-security", b"max-age=31536000"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"sameorigin"),
    )
    assert config.users[b"alice"] == HASH.encode()
    assert config.users[b"007"].startswith(b"$2y$")
    assert config.files == (path, folder / "server.crt", folder / "server.key", folder / "ca.crt")
    assert config.tls is not None
    assert config.tls.verify_mode is ssl.CERT_REQUIRED
    assert config.tls.minimum_version is config.tls.maximum_version is ssl.TLSVersion.TLSv1_2
    assert not config.tls.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    old = [cipher["name"] for cipher in config.tls.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert len(old) == len(GO_CIPHERS)
    assert old[0] == "ECDHE-ECDSA-AES128-SHA"


def test_tls_is_1_2_and_1_3_unless_the_file_says_otherwise(folder: Path) -> None:
    tls = load(written(folder, TLS)).tls
    assert tls is not None
    assert (tls.minimum_version, tls.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert tls.verify_mode is ssl.CERT_NONE
    assert tls.options & ssl.OP_CIPHER_SERVER_PREFERENCE


WRONG = {
    "a list": ("- a\n", "web-config", 1, "the file: "),
    "no yaml": ("tls_server_config: [\n", "yaml", 2, "did not find"),
    "a key twice": ("basic_auth_users:\n  a: x\n  a: y\n", "yaml", 2, "a key stands here twice"),
    "an unknown section": ("tls_config: {}\n", "unknown-key", 1, "tls_config: a web configuration has no such key"),
    "an unknown key": (f"{TLS}  cert_fil: x\n", "unknown-key", 4, "tls_server_config.cert_fil: "),
    "a wrong type": ("http_server_config:\n  http2: maybe\n", "web-config", 2, "http_server_config.http2: input "),
    "an unknown version": (f"{TLS}  min_version: TLS14\n", "web-config", 4, "tls_server_config.min_version: input "),
    "an old version": (f"{TLS}  min_version: TLS10\n", "tls", 4, "TLS10 is not spoken any more (RFC 8996)"),
    "an old newest": (f"{TLS}  max_version: TLS11\n", "tls", 4, "TLS11 is not spoken any more (RFC 8996)"),
    "versions crossed": (f"{TLS}  min_version: TLS13\n  max_version: TLS12\n", "tls", 5, "max_version is older"),
    "no certificate": ("tls_server_config:\n  key_file: server.key\n", "tls", 1, "there is no cert_file"),
    "no key": ("tls_server_config:\n  cert_file: server.crt\n", "tls", 1, "there is no key_file"),
    "neither": ("tls_server_config:\n  min_version: TLS12\n", "tls", 1, "there is no cert_file"),
    "a missing certificate": (TLS.replace("server.crt", "gone.crt"), "tls", 2, "cannot be read: no such file"),
    "a missing key": (TLS.replace("server.key", "gone.key"), "tls", 3, "cannot be read: no such file"),
    "a folder": (TLS.replace("server.key", "ca"), "tls", 3, "cannot be read: is a directory"),
    "no PEM certificate": (TLS.replace("server.crt", "nonsense.pem"), "tls", 2, "cert_file names holds no certificate"),
    "no PEM key": (TLS.replace("server.key", "nonsense.pem"), "tls", 3, "key_file names holds no key in PEM form"),
    "a locked key": (TLS.replace("server.key", "locked.key"), "tls", 3, "or one with a password"),
    "another's key": (TLS.replace("server.key", "other.key"), "tls", 3, "the key does not belong to the certificate"),
    "an unverified certificate": (f"{TLS}  client_auth_type: RequestClientCert\n", "tls", 4, "Python's ssl cannot"),
    "any certificate": (f"{TLS}  client_auth_type: RequireAnyClientCert\n", "tls", 4, "Python's ssl cannot"),
    "an old word": (f"{TLS}  client_auth_type: RequireClientCert\n", "tls", 4, "Python's ssl cannot"),
    "an unknown policy": (f"{TLS}  client_auth_type: Always\n", "tls", 4, "the kinds of client_auth_type are NoClient"),
    "no authority": (f"{TLS}  client_auth_type: VerifyClientCertIfGiven\n", "tls", 4, "needs client_ca_file"),
    "an authority alone": (f"{TLS}  client_ca_file: ca.crt\n", "tls", 4, "does nothing without a client_auth_type"),
    "no PEM authority": (
        f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: nonsense.pem\n",
        "tls", 5, "client_ca_file names holds no certificate",
    ),
    "a missing authority": (
        f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: gone.pem\n",
        "tls", 5, "client_ca_file names cannot be read: no such file",
    ),
    "names of nobody": (f"{TLS}  client_allowed_sans: [a]\n", "tls", 4, "needs client_auth_type RequireAndVerify"),
    "an unknown cipher": (f"{TLS}  cipher_suites:\n  - TLS_RSA_WITH_RC4_128_SHA\n", "tls", 5, "none of Go's secure"),
    "a cipher of TLS 1.3": (f"{TLS}  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", "tls", 4, "always on"),
    "a cipher of OpenSSL": (f"{TLS}  cipher_suites: ['ALL:!aNULL']\n", "tls", 4, "none of Go's secure"),
    "an unknown curve": (f"{TLS}  curve_preferences: [P-256]\n", "tls", 4, "the curves are CurveP256"),
    "two curves": (f"{TLS}  curve_preferences: [X25519, CurveP256]\n", "tls", 4, "can be given one curve"),
    "a certificate inside": ("tls_server_config:\n  cert: |\n    ---\n", "unsupported", 2, "file with cert_file"),
    "a key inside": ("tls_server_config:\n  key: SECRET\n", "unsupported", 2, "name its file with key_file"),
    "an authority inside": ("tls_server_config:\n  client_ca: x\n", "unsupported", 2, "with client_ca_file"),
    "a rate limit": ("rate_limit: {burst: 20}\n", "unsupported", 1, "requests are not limited here"),
    "an excepted path": ("auth_excluded_paths: [/healthz]\n", "unsupported", 1, "every page asks for the password"),
    "HTTP/2": ("http_server_config:\n  http2: true\n", "unsupported", 2, "HTTP/2 is not spoken here"),
    "an unknown header": ("http_server_config:\n  headers:\n    X-Evil: 1\n", "web-config", 3, "valid string"),
    "a foreign header": ("http_server_config:\n  headers:\n    Set-Cookie: a\n", "header", 3, "cannot be set; those"),
    "a wrong value": ("http_server_config:\n  headers:\n    X-Frame-Options: allow\n", "header", 3, "deny or same"),
    "two lines": (
        'http_server_config:\n  headers:\n    X-XSS-Protection: "1\\r\\nX-Evil: 1"\n', "header", 3, "one line of",
    ),
    "a colon in a name": (f"basic_auth_users:\n  'a:b': {HASH}\n", "user", 2, "has no colon"),
    "no name": (f"basic_auth_users:\n  '': {HASH}\n", "user", 2, "is not empty"),
    "a password in the clear": ("basic_auth_users:\n  alice: SECRET\n", "hash", 2, "is not a bcrypt hash (htpasswd"),
    "a hash of another kind": ("basic_auth_users:\n  alice: $6$SECRET$x\n", "hash", 2, "is not a bcrypt hash"),
    "a hash cut short": (f"basic_auth_users:\n  alice: {HASH[:-1]}\n", "hash", 2, "is not a bcrypt hash"),
    "a hash with no salt": ("basic_auth_users:\n  alice: $2b$10$" + "9" * 53 + "\n", "hash", 2, "is not a bcrypt hash"),
    "nothing for a user": ("basic_auth_users:\n  alice:\n", "web-config", 2, "basic_auth_users: input"),
    "a name of digits": (f"basic_auth_users:\n  17: {HASH}\n", "web-config", None, "a name of digits needs quotes"),
    "a hash as a name": (f"basic_auth_users:\n  {HASH}: alice\n", "hash", 2, "is not a bcrypt hash"),
    "a slip of the indentation": (f"basic_auth_users:\n{HASH}: alice\n", "unknown-key", 2, "…: a web configuration"),
    "a hash twice": (f"basic_auth_users:\n  {HASH}: alice\n  {HASH}: bob\n", "yaml", 2, "stands here twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_at_its_line_and_shows_no_secret(folder: Path, name: str) -> None:
    text, code, line, message = WRONG[name]
    path = written(folder, text)
    found = problems(path)
    problem = next(problem for problem in found if message in problem.message)
    assert (problem.path, problem.code, problem.line) == (str(path), code, line)
    said = str(Invalid(found))
    for secret in ("SECRET", HASH, HASH[:30], "PRIVATE", "hunter2", "9999"):
        assert secret not in said


def test_all_that_is_wrong_is_said_at_once(folder: Path) -> None:
    text = (
        f"{TLS}  cipher_suites: [x, y]\n  client_auth_type: z\nhttp_server_config:\n  http2: true\n"
        "basic_auth_users:\n  a: b\n  c: d\n"
    )
    found = problems(written(folder, text))
    assert [problem.line for problem in found] == [4, 4, 5, 7, 9, 10]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "web.yml")
    assert (problem.code, problem.message) == ("unreadable", "the file cannot be read: no such file or directory")


def aged(path: Path) -> None:
    """Make a file look as if it had been written a while ago, but after all before."""
    moment = time.time() - 5
    os.utime(path, (moment, moment))


def live(path: Path) -> LiveConfig:
    moment = time.time() - 60
    os.utime(path, (moment, moment))
    return LiveConfig(path)


def test_a_change_is_read_without_being_asked(folder: Path) -> None:
    path = written(folder, f"basic_auth_users:\n  alice: {HASH}\n")
    config = live(path)
    assert list(config.current().users) == [b"alice"]
    path.write_text(f"basic_auth_users:\n  bob: {HASH}\n")
    aged(path)
    until(lambda: list(config.current().users) == [b"bob"], 10)


def test_a_file_that_was_only_just_written_is_read_a_moment_later(folder: Path) -> None:
    path = written(folder, f"basic_auth_users:\n  alice: {HASH}\n")
    config = live(path)
    path.write_text(f"basic_auth_users:\n  bob: {HASH}\n")
    written_at = path.stat().st_mtime
    until(lambda: list(config.current().users) == [b"bob"], 10)
    assert time.time() - written_at >= 1


def test_a_change_that_is_wrong_is_logged_once_and_changes_nothing(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(folder, f"basic_auth_users:\n  alice: {HASH}\n")
    config = live(path)
    path.write_text("basic_auth_users:\n  alice: SECRET\n")
    aged(path)
    with caplog.at_level(logging.INFO):
        until(lambda: (config.current(), "stays as it was" in caplog.text)[1], 10)
        assert list(config.current().users) == [b"alice"]
        # A file that the good configuration does not name is what is missing now: nothing but looking again finds it.
        text = (
            f"basic_auth_users:\n  carol: {HASH}\ntls_server_config:\n  cert_file: soon.crt\n  key_file: server.key\n"
        )
        path.write_text(text)
        aged(path)
        until(lambda: (config.current(), "soon" in caplog.text or "cert_file" in caplog.text)[1], 10)
        path.write_text(f"basic_auth_users:\n  carol: {HASH}\n")
        aged(path)
        until(lambda: list(config.current().users) == [b"carol"], 10)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR", "INFO"]
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (TLS, "{}", "TLS can be turned on or off only by a restart"),
        ("{}", TLS, "TLS can be turned on or off only by a restart"),
        (f"basic_auth_users:\n  alice: {HASH}\n", "", "passwords can be turned off only by a restart"),
    ],
    ids=["tls off", "tls on", "passwords off"],
)
def test_what_needs_a_restart(folder: Path, before: str, after: str, message: str) -> None:
    path = written(folder, before)
    config = live(path)
    was = config.current()
    path.write_text(after)
    with pytest.raises(Invalid, match=message):
        config.reread()
    assert config.current() is was


def test_passwords_can_be_turned_on(folder: Path) -> None:
    config = live(written(folder, "{}"))
    written(folder, f"basic_auth_users:\n  alice: {HASH}\n")
    config.reread()
    assert list(config.current().users) == [b"alice"]


def test_without_tls_there_is_no_context(folder: Path) -> None:
    assert live(written(folder, "{}")).ssl_context() is None


def test_a_new_certificate_makes_a_new_context(folder: Path) -> None:
    ca = Authority(folder / "other")
    certificate, key = ca.issue("again", "DNS:localhost")
    path = written(folder, f"tls_server_config:\n  cert_file: {certificate}\n  key_file: {key}\n")
    config = live(path)
    was = config.current().tls
    newer, newer_key = ca.issue("newer", "DNS:localhost")
    newer.replace(certificate)
    newer_key.replace(key)
    until(lambda: config.current().tls is not was, 10)
