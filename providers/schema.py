"""The one JSON Schema of an answer, for all providers.

Bounds are left out: some providers reject or move them (facts: Anthropic `minimum`, Gemini). verdict.py checks them.
"""

from typing import Any

#: Name of the schema, and of the tool where a forced tool call stands in for structured outputs.
NAME = "submit_verdict"

DESCRIPTION = "The verdict of one comparison of two essays."

VERDICT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "winner": {
            "type": "string",
            "enum": ["Essay A", "Essay B"],
            "description": "The better essay.",
        },
        "justification": {
            "type": "string",
            "description": "Why it is better, in 50 to 500 characters.",
        },
        "confidence": {
            "type": "integer",
            "enum": [1, 2, 3, 4, 5],
            "description": "How sure you are, from 1 (a guess) to 5 (certain).",
        },
    },
    "required": ["winner", "justification", "confidence"],
    "additionalProperties": False,
}

#: What a model without structured outputs and tools is told instead.
IN_WORDS = (
    "Answer with one JSON object and nothing else, of exactly this form:\n"
    '{"winner": "Essay A" or "Essay B", "justification": string of 50 to 500 characters, "confidence": 1, 2, 3, 4 or 5}'
)
