"""Where a user's own files lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfgate.errors import InputError
from perfgate.user_directory import user_directory


def test_what_the_environment_names_comes_before_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/b")
    assert user_directory("XDG_CACHE_HOME", ".cache") == Path("/var/cache/b/perfgate")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_directory("XDG_CACHE_HOME", ".cache") == Path("/home/a/.cache/perfgate")


def test_a_user_without_a_home_directory_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 7)
    with pytest.raises(InputError, match="set HOME, or XDG_CACHE_HOME"):
        user_directory("XDG_CACHE_HOME", ".cache")
