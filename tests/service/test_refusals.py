"""A refused request gets a typed problem that names the field and never quotes its value; nothing is stored."""

import asyncio
import json

import pytest
from umpire_service import BODY, SECRET, admitted, problem_of, running_api, settings_of

pytestmark = pytest.mark.redis

CORRELATION_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


def without(name):
    return json.dumps({key: value for key, value in BODY.items() if key != name}).encode()


def raw(fields):
    """The body with literal JSON added to it."""
    return json.dumps(BODY)[:-1].encode() + b"," + fields + b"}"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (without("callback_topic"), "LLM_CALLBACK_TOPIC_MISSING"),
        (b"{}", "LLM_CALLBACK_TOPIC_MISSING"),
        (raw(b'"callback_topic": null'), "LLM_INVALID_CALLBACK_TOPIC"),
        (raw(b'"callback_topic": ""'), "LLM_INVALID_CALLBACK_TOPIC"),
        (raw(b'"callback_topic": 7'), "LLM_INVALID_CALLBACK_TOPIC"),
        (raw(b'"callback_topic": "has space"'), "LLM_INVALID_CALLBACK_TOPIC"),
        (raw(b'"callback_topic": ".."'), "LLM_INVALID_CALLBACK_TOPIC"),
        (raw(b'"callback_topic": "t\\n"'), "LLM_INVALID_CALLBACK_TOPIC"),
        (raw(b'"callback_topic": "' + b"t" * 250 + b'"'), "LLM_INVALID_CALLBACK_TOPIC"),
        (raw(b'"callback_topic": "__consumer_offsets"'), "LLM_INVALID_CALLBACK_TOPIC"),
        (raw(b'"callback_topic": "huleedu.llm_provider.cost_tracking.v1"'), "LLM_INVALID_CALLBACK_TOPIC"),
        (raw(b'"callback_topic": "huleedu.llm_provider.callback_dead_letter.v1"'), "LLM_INVALID_CALLBACK_TOPIC"),
        (without("user_prompt"), "LLM_INVALID_PROMPT"),
        (raw(b'"user_prompt": ""'), "LLM_INVALID_PROMPT"),
        (raw(b'"prompt_blocks": [{"target": "user_content", "content": ""}]'), "LLM_INVALID_PROMPT"),
        (raw(b'"llm_config_overrides": {"provider_override": "nobody"}'), "LLM_INVALID_CONFIG"),
        (raw(b'"llm_config_overrides": {"provider_override": "openai"}'), "LLM_INVALID_CONFIG"),
        (raw(b'"llm_config_overrides": {"model_override": "no-such-model"}'), "LLM_INVALID_CONFIG"),
        (raw(b'"llm_config_overrides": {"temperature_override": 2.1}'), "LLM_INVALID_CONFIG"),
        (raw(b'"llm_config_overrides": {"temperature_override": NaN}'), "LLM_INVALID_CONFIG"),
        (raw(b'"batching_mode": "all_at_once"'), "LLM_INVALID_CONFIG"),
        (raw(b'"processing_mode": "QUEUE"'), "LLM_INVALID_CONFIG"),
        (raw(b'"priority": 11'), "LLM_INVALID_CONFIG"),
        (raw(b'"priority": "5"'), "LLM_INVALID_CONFIG"),
        (raw(b'"priority": true'), "LLM_INVALID_CONFIG"),
        (raw(b'"ttl_seconds": 0'), "LLM_INVALID_CONFIG"),
        (raw(b'"ttl_seconds": 14401'), "LLM_INVALID_CONFIG"),
        (raw(b'"correlation_id": "' + SECRET.encode() + b'"'), "LLM_INVALID_CONFIG"),
        (raw(b'"metadata": []'), "LLM_INVALID_CONFIG"),
        (raw(b'"metadata": null'), "LLM_INVALID_CONFIG"),
        (raw(b'"metadata": {"x": NaN}'), "LLM_INVALID_CONFIG"),
        (raw(b'"metadata": {"x": [-Infinity]}'), "LLM_INVALID_CONFIG"),
        (raw(b'"metadata": {"x": 1e999}'), "LLM_INVALID_CONFIG"),
        (raw(b'"metadata": {"x": "\\ud800"}'), "LLM_INVALID_CONFIG"),
        (raw(b'"metadata": {"x": ' + b"[" * 40 + b"]" * 40 + b"}"), "LLM_INVALID_CONFIG"),
        (raw(b'"metadata": {"x": ' + b"[" * 5000 + b"]" * 5000 + b"}"), "LLM_INVALID_CONFIG"),
        (raw(b'"metadata": {"x": ' + b"9" * 6000 + b"}"), "LLM_INVALID_CONFIG"),
        (raw(b'"metadata": {"x": "\xff"}'), "LLM_INVALID_CONFIG"),
        (b"", "LLM_INVALID_CONFIG"),
        (b"[]", "LLM_INVALID_CONFIG"),
        (b"null", "LLM_INVALID_CONFIG"),
        (b"not json " + SECRET.encode(), "LLM_INVALID_CONFIG"),
        (json.dumps(BODY).encode()[:-1], "LLM_INVALID_CONFIG"),
        (json.dumps(BODY).encode() + b"{}", "LLM_INVALID_CONFIG"),
        (json.dumps(BODY).encode("utf-16"), "LLM_INVALID_CONFIG"),
        (b"[" * 100_000, "LLM_INVALID_CONFIG"),
    ],
)
async def test_a_wrong_body_is_a_422_with_its_code(api, body, code):
    problem_of(await api.post(body), 422, code)
    assert await admitted(api) == 0
    assert not api.notes.named("error.unexpected")
    assert [note.labels["error_code"] for note in api.notes.named("http.refused")] == [code]


async def test_unknown_fields_are_named_and_their_values_are_not(api):
    answer = await api.post(raw(b'"essay": "' + SECRET.encode() + b'", "llm_config_overrides": {"base_url": "x"}'))
    problem = problem_of(answer, 422, "LLM_INVALID_CONFIG")
    assert [error["loc"] for error in problem["details"]["errors"]] == [["llm_config_overrides", "base_url"], ["essay"]]
    assert all(error.keys() == {"loc", "msg"} for error in problem["details"]["errors"])


async def test_an_error_bounds_the_names_and_findings_that_it_repeats(api):
    fields = ",".join(f'"{"n" * 5000}{number}": 1' for number in range(50))
    answer = await api.post(raw(fields.encode()))
    problem = problem_of(answer, 422, "LLM_INVALID_CONFIG")
    assert len(problem["details"]["errors"]) == 20
    assert len(answer.content) < 10_000


async def test_the_correlation_id_of_a_refused_body_is_answered_where_it_can_be_read(api):
    given = f'"correlation_id": "{CORRELATION_ID}"'.encode()
    for body in (raw(given + b', "unknown": 1'), raw(given + b', "ttl_seconds": 99999999')):
        assert (await api.post(body)).json()["correlation_id"] == CORRELATION_ID
    for body in (b'{"correlation_id": 5}', b'{"correlation_id": "x"}', b"[]", b"{"):
        assert (await api.post(body)).json()["correlation_id"] != CORRELATION_ID


async def test_of_a_field_given_twice_the_last_counts(api):
    answer = await api.post(raw(b'"callback_topic": "__x", "callback_topic": "ok", "processing_mode": "queue"'))
    assert answer.status_code == 202


@pytest.mark.parametrize("topic", ["other", "team.x", "team.results.v1x", "__team.results.v1"])
async def test_a_topic_outside_the_operators_list_is_refused(redis_url, topic):
    settings = settings_of(redis_url, callback_topics=["team.*.v1", "exact", "__*"], immediate_wait_seconds=0)
    async with running_api(settings) as api:
        problem_of(await api.post(callback_topic=topic), 422, "LLM_INVALID_CALLBACK_TOPIC")
        for allowed in ("team.results.v1", "exact"):
            assert (await api.post(callback_topic=allowed)).status_code == 202


async def test_limits_of_size_are_413(redis_url):
    limits = {"max_body_bytes": 20_000, "max_prompt_chars": 5_000, "max_metadata_bytes": 1_000}
    async with running_api(settings_of(redis_url, **limits)) as api:
        for fields in (
            {"user_prompt": "é" * 5_001},
            {"user_prompt": "x" * 30_000},
            {"metadata": {"x": "y" * 1_000}},
            {"prompt_blocks": [{"target": "user_content", "content": "z" * 2_600}] * 2},
        ):
            problem_of(await api.post(**fields), 413, "LLM_CONTENT_TOO_LONG")
        grows = json.dumps(BODY | {"metadata": {"x": 0}}).encode().replace(b'"x": 0', b'"x": [' + b"1e15," * 80 + b"1]")
        assert len(grows) < 1_000
        problem_of(await api.post(grows), 413, "LLM_CONTENT_TOO_LONG")
        # 20,000 bytes of escapes are 3,334 characters.
        fits = json.dumps(BODY | {"user_prompt": "x"})[:-1].encode()
        escaped = fits.replace(b'"x"', b'"' + b"\\u00e9" * 3_000 + b'"') + b"}"
        assert (await api.post(escaped, {"Prefer": "respond-async"})).status_code == 202


async def test_a_body_without_a_length_is_cut_off_at_the_limit(redis_url):
    sent = 0

    async def endless():
        nonlocal sent
        while sent < 50_000_000:
            sent += 64_000
            yield b"x" * 64_000
            await asyncio.sleep(0)

    async with running_api(settings_of(redis_url, max_body_bytes=200_000)) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(b"POST /api/v1/comparison HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        async for chunk in endless():
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await writer.drain()
            if reader._buffer:
                break
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 413 " in head.split(b"\r\n")[0]
        assert sent < 5_000_000
        writer.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_another_media_type_is_415(api, headers):
    problem_of(await api.post(headers=headers), 415, "LLM_INVALID_CONFIG")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", ""])
async def test_json_is_accepted_with_every_spelling_of_its_media_type(api, content_type):
    headers = {"content-type": content_type, "Prefer": "respond-async"}
    assert (await api.post(headers=headers)).status_code == 202


async def test_a_prompt_over_the_context_window_is_refused(redis_url):
    async with running_api(settings_of(redis_url, max_body_bytes=100_000_000, max_prompt_chars=100_000_000)) as api:
        answer = await api.post(user_prompt="word " * 5_000_000)
        problem_of(answer, 413, "LLM_CONTENT_TOO_LONG")


async def test_a_full_ledger_refuses_with_retry_after_and_readyz_is_503(redis_url):
    async with running_api(settings_of(redis_url, ledger={"ledger_max_size": 2})) as api:
        for _ in range(2):
            assert (await api.post(processing_mode="queue")).status_code == 202
        for mode in ("queue", "immediate", "queue_if_unavailable"):
            answer = await api.post(processing_mode=mode)
            problem = problem_of(answer, 503, "LLM_QUEUE_FULL")
            assert int(answer.headers["retry-after"]) >= 1
            assert problem["title"] == "Queue at capacity"
            assert problem["details"] == {"limit": "requests", "size": 2}
        assert (await api.get("/readyz")).status_code == 503
