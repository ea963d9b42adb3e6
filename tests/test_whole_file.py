"""Claims about files that are there as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from perfgate.whole_file import write_whole


def test_a_file_that_cannot_be_finished_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "profile.json"
    write_whole(path, ["of ", "yesterday\n"])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, ["of today\n"])
    assert path.read_text() == "of yesterday\n"
    assert os.listdir(tmp_path) == ["profile.json"]


@pytest.mark.parametrize("place", ["/", "", "."])
def test_a_directory_is_no_file(place: str) -> None:
    with pytest.raises(IsADirectoryError):
        write_whole(Path(place), ["text"])


def test_a_pipe_or_a_device_is_written_to_and_stays_what_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(pipe, ["a", "b"])
        assert os.read(reader, 100) == b"ab"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert os.listdir(tmp_path) == ["pipe"]
