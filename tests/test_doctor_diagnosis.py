"""What measurements come to: what a gate would see, how fit the host is, what the page and the JSON say."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from rich.console import Console

from perfgate.cli.main import main
from perfgate.doctor.diagnosis import Diagnosis, Fitness, Subject
from perfgate.doctor.diagnosis_json import diagnosis_to_json
from perfgate.doctor.document import diagnosis_document
from perfgate.doctor.echo import BODY, request_size
from perfgate.doctor.echo_load import EchoResult
from perfgate.doctor.echo_scenario import echo_scenario, peak_rate
from perfgate.doctor.examine import diagnose
from perfgate.doctor.facts import HostFacts
from perfgate.doctor.interruptions import Interruptions
from perfgate.doctor.needs import Needs
from perfgate.doctor.own_error import added_to_p99, own_error
from perfgate.doctor.resolution import sight
from perfgate.doctor.stillness import Stillness
from perfgate.gate.policy_load import STANDARD
from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.load_report import LoadReport
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES
from perfgate.pair import Couple, Pair
from perfgate.report.terminal import render
from perfgate.scenario import load_scenario
from perfgate.segment import Arm
from perfgate.units import NS_PER_MS, NS_PER_S

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "docs" / "doctor.schema.json").read_text())
SLICE_NS = 250 * NS_PER_MS


def echo_slice(random: np.random.Generator, lag_ns: int, stalls: float) -> Interval:
    """250 replies; `stalls`: the share of them that the host delays by up to 5 ms."""
    lag = random.lognormal(np.log(lag_ns), 0.3, 250).astype(np.int64)
    stalled = (random.random(250) < stalls) * random.uniform(0, 5 * NS_PER_MS, 250)
    response = Histogram.of((100_000 + lag + random.exponential(20_000, 250) + stalled).astype(np.int64))
    part = OperationInterval(response, response, (250,) + (0,) * (len(OUTCOMES) - 1))
    return Interval(0, 0, SLICE_NS, 250, 250, 0, {Operation.RECALL: part}, Histogram.of(lag), Histogram.empty())


def echo_pair(lag_ns: int = 30_000, stalls: float = 0.0, couples: int = 12) -> Pair:
    random = np.random.default_rng(1)
    made = tuple(
        Couple(number, Arm.BASE, *(echo_slice(random, lag_ns, stalls * (random.random() < 0.3)) for _ in Arm))
        for number in range(couples)
    )
    return Pair(1, made, {}, dict.fromkeys(Arm, 0), dict.fromkeys(Arm, 0), dict.fromkeys(Arm, ()))


def diagnosis(pair: Pair | None, problem: str = "") -> Diagnosis:
    subject = Subject("", 1, 1_000.0, 20.0, 1, STANDARD, NS_PER_MS, "host", "cpu", 0)
    quiet = Interruptions(0, 0, NS_PER_S, np.empty(0, np.int64), np.empty(0, np.int64), realtime=True)
    echo = None
    if pair is not None:
        total = Interval.merge([couple.arm(arm) for couple in pair.couples for arm in Arm])
        report = LoadReport("w", total.due, total.sent, total.completed, 0, 0)
        echo = EchoResult(pair, total, (report,), SLICE_NS, SLICE_NS * 2 * len(pair.couples))
    return diagnose(subject, HostFacts(), Needs(), Stillness((quiet,), ()), None, echo, problem)


def page(found: Diagnosis, width: int = 100) -> str:
    out = io.StringIO()
    render(diagnosis_document(found), Console(file=out, width=width, highlight=False, force_terminal=False))
    return out.getvalue()


def test_a_host_that_stalls_sees_less_and_says_what_that_costs() -> None:
    calm, stalling = (sight(echo_pair(stalls=share), STANDARD, Operation.RECALL, 1, NS_PER_MS) for share in (0, 0.1))
    assert calm is not None
    assert stalling is not None
    calm_p99, stalling_p99 = calm.here["p99"], stalling.here["p99"]
    assert calm_p99 is not None
    assert stalling_p99 is not None
    assert stalling_p99 > 1.5 * calm_p99
    assert calm.silent == pytest.approx(stalling.silent, rel=1e-9)  # the imagined store is the same


def test_too_few_couples_say_nothing_of_what_can_be_seen() -> None:
    assert sight(echo_pair(couples=3), STANDARD, Operation.RECALL, 1, NS_PER_MS) is None


def test_a_lag_that_is_always_the_same_is_added_as_it_is() -> None:
    assert added_to_p99(Histogram.of(np.full(1_000, 50_000))) == pytest.approx(50_000, rel=0.01)


def test_a_lag_that_is_the_same_for_both_arms_cancels() -> None:
    own = own_error(echo_pair(lag_ns=200_000), STANDARD)
    assert own is not None
    assert own.added_ns > 4 * own.target_ns * 0.9
    assert own.difference_share < 0.5


@pytest.mark.parametrize(
    ("pair", "problem", "fitness"),
    [
        (echo_pair(), "", Fitness.FIT),
        (echo_pair(stalls=0.3), "", Fitness.COARSE),
        (echo_pair(couples=3), "", Fitness.COARSE),
        (echo_pair(lag_ns=2 * NS_PER_MS), "", Fitness.UNFIT),
        (None, "the echo could not be measured: it died", Fitness.UNFIT),
    ],
)
def test_every_fitness_has_a_page_a_reason_and_valid_json(pair: Pair | None, problem: str, fitness: Fitness) -> None:
    found = diagnosis(pair, problem)
    assert found.fitness is fitness, found.reasons
    assert bool(found.reasons) is (fitness is not Fitness.FIT)
    for width in (80, 120):
        assert re.findall(r"\w+", page(found, width))[0] == fitness.value
    data = json.loads(json.dumps(diagnosis_to_json(found), allow_nan=False))
    jsonschema.validate(data, SCHEMA)
    assert data["exit_code"] == {"FIT": 0, "COARSE": 4, "UNFIT": 3}[fitness.value]


@pytest.mark.parametrize(
    "arguments", [["--seconds", "0"], ["--seconds", "nan"], ["--rate", "0"], ["--rate", "inf"], ["--workers", "0"],
                  ["--json", "/nowhere/at/all.json"], ["no-such-scenario.toml"]],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_measured(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *arguments]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_the_echo_is_sent_the_scenarios_requests_at_its_rate() -> None:
    asked = load_scenario(ROOT / "scenarios" / "ci" / "fast_regression_check.toml")
    sent = echo_scenario(asked, None)
    assert sent.weights == pytest.approx(asked.weights)
    assert sent.data.embedding_dim == 768
    assert sent.data.num_nodes < 1_000
    assert sent.arrival.parameters["rate"] == peak_rate(asked) == 1_000
    assert echo_scenario(asked, 250.0).arrival.parameters["rate"] == 250


def test_the_echo_finds_the_end_of_a_request_that_comes_in_pieces() -> None:
    post = b"POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
    assert request_size(post) == len(post)
    assert request_size(post[:20]) == 0
    assert request_size(post[:-3]) == len(post)  # known before the body is there
    assert request_size(b"GET / HTTP/1.1\r\n\r\nGET") == 18
    assert json.loads(BODY)["memories"]["vivid"]
