"""`make fuzz`: the reply parsers under sanitizers and under a coverage-guided fuzzer, for as long as FUZZ_SECONDS says."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import perfgate_agent.engine
import pytest
from perfgate_agent.engine.compile import compiler

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]
SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
HERE = Path(__file__).parent / "fuzz"
ENGINE = Path(perfgate_agent.engine.__file__).parent


def test_mutated_replies_break_no_rule_of_memory_in_the_engine(tmp_path: Path) -> None:
    if not compiler():
        pytest.skip("no C compiler")
    program = tmp_path / "reply_fuzz"
    flags = ["-g", "-O1", "-std=c11", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{ENGINE}"]
    sources = [str(HERE / "reply_fuzz.c"), str(ENGINE / "reply.c"), str(ENGINE / "resp.c")]
    made = subprocess.run(
        [*compiler(), *flags, "-o", str(program), *sources], capture_output=True, text=True, check=False
    )
    if made.returncode and "sanitize" in made.stderr + "asan":
        assert "error:" not in made.stderr, made.stderr
        pytest.skip("the compiler has no sanitizers")
    ran = subprocess.run([str(program), str(SECONDS), "1"], capture_output=True, text=True, check=False)
    print(ran.stdout)
    assert ran.returncode == 0, ran.stderr


SEEDS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
)


def test_a_coverage_guided_fuzzer_finds_no_reply_that_the_parsers_read_differently(tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: pip install perfgate[fuzz]")
    command = [
        sys.executable,
        str(HERE / "atheris_replies.py"),
        f"-max_total_time={SECONDS}",
        "-timeout=10",
        str(tmp_path),
    ]
    for number, seed in enumerate(SEEDS):
        (tmp_path / str(number)).write_bytes(seed + bytes([20]))  # the last byte says where it is cut
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    print(ran.stderr[-500:])
    assert ran.returncode == 0, ran.stderr[-4000:]
