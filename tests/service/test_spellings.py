"""Spellings of the same request by the clients in use."""

from uuid import uuid4

import pytest
from umpire_service import BODY, problem_of

from contracts.encoding import dumps

pytestmark = pytest.mark.redis


async def test_a_utf8_byte_order_mark_before_the_body_is_ignored(api):
    given = uuid4()
    answer = await api.post(b"\xef\xbb\xbf" + dumps({**BODY, "correlation_id": given, "processing_mode": "queue"}))
    assert answer.status_code == 202
    assert answer.json()["correlation_id"] == str(given)
    refused = problem_of(
        await api.post(b"\xef\xbb\xbf" + dumps({"correlation_id": given})), 422, "LLM_CALLBACK_TOPIC_MISSING"
    )
    assert refused["correlation_id"] == str(given)


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-be"])
async def test_a_body_in_utf16_is_refused_with_a_clear_message(api, coding):
    mark = b"" if coding == "utf-16" else b"\xfe\xff"
    body = mark + dumps(BODY).decode().encode(coding)
    assert "UTF-16" in problem_of(await api.post(body), 422, "LLM_INVALID_CONFIG")["detail"]


@pytest.mark.parametrize("spelt", ["{}", "urn:uuid:{}", "URN:UUID:{}", "Urn:Uuid:{}"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
async def test_every_spelling_of_a_uuid_is_a_correlation_id(api, spelt, case):
    given = uuid4()
    answer = await api.post(correlation_id=spelt.format(case(str(given))), processing_mode="queue")
    assert answer.status_code == 202
    assert answer.json()["correlation_id"] == str(given)
    wrong = problem_of(await api.post(correlation_id=spelt.format("nonsense")), 422, "LLM_INVALID_CONFIG")
    assert wrong["detail"].startswith("correlation_id: Input should be a valid UUID")
