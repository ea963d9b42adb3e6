"""Each check of a host, on trees of /proc and /sys that were made up for it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from host_tree import CLOCK, CPU, GOOD, make_tree
from hypothesis import given, settings
from hypothesis import strategies as st

from perfgate.doctor.check import Check, State
from perfgate.doctor.kernel_checks import kernel_checks
from perfgate.doctor.limit_checks import limit_checks
from perfgate.doctor.needs import Needs
from perfgate.doctor.processor_checks import processor_checks
from perfgate.doctor.reading import read_host
from perfgate.doctor.tree import Tree, parse_cpus, show_cpus

GB = 10**9
NEEDS = Needs(connections=64, workers=1, memory_bytes=GB, disk_bytes=1)


def checks(tree: Tree, needs: Needs = NEEDS, granted: bool | None = None) -> dict[str, Check]:
    facts = read_host(tree, needs.workers, tree.root)
    found = [
        *processor_checks(facts, needs), *kernel_checks(facts.kernel, granted), *limit_checks(facts.limits, needs)
    ]  # fmt: skip
    return {check.name: check for check in found}


def test_a_host_with_nothing_to_wish_for_gets_no_advice(tmp_path: Path) -> None:
    for check in checks(make_tree(tmp_path)).values():
        assert check.state is State.GOOD, check
        assert not check.remedy


def test_a_host_that_says_nothing_is_unknown_and_not_bad(tmp_path: Path) -> None:
    found = checks(Tree(tmp_path))
    assert found.pop("disk").state is State.GOOD  # the file system is asked, not /proc
    assert {check.state for check in found.values()} == {State.UNKNOWN}
    assert not any(check.forbids for check in found.values())


CASES: list[tuple[str, dict[str, str | bytes | None], State, str]] = [
    ("processors", {"proc/self/status": "Cpus_allowed_list:\t5\n"}, State.BAD, "1 (5): too few"),
    ("processors", {"proc/self/status": "Cpus_allowed_list:\t0-1\n"}, State.FAIR, "workers on 1, stores on 0"),
    ("processors", {"proc/self/status": "Cpus_allowed_list:\t0-99999999999\n"}, State.UNKNOWN, "not told"),
    ("processor quota", {"sys/fs/cgroup/user.slice/cpu.max": "150000 100000\n"}, State.BAD, "1.5 processors"),
    ("processor quota", {"sys/fs/cgroup/user.slice/cpu.max": "800000 100000\n"}, State.FAIR, "8 processors"),
    ("processor quota", {"sys/fs/cgroup/user.slice/cpu.max": "lots of them\n"}, State.UNKNOWN, "no control group"),
    ("processor quota", {"sys/fs/cgroup/user.slice/cpu.max": "100000 0\n"}, State.UNKNOWN, "no control group"),
    ("processor quota", {"proc/self/cgroup": None}, State.UNKNOWN, "no control group"),
    ("processor quota", {"proc/self/cgroup": "4:cpu,cpuacct:/box\n", "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "200000\n",
      "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n"}, State.BAD, "2 processors a period for 8"),
    ("processor quota", {"proc/self/cgroup": "4:cpu:/box\n", "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "-1\n",
      "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n"}, State.GOOD, "no limit"),
    ("threads of a core", {f"{CPU}/cpu7/topology/thread_siblings_list": "3,7\n"}, State.FAIR, "worker's 7 and store's 3"),
    ("isolated processors", {f"{CPU}/isolated": "\n"}, State.FAIR, "worker's 7 not isolated"),
    ("isolated processors", {f"{CPU}/nohz_full": None}, State.GOOD, "tick goes on"),
    ("frequency governor", {f"{CPU}/cpu3/cpufreq/scaling_governor": "schedutil\n"}, State.FAIR, "performance, schedutil"),
    ("frequency governor", {f"{CPU}/cpu3/cpufreq/scaling_governor": "powersave\n"}, State.BAD, "powersave"),
    ("frequency governor", {f"{CPU}/cpu3/cpufreq/scaling_governor": "powersave\n",
      f"{CPU}/cpu0/cpufreq/scaling_driver": "intel_pstate\n"}, State.FAIR, "powersave"),
    ("turbo", {f"{CPU}/cpufreq/boost": "1\n"}, State.FAIR, "on"),
    ("turbo", {f"{CPU}/cpufreq/boost": "perhaps\n"}, State.UNKNOWN, "not told"),
    ("turbo", {f"{CPU}/intel_pstate/no_turbo": "0\n"}, State.FAIR, "on"),
    ("turbo", {f"{CPU}/intel_pstate/no_turbo": "1\n", f"{CPU}/cpufreq/boost": "1\n"}, State.GOOD, "off"),
    ("idle states", {f"{CPU}/cpu0/cpuidle/state2/disable": "0\n"}, State.FAIR, "200 µs"),
    ("idle states", {f"{CPU}/cpu0/cpuidle/state1/latency": "x\n"}, State.GOOD, "0 µs"),
    ("clock source", {f"{CLOCK}/current_clocksource": "hpet\n"}, State.BAD, "hpet"),
    ("clock source", {f"{CLOCK}/current_clocksource": "kvm-clock\n"}, State.FAIR, "kvm-clock"),
    ("clock source", {f"{CLOCK}/current_clocksource": "acpi_pm\n", f"{CLOCK}/available_clocksource": "acpi_pm\n"},
     State.BAD, "acpi_pm"),
    ("timer slack", {"proc/self/timerslack_ns": "5000000\n"}, State.FAIR, "5.00 ms"),
    ("timer slack", {"proc/self/timerslack_ns": "-\n"}, State.UNKNOWN, "not told"),
    ("virtualisation", {"proc/cpuinfo": "flags\t: fpu hypervisor\n"}, State.FAIR, "unknown hypervisor"),
    ("virtualisation", {"sys/class/dmi/id/sys_vendor": "QEMU\n", ".dockerenv": ""}, State.FAIR, "QEMU/KVM, in a container"),
    ("virtualisation", {"sys/hypervisor/type": "xen\n"}, State.FAIR, "xen"),
    ("virtualisation", {"run/.containerenv": ""}, State.GOOD, "none, in a container (Podman)"),
    ("virtualisation", {"proc/cpuinfo": None}, State.UNKNOWN, "not told"),
    ("kernel", {"proc/sys/kernel/osrelease": "4.19.0-1\n"}, State.FAIR, "4.19.0-1"),
    ("kernel", {"proc/sys/kernel/osrelease": "vier\n"}, State.UNKNOWN, "no version"),
    ("open files", {"proc/self/limits": "Max open files   100   200   files\n"}, State.BAD, "100 of at most 200"),
    ("open files", {"proc/self/limits": "Max open files   soft   hard   files\n"}, State.UNKNOWN, "not told"),
    ("ephemeral ports", {"proc/sys/net/ipv4/ip_local_port_range": "60000 60050\n"}, State.BAD, "51"),
    ("ephemeral ports", {"proc/sys/net/ipv4/ip_local_port_range": "60000 61000\n"}, State.FAIR, "1,001"),
    ("ephemeral ports", {"proc/sys/net/ipv4/ip_local_port_range": "61000 60000\n"}, State.UNKNOWN, "not told"),
    ("listen backlog", {"proc/sys/net/core/somaxconn": "32\n"}, State.FAIR, "somaxconn 32"),
    ("memory", {"proc/meminfo": "MemAvailable: 1000 kB\n"}, State.BAD, "1.02 MB available"),
    ("memory", {"proc/meminfo": "MemAvailable: 1500000 kB\n"}, State.FAIR, "1.54 GB available"),
    ("memory", {"proc/meminfo": "MemAvailable: much kB\n"}, State.UNKNOWN, "not told"),
    ("swap", {"proc/meminfo": "MemAvailable: 30000000 kB\nSwapTotal: 5000 kB\nSwapFree: 1000 kB\n"}, State.FAIR, "4.1 MB"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "state", "words"), CASES, ids=[f"{case[0]}-{case[2]}" for case in CASES])
def test_a_check_says_what_it_found_and_what_to_do(
    name: str, change: dict[str, str | bytes | None], state: State, words: str, tmp_path: Path
) -> None:
    check = checks(make_tree(tmp_path, change))[name]
    assert check.state is state, check
    assert words in check.found
    assert check.why
    if state in (State.FAIR, State.BAD):
        assert check.remedy
        assert check.command


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("content", [None, "", "\n", "garbage: ;\n", b"\xff\xfe\x00\x01", "9" * 400, "-1"])
def test_no_file_that_is_missing_or_garbled_is_a_crash(path: str, content: str | bytes | None, tmp_path: Path) -> None:
    for check in checks(make_tree(tmp_path, {path: content})).values():
        assert check.found


@given(changes=st.dictionaries(st.sampled_from(sorted(GOOD)), st.binary(max_size=80), max_size=4))
@settings(max_examples=25, deadline=None)
def test_whatever_the_kernel_says_every_check_has_a_state(
    changes: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = checks(make_tree(tmp_path_factory.mktemp("tree"), changes))
    assert len(found) == len(checks(make_tree(tmp_path_factory.mktemp("tree"))))


def test_a_directory_in_place_of_a_file_is_unknown(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, {f"{CLOCK}/current_clocksource": None})
    (tmp_path / CLOCK / "current_clocksource").mkdir()
    assert checks(tree)["clock source"].state is State.UNKNOWN


def test_only_what_makes_the_scenario_impossible_forbids_it(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, {"proc/meminfo": "MemAvailable: 1000 kB\n"})
    assert {name for name, check in checks(tree).items() if check.forbids} == {"memory"}
    many = Needs(connections=40_000, memory_bytes=1)
    assert {name for name, check in checks(tree, many).items() if check.forbids} == {"open files", "ephemeral ports"}


def test_a_limit_that_can_be_raised_in_the_shell_is_raised_there(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, {"proc/self/limits": "Max open files   100   unlimited   files\n"})
    assert checks(tree)["open files"].command == "ulimit -n 384"


def test_what_was_tried_counts_more_than_what_the_limits_say(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    assert checks(tree)["real-time priority"].state is State.GOOD
    assert checks(tree, granted=False)["real-time priority"].state is State.FAIR
    poor = make_tree(
        tmp_path / "poor",
        {"proc/self/status": "CapEff:\t0000000000000000\n", "proc/self/limits": "Max realtime priority  0  0\n"},
    )
    assert checks(poor)["real-time priority"].state is State.FAIR
    assert checks(poor, granted=True)["real-time priority"].state is State.GOOD


def test_the_tightest_of_nested_control_groups_counts(tmp_path: Path) -> None:
    tree = make_tree(
        tmp_path,
        {
            "sys/fs/cgroup/user.slice/cpu.max": "400000 100000\n",
            "sys/fs/cgroup/user.slice/one.scope/cpu.max": "300000 100000\n",
        },
    )
    facts = read_host(tree).processor
    assert facts.quota == 3
    assert facts.quota_file == "/sys/fs/cgroup/user.slice/one.scope/cpu.max"


def test_a_path_that_climbs_out_of_the_control_groups_is_not_followed(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, {"proc/self/cgroup": "0::/../../etc\n"})
    assert read_host(tree).processor.quota is None


def test_no_limit_at_all_is_told_from_not_knowing(tmp_path: Path) -> None:
    assert read_host(make_tree(tmp_path)).processor.quota == math.inf
    assert read_host(Tree(tmp_path / "nothing")).processor.quota is None


@given(st.sets(st.integers(0, 300), min_size=1))
def test_a_list_of_processors_reads_as_it_is_written(cpus: set[int]) -> None:
    ordered = tuple(sorted(cpus))
    assert parse_cpus(show_cpus(ordered)) == ordered


@pytest.mark.parametrize("text", ["", "a", "3-1", "0-", "-1", "0,,2", "1-2-3", "0-99999999", "٣"])
def test_no_list_of_processors_is_none(text: str) -> None:
    assert parse_cpus(text) is None
