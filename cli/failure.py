"""The exception with which a command fails: a message for a person, and an exit code."""

#: Exit code of a usage error; typer's own usage errors have the same one.
USAGE = 2


class Failure(Exception):
    def __init__(self, message: str, *, code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
