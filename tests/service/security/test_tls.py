"""``dpr-serve`` with keys and TLS, over a real connection."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest

from tests.service.security.test_exposure import certificate
from tests.service.security.test_keys import add
from tests.service.test_cli import SPARSE, index, server

__all__ = ["index"]  # a fixture


def test_it_serves_https_to_who_has_a_key(index: Path, tmp_path: Path) -> None:
    cert, private_key = certificate(tmp_path)
    key = add(tmp_path / "keys.json", "laptop")
    options = ("--tls-cert", cert, "--tls-key", private_key, "--keys-file", tmp_path / "keys.json")
    with server("--index", index, *SPARSE, *options) as (process, facts):
        assert facts["address"].startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(cert))
        with httpx.Client(base_url=facts["address"], verify=trusted) as client:
            assert client.get("/readyz").status_code == 200
            assert client.get("/v1/info").status_code == 401
            answer = client.get("/v1/info", headers={"authorization": f"Bearer {key}"})
            assert (answer.status_code, answer.json()["passages"]) == (200, 2)
            assert "server" not in answer.headers
            head = client.head("/v1/info", headers={"authorization": f"Bearer {key}"})
            assert (head.status_code, head.content) == (200, b"")
            assert int(head.headers["content-length"]) > 0
        old = ssl.create_default_context(cafile=str(cert))
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert httpx.get(f"{facts['address']}/livez", verify=old).status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{facts['address'].replace('https', 'http')}/livez")
        process.terminate()
        assert "Traceback" not in process.communicate(timeout=60)[1]
