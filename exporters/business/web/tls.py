"""The TLS settings of a web configuration file, said in Go's words, as a context of Python's ssl."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFY_MODES = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED = ("RequestClientCert", "RequireClientCert", "RequireAnyClientCert")

_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}

# Go's names of its secure cipher suites up to TLS 1.2 (crypto/tls, CipherSuites) with OpenSSL's.
_CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
_CIPHERS_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


@dataclass(frozen=True, slots=True)
class Asked:
    """The section ``tls_server_config``, with its paths made whole; names and versions as Go says them."""

    cert_file: Path | None
    key_file: Path | None
    client_auth_type: str
    client_ca_file: Path | None
    client_allowed_sans: tuple[str, ...] | None
    min_version: str
    max_version: str
    cipher_suites: tuple[str, ...]
    prefer_server_cipher_suites: bool
    curve_preferences: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are named."""
        return tuple(file for file in (self.cert_file, self.key_file, self.client_ca_file) if file is not None)


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why no context can be made, and the keys within the section that lead to the place."""

    keys: tuple[str | int, ...]
    message: str


def context(asked: Asked) -> ssl.SSLContext | list[Mistake]:
    """A context for the server, or all that stands against it."""
    mistakes = [*_client_mistakes(asked), *_version_mistakes(asked), *_cipher_mistakes(asked), *_curve_mistakes(asked)]
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mistakes += _load(made, asked)
    if mistakes:
        return mistakes
    made.minimum_version = _VERSIONS[asked.min_version]
    made.maximum_version = _VERSIONS[asked.max_version]
    made.verify_mode = _VERIFY_MODES[asked.client_auth_type]
    made.options |= ssl.OP_NO_RENEGOTIATION
    made.set_alpn_protocols(["http/1.1"])
    if not asked.prefer_server_cipher_suites:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if asked.cipher_suites:
        made.set_ciphers(":".join(_CIPHERS[name] for name in asked.cipher_suites))
    for curve in asked.curve_preferences:
        made.set_ecdh_curve(_CURVES[curve])
    if asked.client_allowed_sans is not None:
        made.sslobject_class = _allowing(frozenset(asked.client_allowed_sans))
    return made


def following(current: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """A context that leaves every new connection to the one that is current then.

    A server keeps the context that it was started with; certificates and all else can change under it this way.
    """
    made = _Following(ssl.PROTOCOL_TLS_SERVER)
    made.current = current
    return made


class _Following(ssl.SSLContext):
    current: Callable[[], ssl.SSLContext]

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        return self.current().wrap_bio(*args, **options)


def _allowing(allowed: frozenset[str]) -> type[ssl.SSLObject]:
    class Checked(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            if not allowed.intersection(_names(self.getpeercert())):
                raise ssl.SSLCertVerificationError("the client's certificate has none of the allowed names")

    return Checked


def _names(certificate: dict[str, Any] | None) -> Iterator[str]:
    for kind, value in (certificate or {}).get("subjectAltName", ()):
        # OpenSSL writes IPv6 addresses at full length.
        yield str(ip_address(value.strip())) if kind == "IP Address" else value


def _client_mistakes(asked: Asked) -> Iterator[Mistake]:
    kind = asked.client_auth_type
    if kind in _UNVERIFIED:
        message = (
            f"{kind} takes certificates without verifying them, which Python's ssl cannot; "
            "take RequireAndVerifyClientCert or VerifyClientCertIfGiven"
        )
        yield Mistake(("client_auth_type",), message)
        return
    if kind not in _VERIFY_MODES:
        yield Mistake(("client_auth_type",), f"the kinds of client_auth_type are {', '.join(_VERIFY_MODES)}")
        return
    if kind == "NoClientCert" and asked.client_ca_file:
        yield Mistake(("client_ca_file",), "client_ca_file does nothing without a client_auth_type")
    if kind != "NoClientCert" and not asked.client_ca_file:
        message = (
            f"{kind} needs client_ca_file; the certificates that the system trusts let in anybody who owns a domain"
        )
        yield Mistake(("client_auth_type",), message)
    if asked.client_allowed_sans is not None and kind != "RequireAndVerifyClientCert":
        yield Mistake(("client_allowed_sans",), "client_allowed_sans needs client_auth_type RequireAndVerifyClientCert")


def _version_mistakes(asked: Asked) -> Iterator[Mistake]:
    versions = {"min_version": asked.min_version, "max_version": asked.max_version}
    old = [key for key, version in versions.items() if version not in _VERSIONS]
    for key in old:
        yield Mistake(
            (key,), f"{versions[key]} is not spoken any more (RFC 8996), as OpenSSL refuses it; take TLS12 or TLS13"
        )
    if not old and _VERSIONS[asked.min_version] > _VERSIONS[asked.max_version]:
        yield Mistake(("max_version",), "max_version is older than min_version")


def _cipher_mistakes(asked: Asked) -> Iterator[Mistake]:
    for index, name in enumerate(asked.cipher_suites):
        if name in _CIPHERS_13:
            message = "the cipher suites of TLS 1.3 are always on and cannot be chosen; leave this one out"
            yield Mistake(("cipher_suites", index), message)
        elif name not in _CIPHERS:
            message = (
                "this is none of Go's secure cipher suites up to TLS 1.2, as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 is"
            )
            yield Mistake(("cipher_suites", index), message)


def _curve_mistakes(asked: Asked) -> Iterator[Mistake]:
    for index, name in enumerate(asked.curve_preferences):
        if name not in _CURVES:
            yield Mistake(("curve_preferences", index), f"the curves are {', '.join(_CURVES)}")
    if len(asked.curve_preferences) > 1:
        yield Mistake(
            ("curve_preferences",), "Python's ssl can be given one curve, or none to leave the choice to OpenSSL"
        )


def _load(made: ssl.SSLContext, asked: Asked) -> Iterator[Mistake]:
    files = {"cert_file": asked.cert_file, "key_file": asked.key_file, "client_ca_file": asked.client_ca_file}
    unreadable = {key: _unreadable(file) for key, file in files.items() if file is not None}
    for key in ("cert_file", "key_file"):
        if files[key] is None:
            yield Mistake((), f"TLS needs cert_file and key_file, and there is no {key}")
    for key, reason in unreadable.items():
        if reason:
            yield Mistake((key,), f"the file that {key} names cannot be read: {reason}")
    if asked.cert_file and asked.key_file and not (unreadable["cert_file"] or unreadable["key_file"]):
        yield from _load_pair(made, asked.cert_file, asked.key_file)
    if asked.client_ca_file and not unreadable["client_ca_file"] and not _load_authorities(made, asked.client_ca_file):
        yield Mistake(("client_ca_file",), "the file that client_ca_file names holds no certificate in PEM form")


def _unreadable(file: Path) -> str | None:
    try:
        file.read_bytes()
    except OSError as error:
        return (error.strerror or "it cannot be opened").lower()
    return None


def _load_pair(made: ssl.SSLContext, certificate: Path, key: Path) -> Iterator[Mistake]:
    try:
        # Without a password of some kind OpenSSL asks for one at the terminal.
        made.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            yield Mistake(("key_file",), "the key does not belong to the certificate")
        elif not _load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate):
            yield Mistake(("cert_file",), "the file that cert_file names holds no certificate in PEM form")
        else:
            yield Mistake(
                ("key_file",), "the file that key_file names holds no key in PEM form, or one with a password"
            )


def _load_authorities(made: ssl.SSLContext, file: Path) -> bool:
    try:
        made.load_verify_locations(cafile=file)
    except OSError:
        return False
    return True
