"""The prompt that the command line makes of two essays."""

QUESTION = (
    "Which of these two essays is the better piece of writing? Weigh clarity, structure, argument and use of evidence."
)


def comparison_prompt(essay_a: str, essay_b: str, question: str | None = None) -> str:
    return (
        f"{question or QUESTION}\n\n"
        f"<essay_a>\n{essay_a.strip()}\n</essay_a>\n\n"
        f"<essay_b>\n{essay_b.strip()}\n</essay_b>\n"
    )
