"""Claims about where a load may go, and how that is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.address import Address
from perfgate.errors import InputError
from perfgate.segment import Arm
from perfgate.wire.convert import address_from_wire, address_to_wire
from perfgate.wire.v1 import wire_pb2 as pb

PATHS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=25)
ADDRESSES = st.one_of(
    st.builds(
        Address,
        host=st.sampled_from(["127.0.0.1", "::1", "localhost", "store.example.org"]),
        port=st.integers(1, 65535),
        tls=st.booleans(),
    ),
    PATHS.map(lambda path: Address.unix("/" + path)),
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:7432", Address("127.0.0.1", 7432)),
        ("127.0.0.1:7432/", Address("127.0.0.1", 7432)),
        ("HTTP://localhost:7432", Address("localhost", 7432)),
        ("http://store.example.org", Address("store.example.org", 80)),
        ("https://store.example.org", Address("store.example.org", 443, tls=True)),
        ("https://[::1]:8443/", Address("::1", 8443, tls=True)),
        ("unix:/run/store.sock", Address("localhost", 0, path="/run/store.sock")),
        ("unix:///run/store.sock", Address("localhost", 0, path="/run/store.sock")),
        ("http+unix:///run/a%20store.sock", Address("localhost", 0, path="/run/a store.sock")),
    ],
)
def test_an_address_is_read_in_each_of_its_forms(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@given(ADDRESSES)
def test_an_address_reads_back_as_it_was_written(address: Address) -> None:
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "", "store", "http://", "http://store:0", "http://store:99999", "http://store:x", "ftp://store:1", "[::1",
        "http://store:1/path", "http://store:1?a=b", "http://user@store:1", "http://a b:1", "unix:", "unix:store.sock",
        "unix://run/store.sock", "unix:/" + "x" * 107, "https+unix:///run/store.sock",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_field_the_text_and_the_remedy(text: str) -> None:
    with pytest.raises(InputError, match=r"^--url '.*'?: .*; give the store's address as http://127") as caught:
        Address.parse(text, "--url")
    assert repr(text) in str(caught.value)


def test_only_loopback_and_unix_sockets_are_local() -> None:
    for local in ("http://127.9.9.9:1", "https://[::1]:1", "localhost:1", "unix:/x"):
        assert Address.parse(local).local
    for remote in ("http://192.0.2.1:1", "https://store.example.org", "http://[::2]:1", "http://0.0.0.0:1"):
        assert not Address.parse(remote).local


def test_the_certificate_must_bear_the_host_unless_another_name_is_given() -> None:
    address = Address.parse("https://127.0.0.1:8443")
    assert address.certificate_name == "127.0.0.1"
    assert address.with_tls(server_name="store.example.org").certificate_name == "store.example.org"


@given(ADDRESSES, st.sampled_from(Arm))
def test_an_address_crosses_the_wire_whole_with_its_terms_of_trust(address: Address, arm: Arm) -> None:
    trusting = address.with_tls(server_name="name", authorities="PEM", insecure=True)
    message = pb.Address.FromString(address_to_wire(trusting, arm).SerializeToString())
    assert address_from_wire(message) == trusting
    assert message.arm == int(arm)
