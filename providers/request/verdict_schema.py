"""The JSON Schema of an answer, the same for all providers.

It has no bounds of numbers and lengths, since some providers reject or move them (Anthropic `minimum`, Gemini).
verdict.py checks the bounds.
"""

from typing import Any

#: Name of the schema, and of the tool for models that get a forced tool call instead of structured outputs.
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

#: The schema as OpenAI and OpenRouter take it.
STRICT = {"name": NAME, "description": DESCRIPTION, "schema": VERDICT_SCHEMA, "strict": True}

#: Added to the system prompt of a model that has neither structured outputs nor tools.
IN_WORDS = (
    "Answer with one JSON object and nothing else, of exactly this form:\n"
    '{"winner": "Essay A" or "Essay B", "justification": string of 50 to 500 characters, "confidence": 1, 2, 3, 4 or 5}'
)
