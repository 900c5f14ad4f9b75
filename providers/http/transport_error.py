"""Maps the exceptions of a call without a complete answer to the project's error tree, by their types."""

from contracts import errors
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from providers.answers.error_mapping import unreadable_answer
from providers.http.bounded import UnreadableBody


def transport_error(provider: LLMProviderType, error: BaseException) -> UmpireError:
    """The error for a call without a complete answer: a transport's exception, or the SDK's wrapper of one.

    The innermost exception decides, because OpenAI's transport wraps a refused connection in a timeout.
    """
    import aiohttp
    import httpx2

    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    for seen in reversed(chain):
        if isinstance(seen, TimeoutError | httpx2.TimeoutException):
            return errors.ProviderTimeout(f"{provider.value} did not answer in time", provider=provider.value)
        if (reason := _unreadable_because(seen)) is not None:
            return unreadable_answer(provider, reason)
        if isinstance(seen, OSError | aiohttp.ClientConnectionError | aiohttp.InvalidURL):
            break
        if isinstance(seen, ValueError):
            return unreadable_answer(provider)
    return errors.ProviderUnavailable(f"No connection to {provider.value}", provider=provider.value)


def _unreadable_because(error: BaseException) -> str | None:
    import aiohttp
    from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

    match error:
        case UnreadableBody(reason=reason):
            return str(reason)
        case LineTooLong():
            return "headers_too_large"
        # aiohttp has no separate class for too many headers.
        case BadHttpMessage() if "Too many headers" in str(error):
            return "headers_too_large"
        # The body is not JSON; see Response.json in providers/http/session.py.
        case aiohttp.ContentTypeError():
            return "malformed_body"
    return None
