"""docs/service.md says all of it: endpoints, fields, settings with their limits, error codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from dpr.questions import QUESTION_RULES
from service.errors import CONNECTION_CODES, FRAMEWORK_ERRORS, INVALID_FIELDS, OUTCOMES
from service.schemas import QueryRequest
from service.settings import ENVIRONMENT_PREFIX, SECRETS, Settings

GUIDE = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")

CODES = {
    *(outcome.code for outcome in OUTCOMES.values()),
    *CONNECTION_CODES,
    *(code for code, _ in FRAMEWORK_ERRORS.values()),
    *(code for code, _ in INVALID_FIELDS.values() if "{" not in code),
    *(rule.code for rule in QUESTION_RULES),
    *(
        "question_missing",
        "question_ambiguous",
        "passage_ambiguous",
        "text_empty",
        "unknown_input_type",
        "unknown_encoding_format",
        "unknown_retriever",
        "unknown_fusion",
        "unknown_operator",
    ),
}


def rows(section: str) -> list[str]:
    return re.findall(r"^\| .*$", GUIDE.split(f"\n{section}\n", 1)[1].split("\n#", 1)[0], re.MULTILINE)


def test_every_error_code_has_a_row_and_every_row_a_code() -> None:
    documented = {re.findall(r"`(\w+)`", row)[0] for row in rows("### Errors")[1:]}
    assert documented == CODES


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_row_with_its_default_and_limits(name: str) -> None:
    field = Settings.model_fields[name]
    [row] = [row for row in rows("### Settings") if f"`{ENVIRONMENT_PREFIX}{name.upper()}`" in row]
    assert (f"`--{name.replace('_', '-')}`" in row) is (name not in SECRETS)
    plain = row.replace(",", "").replace("`", "")
    if isinstance(field.default, int) and not isinstance(field.default, bool):
        assert plain.endswith(f"| {field.default} |")
    bounds = [bound for limit in field.metadata for bound in (getattr(limit, "ge", None), getattr(limit, "le", None))]
    limits = [str(bound) for bound in bounds if bound is not None]
    assert not limits or " to ".join(limits) in plain


@pytest.mark.parametrize("name", QueryRequest.model_fields)
def test_every_field_of_a_request_has_a_row(name: str) -> None:
    assert any(row.startswith(f"| `{name}` |") for row in rows("### `POST /v1/query`"))


def test_every_endpoint_is_listed_with_a_curl_line(client: TestClient) -> None:
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        for method in operations:
            assert f"`{method.upper()} {path}`" in GUIDE
        assert path == "/" or re.search(rf"curl -s \S*{path.split('/{')[0]}\b", GUIDE)


def test_every_curl_line_that_asks_is_a_good_request(client: TestClient) -> None:
    asked = re.findall(
        r"curl -s http://127\.0\.0\.1:8000(/\S+)[^']*'content-type: application/json'[^']*'(.*?)'", GUIDE
    )
    assert len(asked) >= 3
    for path, body in asked:
        response = client.post(path, content=body.encode(), headers={"content-type": "application/json"})
        assert response.status_code == 200, response.text
