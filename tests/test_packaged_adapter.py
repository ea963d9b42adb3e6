"""Adapters of other packages: installed for real, found by their entry point, and named when they cannot be used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import ROOT, environment
from test_newcomer import STORE

from perfgate.errors import InputError
from perfgate.targets.load import load_target
from perfgate.targets.packaged import packaged_adapter, packaged_names

EXAMPLE = ROOT / "examples" / "perfgate_packed"
TARGET = """
name = "packed"
adapter = "packed"
options = { space = "gate" }
[host]
command = ["{python}", "STORE", "--port", "{port}"]
copyable = false
[variants.default]
"""


def write(directory: Path, text: str = TARGET) -> Path:
    (directory / "packed.toml").write_text(text.replace("STORE", str(STORE)))
    return directory / "packed.toml"


def check(file: Path, site: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    given = environment(cache)
    given["PYTHONPATH"] = f"{site}{os.pathsep}{given['PYTHONPATH']}"
    command = [sys.executable, "-m", "perfgate", "target", "check", str(file), "--dim", "16"]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, env=given, cwd=ROOT, check=False)


def test_an_adapter_of_an_installed_package_is_proved_and_its_own_words_are_shown(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLE, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
           "--disable-pip-version-check", "--root-user-action=ignore", "--target", str(site), str(source)]  # fmt: skip
    subprocess.run(pip, check=True, timeout=90)
    done = check(EXAMPLE / "packed.toml", site, tmp_path / "cache")  # with the store of the package, as its README says
    assert done.returncode == 0, done.stdout + done.stderr
    assert "400 of 400 true answers found" in done.stdout
    assert "wrong dimension, store: is refused" in done.stdout
    bad = check(write(tmp_path, TARGET.replace('space = "gate"', "spaces = 3")), site, tmp_path / "cache")
    assert bad.returncode == 3
    assert "options.spaces is an unknown key: there are k and space (said by the adapter 'packed')" in bad.stderr
    (site / "perfgate_packed" / "adapter.py").write_text("import what_is_not_there")
    broken = check(write(tmp_path), site, tmp_path / "cache")
    assert broken.returncode == 3
    assert "of package perfgate-packed 1.0.0 cannot be loaded from perfgate_packed.adapter:ADAPTER" in broken.stderr
    assert "No module named 'what_is_not_there'" in broken.stderr


def installed(directory: Path, package: str, name: str, content: str) -> None:
    """As pip leaves a package behind."""
    (directory / f"{package}.py").write_text(content)
    info = directory / f"{package}-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(f"[perfgate.targets]\n{name} = {package}:ADAPTER\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    packaged_adapter.cache_clear()
    return tmp_path


def test_what_is_no_adapter_is_named_with_its_package(site: Path) -> None:
    installed(site, "odd_one", "odd", "ADAPTER = 7")
    assert "odd" in packaged_names()
    with pytest.raises(
        InputError, match=r"adapter 'odd' of package odd_one 2\.0: odd_one:ADAPTER is no PackagedAdapter"
    ):
        load_target(write(site, TARGET.replace('"packed"', '"odd"')))


def test_two_packages_of_one_adapter_are_both_named(site: Path) -> None:
    for package in ("twin_a", "twin_b"):
        installed(site, package, "twin", "ADAPTER = 7")
    with pytest.raises(InputError, match=r"in several packages: twin_a 2\.0, twin_b 2\.0"):
        load_target(write(site, TARGET.replace('"packed"', '"twin"')))


def test_an_adapter_that_nobody_has_is_named_with_those_there_are(site: Path) -> None:
    installed(site, "near_one", "nearly", "ADAPTER = 7")
    with pytest.raises(
        InputError, match=r'adapter = "nearlly" does not exist: did you mean nearly\?.* must be installed here'
    ):
        load_target(write(site, TARGET.replace('"packed"', '"nearlly"')))


def test_options_that_are_no_plain_values_are_refused(site: Path) -> None:
    content = """
from perfgate.targets.packaged import PackagedAdapter
ADAPTER = PackagedAdapter(frozenset(), None)
"""
    installed(site, "plain_one", "plain", content)
    text = TARGET.replace('"packed"', '"plain"').replace('space = "gate"', "space = [1]")
    with pytest.raises(InputError, match=r"packed\.toml:4: options\.space of adapter 'plain' must be a text, a number"):
        load_target(write(site, text))
    assert load_target(write(site, TARGET.replace('"packed"', '"plain"'))).options == {"space": "gate"}
