"""What a server refuses to start with: a public address without keys, half of TLS, an origin that is none."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dpr.errors import ConfigError
from service.security.exposure import check_exposure, is_loopback, origins_of
from service.server import run_server
from tests.service.fakes import settings_of


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_alone_needs_no_keys(host: str) -> None:
    assert is_loopback(host)
    check_exposure(settings_of(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "nothing.invalid", "::ffff:192.0.2.1"])  # noqa: S104
def test_a_public_address_without_keys_is_refused(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="--insecure-public"):
        run_server(settings_of(host=host, port=0), lambda *_: None)


def test_a_public_address_may_be_forced(caplog: pytest.LogCaptureFixture) -> None:
    check_exposure(settings_of(host="0.0.0.0", insecure_public=True))  # noqa: S104
    assert "everybody" in caplog.text


def test_keys_without_tls_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_exposure(settings_of(host="0.0.0.0", keys_file=tmp_path / "keys.json"))  # noqa: S104
    assert "in the clear" in caplog.text


@pytest.mark.parametrize(
    ("published", "is_refused"),
    [("127.0.0.1", False), ("0.0.0.0", True), ("192.0.2.1", True)],  # noqa: S104
)
def test_a_container_is_judged_by_where_it_is_published(published: str, is_refused: bool) -> None:
    settings = settings_of(host="0.0.0.0", published_address=published)  # noqa: S104
    if is_refused:
        with pytest.raises(ConfigError, match=published):
            check_exposure(settings)
    else:
        check_exposure(settings)


def test_a_rate_limit_without_keys_is_refused() -> None:
    with pytest.raises(ConfigError, match="keys_file"):
        check_exposure(settings_of(rate_limit_per_s=5))


@pytest.mark.parametrize(
    "origins", ["*", "example.org", "https://a.example/", "https://a.example/x", "ftp://a", "https://"]
)
def test_an_origin_that_is_none_is_refused(origins: str) -> None:
    with pytest.raises(ConfigError, match="cors-origins"):
        origins_of(settings_of(cors_origins=origins))


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of 127.0.0.1 and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*made, *subject, "-out", str(cert), "-keyout", str(key)], check=True, capture_output=True)
    return cert, key


def test_tls_needs_two_good_files(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    check_exposure(settings_of(tls_cert=cert, tls_key=key))
    other = tmp_path / "other"
    other.mkdir()
    wrong: list[dict[str, Any]] = [
        {"tls_cert": cert},
        {"tls_key": key},
        {"tls_cert": cert, "tls_key": tmp_path / "none.pem"},
        {"tls_cert": key, "tls_key": cert},
        {"tls_cert": cert, "tls_key": certificate(other)[1]},
    ]
    for files in wrong:
        with pytest.raises(ConfigError, match="TLS") as caught:
            check_exposure(settings_of(**files))
        assert "\n" not in str(caught.value)
