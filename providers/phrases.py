"""What a provider says in words because it has no code for it. Pure.

An error is never classified by searching its text: that may quote the prompt. These patterns are the exception, for two
faults that some providers answer with a plain 400 (or 403). Each is matched at the very beginning of the provider's own
message, where no prompt is quoted.
"""

import re

#: Characters of a message that are looked at.
_HEAD = 160

#: A field that the message may name first: "messages.0: …".
_FIELD = r"(?:[\w.\[\]-]{1,40}: )?"

_SPENDING = re.compile(
    _FIELD + r"(?:"
    r"(?:your |the )?credit balance is too low"
    r"|(?:your |the )?(?:prepaid|prepayment) credits? (?:are|is|have been|has been) (?:depleted|exhausted|used up)"
    r"|(?:you have |your account has )?insufficient (?:credits?|funds|balance|quota)"
    r"|you exceeded your current quota"
    r"|(?:your |the )?billing hard limit"
    r"|(?:api )?key limit exceeded"
    r"|this request requires more credits"
    r"|(?:this api method requires|please enable|you must enable|enable) billing"
    r"|(?:your |the )?billing (?:account |has |is )?(?:not been enabled|not enabled|disabled|not active|closed)"
    r"|(?:your |the )?(?:organization|workspace|account) has reached its (?:usage|spend|spending|credit) limit"
    r"|you have reached your specified (?:api )?usage limits?"
    r")",
    re.IGNORECASE,
)

_LENGTH = re.compile(
    _FIELD + r"(?:"
    r"(?:your |the )?(?:prompt|request|input) (?:is|was) too (?:long|large)"
    r"|(?:the )?input token count\b.{0,40}\bexceeds"
    r"|(?:your |the )?input (?:length|tokens?)\b.{0,60}\bexceeds?"
    r"|your input exceeds the context window"
    r"|input length and `?max_tokens`? exceed context limit"
    r"|this (?:model|endpoint)'?s maximum (?:context|prompt|input) length"
    r"|(?:the )?maximum (?:context|prompt|input) length is \d"
    r"|(?:the )?(?:prompt|context|input) (?:length|size)\b.{0,40}\bexceeds?"
    r")",
    re.IGNORECASE,
)


def names_spending(message: str) -> bool:
    """The account is empty."""
    return _SPENDING.match(message[:_HEAD].lstrip()) is not None


def names_length(message: str) -> bool:
    """The prompt does not fit the model."""
    return _LENGTH.match(message[:_HEAD].lstrip()) is not None
