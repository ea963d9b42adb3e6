"""What the documents promise about the code, and about each other."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest

from perfgate.cli.main import build_parser

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(path for where in ("*.md", "docs/**/*.md", "examples/*/*.md") for path in ROOT.glob(where))
DECIDERS = [*(ROOT / "perfgate" / "gate").glob("*.py"), ROOT / "controller" / "perfgate_controller" / "gate_loop.py"]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
CALL = re.compile(r"(?:\$ |PERFGATE_\w+=\S+ |scripts/apart\.sh )*(?:\.venv/bin/)?perfgate (?P<words>.*)")
SHELL = {"|", "&&", "&", ">", "2>"}
CODE = re.compile(r'\bReason\(\s*"(\w+)"')
BROKEN_OFF = re.compile(r'Error: "(\w+)"|\.get\(type\(error\), "(\w+)"\)|self\.pairs, "(\w+)"')


def reason_codes() -> set[str]:
    """All codes that a Reason is made with."""
    texts = [path.read_text(encoding="utf-8") for path in DECIDERS]
    codes = {code for text in texts for code in CODE.findall(text)}
    return codes | {code for text in texts for found in BROKEN_OFF.findall(text) for code in found if code}


def test_the_search_for_codes_finds_those_of_every_kind() -> None:
    assert {
        "regression",
        "generator_lag",
        "bimodal",
        "interrupted",
        "agent_lost",
        "measurement_failed",
    } <= reason_codes()


@pytest.mark.parametrize("code", sorted(reason_codes()))
def test_every_reason_of_a_verdict_is_explained(code: str) -> None:
    assert f"`{code}`" in (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def test_no_reason_is_explained_that_does_not_exist() -> None:
    headings = re.findall(r"^### `(\w+)`", (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"), re.M)
    assert set(headings) <= reason_codes()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def commands(document: Path) -> list[list[str]]:
    """Calls of perfgate in the document's blocks, as far as they are whole: without `[…]` or `…`."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", document.read_text(encoding="utf-8"), re.M | re.S)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    calls = [CALL.match(line) for line in lines]
    whole = [call["words"] for call in calls if call and not re.search(r"[\[…]", call["words"].partition(" #")[0])]
    return [
        list(itertools.takewhile(lambda word: word not in SHELL, shlex.split(text, comments=True))) for text in whole
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_call_of_a_document_can_be_read(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in commands(document):
        code = 0
        try:
            build_parser(words[0]).parse_args(words)
        except SystemExit as end:
            code = end.code
        assert code == 0, f"perfgate {shlex.join(words)}: {capsys.readouterr().err}"


def test_every_room_of_the_architecture_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = re.findall(r"`((?:perfgate|agents|controller)/[\w/.]+)`", text)
    assert len(rooms) > 15
    assert [room for room in rooms if not (ROOT / room).exists()] == []


def test_every_package_of_the_library_has_its_line_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = [path.parent.name for path in (ROOT / "perfgate").glob("*/__init__.py")]
    assert [name for name in packages if f"`perfgate/{name}/`" not in text] == []


def test_every_command_line_of_the_readme_uses_a_verb_that_exists() -> None:
    from perfgate.cli.main import VERBS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    verbs = re.findall(r"perfgate (?=[a-z]+ (?:scenarios|DIR|--))([a-z]+)", text)
    assert verbs
    assert set(verbs) <= set(VERBS)


def test_the_licence_is_the_whole_apache_2_0() -> None:
    import hashlib

    text = (ROOT / "LICENSE").read_bytes()
    assert hashlib.sha256(text).hexdigest() == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
