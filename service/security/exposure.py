"""Who can reach a server, and whether its settings allow that: a public address needs keys, TLS needs both files.

Checked before anything is loaded.
"""

from __future__ import annotations

import logging
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from dpr.errors import ConfigError
from service.settings import Settings

logger = logging.getLogger(__name__)


def check_exposure(settings: Settings) -> None:
    """Refuse settings that would let everybody in, or that contradict each other.

    Raises:
        ConfigError: a public address without keys, half of a TLS pair, a rate limit without keys, or a wrong origin.
    """
    origins_of(settings)
    check_tls(settings.tls_cert, settings.tls_key)
    if settings.keys_file is None and settings.rate_limit_per_s is not None:
        raise ConfigError("rate_limit_per_s is set and keys_file is not; it limits each key: set DPR_KEYS_FILE too")
    address = settings.published_address or settings.host
    if is_loopback(address):
        return
    if settings.keys_file is None and not settings.insecure_public:
        raise ConfigError(
            f"{address} can be reached by others, and there are no API keys; make some with dpr-serve keys add and "
            "name their file with --keys-file, or listen on 127.0.0.1, or say --insecure-public to let everybody in"
        )
    if settings.keys_file is None:
        logger.warning("everybody who reaches %s may use this server: there are no API keys", address)
    elif settings.tls_cert is None:
        logger.warning("keys travel to %s in the clear without TLS; set --tls-cert, or put a proxy in front", address)


def is_loopback(host: str) -> bool:
    """Tell whether an address, or every address of a name, is of this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return False  # listening there fails with a sentence of its own
    return all(ip_address(address.partition("%")[0]).is_loopback for address in addresses)


def check_tls(cert: Path | None, key: Path | None) -> None:
    """Check the two files of TLS, or that there is neither.

    Raises:
        ConfigError: one of the two files is not set, cannot be read, or does not fit the other.
    """
    if cert is None and key is None:
        return
    if cert is None or key is None:
        raise ConfigError("TLS needs a certificate and its key; set both --tls-cert and --tls-key, or neither")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key, password=lambda: "")
    except OSError as error:  # ssl.SSLError is one
        cause = error.strerror or str(error)
        raise ConfigError(
            f"TLS cannot start with {cert} and {key} ({cause}); give a certificate and its key, without password"
        ) from None


def origins_of(settings: Settings) -> tuple[str, ...]:
    """Return the origins whose pages may ask.

    Raises:
        ConfigError: an entry is no origin, such as ``*`` or an address with a path.
    """
    origins = tuple(origin for entry in settings.cors_origins.split(",") if (origin := entry.strip()))
    for origin in origins:
        url = urlsplit(origin)
        if url.scheme not in ("http", "https") or not url.netloc or origin != f"{url.scheme}://{url.netloc}":
            raise ConfigError(
                f"--cors-origins (or DPR_CORS_ORIGINS) has {origin!r}, which is no origin; give some such as "
                "https://example.org, with commas between"
            )
    return origins
