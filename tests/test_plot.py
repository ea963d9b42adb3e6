"""`perfgate plan --plot`: the picture holds what the plan sends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from arrival_cases import CASES

from perfgate.cli.main import main
from perfgate.cli.plot_svg import draw_svg
from perfgate.cli.plot_text import columns_for, draw_text
from perfgate.cli.timeline import make_timeline
from perfgate.plan import Plan
from perfgate.scenario import parse_scenario


def plan(seconds: float, **arrival: Any) -> Plan:
    return Plan(
        parse_scenario(
            {
                "name": "a < b & c",
                "duration": {"total_seconds": seconds},
                "arrival": arrival,
                "operations": {"store_weight": 1, "recall_weight": 2},
                "data": {"num_nodes": 100, "embedding_dim": 8},
            }
        )
    )


@pytest.mark.parametrize("seconds", [2.5, 90, 400.5])
def test_the_timeline_holds_every_request_once(seconds: float) -> None:
    shown = plan(seconds, pattern="ramp", start_ops=10, end_ops=200)
    counts = shown.counts()
    timeline = make_timeline(shown, counts, 70)
    assert len(timeline.rates) == 70
    assert timeline.duration_ns == shown.duration_ns
    assert (timeline.total * np.diff(timeline.edges_ns) / 1e9).sum() == pytest.approx(counts.sum())


def test_columns_may_be_shorter_than_a_second() -> None:
    shown = plan(
        2, pattern="periodic_burst", base_rate=0, burst_rate=1000, burst_duration_sec=0.1, burst_period_sec=0.5
    )
    timeline = make_timeline(shown, shown.counts(), 20)
    assert (timeline.total > 0).tolist() == [True, False, False, False, False] * 4


def test_the_drawing_is_as_wide_as_asked_and_plain_text() -> None:
    shown = plan(30, pattern="step", steps=[{"ops": 100, "duration_sec": 15}, {"ops": 400, "duration_sec": 15}])
    lines = draw_text(make_timeline(shown, shown.counts(), columns_for(80)))
    assert max(map(len, lines)) == 80
    top = next(line for line in lines if "┤" in line)
    assert re.fullmatch(r" +40[01] ┤ {35}█{35}", top)
    assert [line.split("(")[0].strip() for line in lines if "(mean" in line] == ["store", "recall"]


def test_a_narrow_terminal_and_a_pipe_get_a_sensible_width(capsys: pytest.CaptureFixture[str]) -> None:
    assert columns_for(10) == columns_for(40) == 30
    assert columns_for(1_000) == 110


def test_the_picture_is_svg_with_an_area_for_each_operation() -> None:
    shown = plan(30, **CASES["ramp"])
    picture = ElementTree.fromstring(draw_svg(make_timeline(shown, shown.counts(), 100), "a < b & c"))
    name = "{http://www.w3.org/2000/svg}"
    assert picture.findtext(f"{name}title") == "a < b & c"
    areas = [path for path in picture.iter(f"{name}path") if path.get("fill")]
    assert len(areas) == 2
    assert all((path.get("d") or "").startswith("M80.0 380.0") or path is areas[1] for path in areas)


def test_the_command_draws_here_or_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        'name = "x"\n[duration]\ntotal_seconds = 3\n[arrival]\npattern = "constant"\nrate = 50\n'
        "[operations]\nrecall_weight = 1\n[data]\nnum_nodes = 100\nembedding_dim = 8\n"
    )
    assert main(["plan", str(file), "--plot"]) == 0
    assert "┤█" in capsys.readouterr().out
    assert main(["plan", str(file), "--plot", str(tmp_path / "p.svg")]) == 0
    assert (tmp_path / "p.svg").read_text().startswith("<svg ")
    assert main(["plan", str(file), "--json", "--plot"]) == 3
    assert "give it a FILE.svg" in capsys.readouterr().err
    assert main(["plan", str(file), "--plot", "rate.png"]) == 3
    assert "ends in .svg" in capsys.readouterr().err
