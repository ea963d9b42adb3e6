"""Claims about the certificates that perfgate makes: checked by OpenSSL and by the library, not by the code that made them."""

from __future__ import annotations

import datetime as dt
import ssl
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from hypothesis import given
from hypothesis import strategies as st

from perfgate.certs.authority import Authority, Party, load_certificates
from perfgate.certs.names import check_party, host_names
from perfgate.certs.overview import overview
from perfgate.cli.main import main
from perfgate.errors import InputError
from perfgate.trust.files import TlsFiles, controller_files
from perfgate.trust.role import Role, role_of

AGENT = Party("perf-1", Role.AGENT, ("localhost", "127.0.0.1"))
CONTROLLER = Party("ci", Role.CONTROLLER)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path / "authority")
    made.make()
    return made


def verified(directory: Path, trusted: Path) -> bool:
    """Whether a verifier of another make (Rust, webpki's rules) takes the agent's certificate by these authorities."""
    leaf, *between = load_certificates(directory / "cert.pem")
    verifier = PolicyBuilder().store(Store(load_certificates(trusted))).build_server_verifier(x509.DNSName("localhost"))
    try:
        verifier.verify(leaf, between)
    except VerificationError:
        return False
    return True


def test_openssl_and_another_verifier_take_the_certificates(authority: Authority) -> None:
    place = authority.issue(AGENT)
    assert verified(place, authority.directory / "ca.pem")
    checked = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "127.0.0.1",
         "-CAfile", str(place / "ca.pem"), str(place / "cert.pem")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr


def test_every_private_key_is_for_its_owner_alone(authority: Authority) -> None:
    authority.issue(AGENT)
    authority.issue(CONTROLLER)
    authority.rotate()
    keys = [path for path in authority.directory.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert len(keys) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_nothing_that_is_there_is_overwritten_unless_forced(authority: Authority) -> None:
    place = authority.issue(AGENT)
    before = {path: path.read_bytes() for path in authority.directory.rglob("*.pem")}
    with pytest.raises(InputError, match=r"authority already.*rotate.*--force"):
        authority.make()
    with pytest.raises(InputError, match=r"holds a key already; --force"):
        authority.issue(AGENT)
    assert {path: path.read_bytes() for path in authority.directory.rglob("*.pem")} == before
    authority.issue(AGENT, force=True)
    assert (place / "key.pem").read_bytes() != before[place / "key.pem"]


@pytest.mark.parametrize("role", list(Role))
def test_a_certificate_says_its_role_and_serves_for_that_alone(authority: Authority, role: Role) -> None:
    place = authority.issue(Party("x", role, ("localhost",) if role is Role.AGENT else ()))
    (certificate,) = load_certificates(place / "cert.pem")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert role_of(names.get_values_for_type(x509.UniformResourceIdentifier)) is role
    uses = list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert uses == [ExtendedKeyUsageOID.SERVER_AUTH if role is Role.AGENT else ExtendedKeyUsageOID.CLIENT_AUTH]
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert not basic.value.ca


def test_certificates_expire_after_90_days_and_the_authority_after_5_years(authority: Authority) -> None:
    (certificate,) = load_certificates(authority.issue(AGENT) / "cert.pem")
    length = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert dt.timedelta(days=90) <= length < dt.timedelta(days=90, hours=1)
    (root,) = authority.trusted()
    assert 4.9 * 365 < (root.not_valid_after_utc - root.not_valid_before_utc).days < 5.1 * 365


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.make(days=30)
    with pytest.raises(InputError, match=r"--days 90: the authority itself is valid until .* give fewer"):
        authority.issue(AGENT)


def test_during_a_rotation_old_and_new_files_understand_each_other_in_any_order(authority: Authority) -> None:
    place = authority.issue(AGENT)
    old = authority.directory.parent / "old"
    old.mkdir()
    for name in ("ca.pem", "cert.pem"):
        (old / name).write_bytes((place / name).read_bytes())
    assert authority.rotate() == [place]
    assert verified(place, old / "ca.pem"), "whoever has old files takes a new certificate"
    assert verified(old, place / "ca.pem"), "whoever has new files takes an old certificate"
    authority.drop_old()
    assert verified(place, place / "ca.pem")
    assert not verified(old, place / "ca.pem"), "the old authority is trusted no more"
    assert not verified(place, old / "ca.pem")


def test_the_old_authority_is_not_dropped_while_anybody_hangs_on_it(authority: Authority) -> None:
    place = authority.issue(AGENT)
    kept = (place / "cert.pem").read_bytes()
    authority.rotate()
    (place / "cert.pem").write_bytes(kept)
    with pytest.raises(InputError, match="certified by an older authority"):
        authority.drop_old()


def test_renewing_keeps_the_authority_and_the_names(authority: Authority) -> None:
    place = authority.issue(AGENT)
    before, root = (place / "cert.pem").read_bytes(), (authority.directory / "ca.pem").read_bytes()
    assert authority.renew() == [place]
    assert (place / "cert.pem").read_bytes() != before
    assert (authority.directory / "ca.pem").read_bytes() == root
    assert authority.parties() == [AGENT]


def test_a_rotation_that_was_broken_off_is_seen(authority: Authority) -> None:
    other = Authority(authority.directory.parent / "other")
    other.make()
    (authority.directory / "ca-key.pem").write_bytes((other.directory / "ca-key.pem").read_bytes())
    with pytest.raises(InputError, match="was a rotation broken off"):
        authority.issue(AGENT)


@given(st.text(max_size=70))
def test_no_name_of_a_party_leads_out_of_its_directory(name: str) -> None:
    authority = Authority(Path("/authority"))
    try:
        place = authority.place(Party(name, Role.CONTROLLER))
    except InputError:
        return
    assert place.resolve().parent == Path("/authority/controllers")


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\0", ".hidden", "x" * 64, "a b", "a\n"])
def test_odd_names_of_parties_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="give 1 to 63 letters"):
        check_party(name)


@pytest.mark.parametrize(
    "host", ["", "*.example.org", "a_b", "-a", "http://a", "a:7400", "300.1.1.1", "a..b", "x" * 254]
)
def test_what_is_no_host_gets_no_certificate(host: str) -> None:
    with pytest.raises(InputError, match="neither a name nor an address"):
        host_names([host])


@pytest.mark.parametrize(
    "uris",
    [[], ["perfgate://role/root"], ["perfgate://role/agent", "perfgate://role/controller"], ["https://role/agent"],
     ["perfgate://role/controller", "perfgate://role/unknown"], ["perfgate://role/CONTROLLER"], ["perfgate://role/"]],
)  # fmt: skip
def test_whoever_has_no_role_or_two_has_none(uris: list[str]) -> None:
    assert role_of(uris) is None


def test_a_key_that_others_may_read_is_refused(authority: Authority) -> None:
    place = authority.issue(CONTROLLER)
    TlsFiles.of_directory(place).read()
    (place / "key.pem").chmod(0o644)
    with pytest.raises(InputError, match=r"mode 0644 lets others at the private key; chmod 600"):
        TlsFiles.of_directory(place).read()
    with pytest.raises(InputError, match="others may read"):
        overview(authority.directory, dt.datetime.now(dt.UTC))


def test_files_that_do_not_go_together_are_named(authority: Authority, tmp_path: Path) -> None:
    one, other = authority.issue(CONTROLLER), authority.issue(Party("other", Role.CONTROLLER))
    with pytest.raises(InputError, match="do not go together"):
        TlsFiles(one / "ca.pem", one / "cert.pem", other / "key.pem").read()
    with pytest.raises(InputError, match=r"holds no PEM block of a private key"):
        TlsFiles(one / "ca.pem", one / "cert.pem", one / "ca.pem").read()
    with pytest.raises(InputError, match=r"nowhere/ca.pem: No such file"):
        TlsFiles.of_directory(tmp_path / "nowhere").read()


def test_no_message_shows_a_key(authority: Authority) -> None:
    material = TlsFiles.of_directory(authority.issue(CONTROLLER)).read()
    assert "PRIVATE" not in repr(material)
    assert str(material.key) not in repr(material)


def test_the_controllers_files_come_from_options_or_from_its_directory(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = authority.issue(CONTROLLER)
    monkeypatch.delenv("PERFGATE_CERTS", raising=False)
    assert controller_files(None, None, None) is None
    with pytest.raises(InputError, match=r"--tls-cert and --tls-key: missing"):
        controller_files(place / "ca.pem", None, None)
    monkeypatch.setenv("PERFGATE_CERTS", str(place))
    assert controller_files(None, None, None) == TlsFiles.of_directory(place)


def test_python_refuses_an_expired_certificate_of_ours(tmp_path: Path) -> None:
    long_ago = Authority(tmp_path, now=lambda: dt.datetime.now(dt.UTC) - dt.timedelta(days=100))
    long_ago.make()
    place = long_ago.issue(AGENT)
    assert not verified(place, place / "ca.pem")
    (line,) = [line for line in overview(tmp_path, dt.datetime.now(dt.UTC)) if line.what == "agent perf-1"]
    assert line.note == "EXPIRED: perfgate certs rotate --leaves"
    ssl.create_default_context(cafile=str(place / "ca.pem"))


def test_the_command_makes_shows_and_rotates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--dir", str(tmp_path / "authority")]
    assert main(["certs", "agent", "perf-1", "--host", "localhost", *where]) == 3
    assert "make one with perfgate certs init" in capsys.readouterr().err
    assert main(["certs", "init", *where]) == 0
    assert main(["certs", "agent", "perf-1", *where]) == 3
    assert "--host is missing" in capsys.readouterr().err
    assert main(["certs", "agent", "perf-1", "--host", "localhost", *where]) == 0
    assert main(["certs", "observer", "eye", *where]) == 0
    assert main(["certs", "rotate", *where]) == 0
    assert main(["certs", "rotate", "--drop-old", *where]) == 0
    capsys.readouterr()
    assert main(["certs", "show", *where]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 3
    assert shown[1].startswith("agent perf-1")
    assert "localhost" in shown[1]
    assert shown[2].startswith("observer eye")
    assert main(["certs", "show", str(tmp_path / "authority" / "observers" / "eye" / "cert.pem")]) == 0


def test_without_the_library_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith(("perfgate.certs", "cryptography"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert main(["certs", "show"]) == 3
    assert "pip install 'perfgate[fleet]'" in capsys.readouterr().err
