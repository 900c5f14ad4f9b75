"""One stack a data directory, and a stack.json that is whole, private, and gone afterwards."""

import os
import stat
from pathlib import Path

import pytest
from umpire_cli import umpire

from cli.failure import Failure
from cli.stack.data_directory import DataDirectory, read_stack


def test_what_is_told_can_be_read_and_is_private(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "data") as directory:
        assert read_stack(directory.path) is None
        directory.write_stack_file({"api": "http://127.0.0.1:1"})
        directory.write_stack_file({"api": "http://127.0.0.1:2"})
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
        first.write_stack_file({"api": "first"})
        with pytest.raises(Failure, match=r"is in use by another umpire \(pid \d+\)"), DataDirectory(tmp_path):
            pass
        assert read_stack(tmp_path) == {"api": "first"}
    with DataDirectory(tmp_path):
        pass


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match="cannot be used as a data directory"), DataDirectory(tmp_path / "file"):
        pass


def test_a_directory_that_others_can_write_is_refused_and_unchanged(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    with pytest.raises(Failure, match=r"can be written by others \(mode 0770\).*chmod go-w"), DataDirectory(tmp_path):
        pass
    assert not list(tmp_path.iterdir())
    tmp_path.chmod(0o755)
    with DataDirectory(tmp_path) as directory:
        directory.write_stack_file({"api": "ours"})
        tmp_path.chmod(0o777)
        with pytest.raises(Failure, match="can be written by others"):
            read_stack(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_directory_or_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as directory:
        directory.write_stack_file({"api": "http://127.0.0.1:1", "redis": "redis://127.0.0.1:1"})
        os.chown(tmp_path / "stack.json", 65_534, 65_534)
        with pytest.raises(Failure, match=r"belongs to another user \(uid 65534\)"):
            read_stack(tmp_path)
    os.chown(tmp_path, 65_534, 65_534)
    with pytest.raises(Failure, match="belongs to another user"), DataDirectory(tmp_path):
        pass
    (tmp_path / "stack.json").write_text("{}")
    for command in (("keys", "list"), ("outbox", "list"), ("compare", __file__, __file__)):
        done = umpire(*command, "--data-dir", tmp_path)
        assert done.returncode == 1
        assert "belongs to another user" in done.stderr
