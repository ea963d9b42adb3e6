"""Claims about agent.toml and about the addresses that it lets an agent load."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
import tomli
from cluster import write_target
from hypothesis import given
from hypothesis import strategies as st
from perfgate_agent.allowed import LOCAL, LOOPBACK, AllowedAddresses
from perfgate_agent.configuration_file import AgentFile, LimitsTable, load_configuration

from perfgate.address import Address
from perfgate.cli.main import main
from perfgate.errors import InputError

SMALLEST = 'work_dir = "work"\ncache_dir = "cache"\n'


def written(directory: Path, text: str) -> Path:
    path = directory / "agent.toml"
    path.write_text(text)
    return path


def test_the_smallest_file_listens_on_loopback_loads_loopback_and_starts_nothing(tmp_path: Path) -> None:
    configuration = load_configuration(written(tmp_path, SMALLEST))
    assert (configuration.host, configuration.port, configuration.tls) == ("127.0.0.1", 7400, None)
    assert configuration.allowed is LOOPBACK
    assert configuration.targets == {}
    assert configuration.vector_directories == ()
    assert configuration.limits.run_ns == 86_400 * 10**9
    assert configuration.work_dir == tmp_path / "work", "paths are seen from the file's directory"


def test_everything_can_be_said(tmp_path: Path) -> None:
    write_target(tmp_path)
    text = f"""{SMALLEST}name = "perf-1"
workers = 1
[listen]
host = "10.0.0.5"
port = 7401
drain_seconds = 5
[tls]
directory = "certs"
[host]
targets = ["embedded.toml"]
programs = ["{{python}}"]
[load]
addresses = ["10.0.0.0/8:7432"]
vector_directories = ["vectors"]
[limits]
rate = 20000.0
connections = 512
memory_mb = 4096
run_seconds = 3600.0
processes = 4
message_mb = 8
streams = 32
clients = 16
"""
    configuration = load_configuration(written(tmp_path, text))
    assert configuration.tls is not None
    assert configuration.tls.key == tmp_path / "certs" / "key.pem"
    assert set(configuration.targets) == {"embedded"}
    assert configuration.limits.memory_bytes == 4096 << 20
    assert configuration.limits.message_bytes == 8 << 20
    assert configuration.drain_ns == 5 * 10**9
    configuration.check_address(Address("10.1.2.3", 7432))


WRONG = [
    ('[listen]\nhost = "0.0.0.0"\n', r"0\.0\.0\.0: only loopback addresses are served without TLS.*\[tls\]"),
    ("[listen]\nprot = 1\n", r"agent.toml:4: listen.prot is an unknown key: did you mean port"),
    ("[limits]\nrate = -1\n", r"agent.toml:4: limits.rate = -1 must be greater than 0"),
    ("[limits]\nmemory_mb = 5\n", "limits.memory_mb = 5 must be at least 512"),
    ('[tls]\nca_file = "x"\n', r"\[tls\]: give directory, or ca_file, cert_file and key_file"),
    ('[host]\ntargets = ["nowhere.toml"]\n', "nowhere.toml: no such file"),
    (
        '[host]\ntargets = ["embedded.toml"]\nprograms = ["/usr/bin/other"]\n',
        "starts .* which is none of host.programs",
    ),
    ('[host]\ntargets = ["embedded.toml", "embedded.toml"]\n', "two files have the name 'embedded'"),
    ('[load]\naddresses = ["http://x"]\n', "neither a network nor a host"),
    ("worker_cpus = [4096]\n", "worker_cpus 4096: this machine has processors"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_what_is_wrong_is_named_with_its_place_and_the_remedy(tmp_path: Path, text: str, words: str) -> None:
    write_target(tmp_path)
    with pytest.raises(InputError, match=words):
        load_configuration(written(tmp_path, SMALLEST + text))


@pytest.mark.parametrize("name", ["agent.toml", "embedded.toml"])
def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path, name: str) -> None:
    write_target(tmp_path)
    path = written(tmp_path, f'{SMALLEST}[host]\ntargets = ["embedded.toml"]\n')
    (tmp_path / name).chmod(0o666)
    with pytest.raises(InputError, match=f"{name}: everybody may write it.*chmod o-w"):
        load_configuration(path)


def test_options_do_not_go_with_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, SMALLEST)
    assert main(["agent", "serve", "--config", str(path), "--port", "1"]) == 3
    assert "--port: does not go with --config" in capsys.readouterr().err


def test_the_unit_comes_with_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "unit"]) == 0
    unit = capsys.readouterr().out
    for line in ("Type=notify", "ExecStart=/usr/local/bin/perfgate agent serve --config /etc/perfgate/agent.toml",
                 "NoNewPrivileges=yes", "[Install]"):  # fmt: skip
        assert line in unit.splitlines()


ADMITTED = [
    ("10.0.0.0/8", "10.255.0.1", 1), ("10.0.0.5", "10.0.0.5", 80), ("10.0.0.0/8:7432", "10.0.0.1", 7432),
    ("store.example.org", "STORE.example.org", 5), ("store.example.org:7432", "store.example.org.", 7432),
    ("fd00::/8", "fd00::1", 1), ("[fd00::/8]:7432", "fd00::1", 7432), ("10.0.0.0/8", "::ffff:10.0.0.1", 1),
]  # fmt: skip
REFUSED = [
    ("10.0.0.0/8", "11.0.0.1", 1), ("10.0.0.0/8:7432", "10.0.0.1", 7433), ("store.example.org", "evil.store.example.org", 1),
    ("store.example.org", "store.example.org.evil", 1), ("fd00::/8", "fe80::1", 1), ("10.0.0.0/8", "fd00::1", 1),
    ("0.0.0.0/0", "store.example.org", 1), ("10.0.0.0/8", "10.1", 1), ("10.0.0.0/8", "0x0a000001", 1),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "host", "port"), ADMITTED)
def test_an_entry_admits_what_it_names(entry: str, host: str, port: int) -> None:
    assert AllowedAddresses.parse([entry], "f").admits(Address(host, port))


@pytest.mark.parametrize(("entry", "host", "port"), REFUSED)
def test_an_entry_admits_nothing_else(entry: str, host: str, port: int) -> None:
    assert not AllowedAddresses.parse([entry], "f").admits(Address(host, port))


@given(st.ip_addresses(), st.integers(1, 65535))
def test_only_loopback_is_loopback(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    assert LOOPBACK.admits(Address(str(address), port)) == (mapped or address).is_loopback
    assert LOCAL.admits(Address(str(address), port)) == (mapped or address).is_loopback


@given(st.text(max_size=40))
def test_any_text_is_an_entry_or_is_refused_in_words(text: str) -> None:
    try:
        allowed = AllowedAddresses.parse([text], "load.addresses")
    except InputError:
        return
    assert not allowed.admits(Address("203.0.113.77", 7432)) or "." in text or "/" in text, (
        "no word stands for everything"
    )


def test_sockets_are_admitted_in_their_directory_alone_wherever_links_lead(tmp_path: Path) -> None:
    stores, outside = tmp_path / "stores", tmp_path / "outside"
    stores.mkdir()
    outside.write_text("")
    (stores / "link").symlink_to(outside)
    allowed = AllowedAddresses.parse([f"unix:{stores}"], "f")
    assert allowed.admits(Address.unix(str(stores / "mine")))
    for path in (stores / "link", stores / ".." / "outside", tmp_path / "stores-2" / "x", outside):
        assert not allowed.admits(Address.unix(str(path)))
    assert not LOOPBACK.admits(Address.unix(str(stores / "mine"))), "a service loads no socket unless it is told so"
    assert LOCAL.admits(Address.unix(str(stores / "mine")))


def test_the_file_that_the_documentation_shows_is_one() -> None:
    text = (Path(__file__).resolve().parent.parent / "docs" / "security.md").read_text()
    shown = text.partition("```toml\n")[2].partition("```")[0]
    file = AgentFile.model_validate(tomli.loads(shown))
    assert {name for name in LimitsTable.model_fields if name in file.limits.model_fields_set} == set(
        LimitsTable.model_fields
    )
    AllowedAddresses.parse(file.load.addresses or [], "load.addresses")
