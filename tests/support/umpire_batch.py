"""Batches of comparisons: what is sent, and what an answer holds."""

import json

from umpire_service import BODY, SECRET

from contracts.http import LLMBatchResponse

PATH = "/api/v1/comparison/batch"
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def comparisons(count, **changed):
    """`changed`: fields of one comparison, by its position (`_3`)."""
    return [BODY | {"metadata": {"n": n}} | changed.get(f"_{n}", {}) for n in range(count)]


async def post(api, items, headers=None):
    content = items if isinstance(items, bytes) else json.dumps({"comparisons": items})
    headers = {"content-type": "application/json", **(headers or {})}
    return await api.client.post(PATH, content=content, headers=headers)


def items_of(answer, status, accepted, refused):
    assert answer.status_code == status, answer.text
    body = LLMBatchResponse.model_validate_json(answer.content)
    assert (body.accepted, body.refused) == (accepted, refused)
    assert [item.index for item in body.items] == list(range(accepted + refused))
    for item in body.items:
        assert (item.queue_id is None) is (item.error is not None) is (item.status is None)
        assert item.result is None
        assert item.correlation_id is not None
        if item.error:
            assert item.error.correlation_id == item.correlation_id
    assert SECRET not in answer.text
    return body.items
