from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from umpire_cli import Up


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Factory of running stacks; whatever a test leaves behind is killed."""
    with ExitStack() as stack:
        count = 0

        def make(*options: str, start: bool = True, data_dir: Path | None = None, **settings: Any) -> Up:
            nonlocal count
            count += 1
            made = Up(data_dir or tmp_path / f"data-{count}", *options, **settings)
            stack.callback(made.discard)
            return made.start() if start else made

        yield make
