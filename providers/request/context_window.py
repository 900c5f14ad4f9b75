"""Checks whether a prompt fits a model's context window, and estimates its tokens, both without a tokenizer.

The API refuses only prompts that certainly do not fit; for all others the provider decides. So the API needs a *lower*
bound of the tokens, from two facts. (1) The tokenizers in use split at white space first, so a prompt never has fewer
tokens than words. (2) Characters per token, averaged over a prompt, stay under `ModelInfo.chars_per_token`: prose has 3
to 5, code and other scripts fewer; 8 leaves room for any text that somebody would have judged.
A prompt with fewer UTF-8 bytes than the window has tokens fits without counting, since a token has at least one byte.
"""

from contracts.errors import ContentTooLong, InvalidConfig
from providers.models.model_info import ModelInfo

#: Most bytes of one character in UTF-8.
_CHARACTER_BYTES = 4

#: Characters per token of ordinary prose, for the rate limiter; the estimate is corrected after the call.
_USUAL_CHARS_PER_TOKEN = 4


def usual_tokens(texts: list[str]) -> int:
    return sum(len(text) // _USUAL_CHARS_PER_TOKEN + 1 for text in texts)


def check_window(texts: list[str], max_tokens: int, info: ModelInfo) -> None:
    """Raises ContentTooLong if prompt and answer certainly do not fit; InvalidConfig if max_tokens is too large."""
    if max_tokens > info.max_output:
        raise InvalidConfig(
            f"{info.model_id} gives at most {info.max_output} tokens, and more were asked for",
            model=info.model_id,
            max_tokens=info.max_output,
        )
    room = info.context_window - max_tokens
    if sum(map(len, texts)) * _CHARACTER_BYTES <= room:
        return
    # The lower bound: see above.
    tokens = sum(max(len(text.split()), int(len(text) / info.chars_per_token)) for text in texts)
    if tokens > room:
        raise ContentTooLong(
            f"The prompt has at least {tokens} tokens; {info.model_id} has room for {max(room, 0)} beside the answer",
            model=info.model_id,
            context_window=info.context_window,
            estimated_tokens=tokens,
        )
