"""Requests made up from the service's own description: never a 5xx, never a path, as described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from serving_parts import WRITE_KEY

from crossbit.serving import requests, schemas

OPERATIONS = [
    ("get", "/healthz"),
    ("get", "/metrics"),
    ("get", "/readyz"),
    ("get", "/v1/index"),
    ("get", "/v1/items/{view}/{key}"),
    ("get", "/v1/thumbnails/{view}/{key}"),
    ("post", "/v1/encode"),
    ("post", "/v1/encode/image"),
    ("post", "/v1/items"),
    ("post", "/v1/items/remove"),
    ("post", "/v1/search"),
    ("post", "/v1/search/image"),
    ("put", "/v1/items"),
    ("put", "/v1/items/{view}/{key}/image"),
]
# What must hold of every answer, whatever was sent.
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


def test_every_operation_is_fuzzed(running: Any) -> None:
    paths = httpx.get(f"{running.url}/openapi.json").json()["paths"]
    assert sorted((method, path) for path in paths for method in paths[path]) == OPERATIONS


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_request_breaks_it(running: Any, method: str, path: str, tmp_path: Path) -> None:
    described = schemathesis.openapi.from_url(f"{running.url}/openapi.json")
    described.config.update(base_url=running.url)

    @given(case=described[path][method].as_strategy())
    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def run(case: Any) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {WRITE_KEY}"})
        case.validate_response(answer, checks=CHECKS)
        for private in (str(tmp_path), "index-text", "index-image", "site-packages", "Traceback"):
            assert private not in answer.text

    run()


def test_the_description_has_examples_that_its_schemas_allow(running: Any) -> None:
    parts = httpx.get(f"{running.url}/openapi.json").json()["components"]["schemas"]
    given = {name: part["examples"] for name, part in parts.items() if "examples" in part}
    assert {"SearchBody", "EncodeBody", "AddBody", "RemoveBody", "Answer", "Item"} <= given.keys()
    for name, examples in given.items():
        for example in examples:
            kind = getattr(requests, name, None) or getattr(schemas, name)
            kind.model_validate(example)
