"""One stack a data directory, and a stack.json that is whole, private, and gone afterwards."""

import stat
from pathlib import Path

import pytest

from cli.datadir import DataDirectory, read_stack
from cli.failure import Failure


def test_what_is_told_can_be_read_and_is_private(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "data") as directory:
        assert read_stack(directory.path) is None
        directory.tell({"api": "http://127.0.0.1:1"})
        directory.tell({"api": "http://127.0.0.1:2"})
        assert read_stack(directory.path) == {"api": "http://127.0.0.1:2"}
        assert stat.S_IMODE((directory.path / "stack.json").stat().st_mode) == 0o600
        assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
        assert sorted(entry.name for entry in directory.path.iterdir()) == ["stack.json", "up.lock"]
    assert read_stack(tmp_path / "data") is None


def test_what_a_killed_one_told_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text('{"api": "old"}')
    with DataDirectory(tmp_path):
        assert read_stack(tmp_path) is None


def test_a_second_one_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as first:
        first.tell({"api": "first"})
        with pytest.raises(Failure, match=r"is in use by another umpire \(pid \d+\)"), DataDirectory(tmp_path):
            pass
        assert read_stack(tmp_path) == {"api": "first"}
    with DataDirectory(tmp_path):
        pass


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match="cannot be used as a data directory"), DataDirectory(tmp_path / "file"):
        pass
