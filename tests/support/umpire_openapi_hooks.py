"""Loaded by schemathesis: what a schema cannot say of a valid body (see tests/service/test_schemathesis.py)."""

import re
from typing import Any
from uuid import uuid4

import schemathesis

#: service/idempotency.py has the same.
KEY = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
MODEL = "mock-judge"
MOST_TOKENS = 1_000


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    body = case.body if isinstance(case.body, dict) else {}
    batch = body.get("comparisons")
    for one in [body, *(batch if isinstance(batch, list) else ())]:
        _replace_model(one)
    headers = case.headers or {}
    if KEY.fullmatch(str(headers.get("Idempotency-Key", ""))):
        headers["Idempotency-Key"] = str(uuid4())


def _replace_model(comparison: Any) -> None:
    overrides = comparison.get("llm_config_overrides") if isinstance(comparison, dict) else None
    if isinstance(overrides, dict):
        name, tokens = overrides.get("model_override"), overrides.get("max_tokens_override")
        if isinstance(name, str) and 1 <= len(name) <= 200:
            overrides["model_override"] = MODEL
        if isinstance(tokens, int | float) and tokens > MOST_TOKENS:
            overrides["max_tokens_override"] = MOST_TOKENS
