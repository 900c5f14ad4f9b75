"""Texts by storage id: what cannot be fetched fails that text alone, and only what may heal is tried again."""

import asyncio
from contextlib import asynccontextmanager

import httpx2
import pytest

from assessment.errors import ContentUnavailable
from assessment.texts import ATTEMPTS, MAX_TEXT_BYTES, RemoteTexts, decode_text
from devtools.servers import free_port


class Answers:
    """Answers in turn, the last one for good; counts what arrived."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def __call__(self, request):
        self.requests.append(str(request.url))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx2.Response) else httpx2.Response(answer)


async def fetch(answers, storage_id="s1"):
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(answers))
    texts = RemoteTexts("http://content/base/", client=client, first_wait=0.001)
    try:
        return await texts.fetch(storage_id, None)
    finally:
        await texts.close()


def text(value="An essay."):
    return httpx2.Response(200, content=value.encode(), headers={"content-type": "text/plain"})


async def failed(answers):
    with pytest.raises(ContentUnavailable) as error:
        await fetch(answers)
    return error.value


async def test_a_text_is_fetched_by_its_id():
    answers = Answers(text("Bees, å."))
    assert await fetch(answers, "a/b ?#ü") == "Bees, å."
    assert answers.requests == ["http://content/base/v1/content/a%2Fb%20%3F%23%C3%BC"]


@pytest.mark.parametrize(
    "passing",
    [500, 503, 429, 408, httpx2.ConnectError("refused"), httpx2.ReadTimeout("late"), httpx2.RemoteProtocolError("cut")],
)
async def test_what_may_heal_is_tried_again(passing):
    answers = Answers(passing, passing, text())
    assert await fetch(answers) == "An essay."
    assert len(answers.requests) == 3
    lasting = Answers(passing)
    assert not (await failed(lasting)).permanent
    assert len(lasting.requests) == ATTEMPTS


@pytest.mark.parametrize(
    "answer",
    [404, 400, 401, 410, text(" \n"), text("a\0b"), httpx2.Response(200, content=b"\xff\xfe\xff"),
     httpx2.Response(200, content=b"x" * (MAX_TEXT_BYTES + 1)),
     httpx2.Response(200, content=b"x", headers={"content-length": str(MAX_TEXT_BYTES + 1)})],
)  # fmt: skip
async def test_what_cannot_heal_is_not_tried_again(answer):
    answers = Answers(answer)
    assert (await failed(answers)).permanent
    assert len(answers.requests) == 1


async def test_a_text_of_unknown_length_is_given_up_when_it_is_too_long():
    sent = 0

    async def parts():
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b"x" * 100_000

    error = await failed(Answers(httpx2.Response(200, content=parts())))
    assert error.permanent
    assert sent < 30


@asynccontextmanager
async def _silent_server():
    async def keep(reader, writer):
        await reader.read()
        writer.close()

    port = free_port()
    server = await asyncio.start_server(keep, "127.0.0.1", port)
    async with server:
        yield port


async def test_a_service_that_does_not_answer_or_is_not_there_fails_the_text_alone():
    async with _silent_server() as port:
        client = httpx2.AsyncClient(timeout=0.1, trust_env=False)
        texts = RemoteTexts(f"http://127.0.0.1:{port}", client=client, first_wait=0.001)
        with pytest.raises(ContentUnavailable, match="did not answer in time"):
            await texts.fetch("s", None)
    with pytest.raises(ContentUnavailable, match="could not be reached"):
        await texts.fetch("s", None)
    await texts.close()


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        ("\ufeffå".encode(), "", "å"),
        ("å".encode("latin-1"), 'text/plain; charset="ISO-8859-1"', "å"),
        ("å".encode(), "text/plain; format=flowed; Charset=utf-8", "å"),
        (b"a\r\nb", "text/plain;charset=", "a\r\nb"),
    ],
)
def test_a_text_is_decoded_by_its_charset(body, content_type, expected):
    assert decode_text(body, content_type) == expected


def test_an_unknown_charset_is_no_text():
    with pytest.raises(ContentUnavailable):
        decode_text(b"a", "text/plain; charset=klingon")
