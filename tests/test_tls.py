"""One certificate, pinned: who has its key is the farm, and nobody else is."""

import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import create_connection, create_server

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from farm import tls
from farm.addresses import lan_address
from farm.errors import Forbidden, Rejected, ServiceDown
from farm.settings import Settings
from farm.tls import Identity

NOW = datetime.now(UTC)


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", tls=True)


@contextmanager
def serving(own: Identity) -> Iterator[int]:
    """A TLS server that says hello; its port."""
    context = tls.server_context(own)
    with create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                with suppress(ssl.SSLError, ConnectionError):
                    plain, _ = door.accept()
                    with plain, context.wrap_socket(plain, server_side=True) as client:
                        if client.recv(5) == b"leave":
                            return
                        client.sendall(b"hello")

        thread = threading.Thread(target=serve)
        thread.start()
        port = door.getsockname()[1]
        try:
            yield port
        finally:
            with create_connection(("127.0.0.1", port)) as plain:
                trusting = tls.client_context(own.certificate)
                with trusting.wrap_socket(plain) as client:
                    client.sendall(b"leave")
            thread.join()


def said(port: int, context: ssl.SSLContext) -> bytes:
    with (
        create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="farm.example") as client,
    ):
        client.sendall(b"there")
        return client.recv(5)


def made(
    folder: Path, *, days: int = 1, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None = None
) -> Identity:
    """A certificate as people bring theirs: of `days` to come, signed by an authority or by itself."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
    signer, signing_key = issuer or (name, key)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(signer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=10))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(signing_key, hashes.SHA256())
    )
    found = Identity(folder / "certificate.pem", folder / "key.pem")
    found.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    found.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return found


def given(config: Settings, own: Identity) -> Settings:
    return replace(config, tls_certificate=str(own.certificate), tls_key=str(own.key))


def test_a_certificate_is_made_once_and_its_key_is_closed_to_others(config: Settings) -> None:
    first = tls.identity(config)
    content = first.certificate.read_bytes()
    assert tls.identity(config).certificate.read_bytes() == content
    assert stat.S_IMODE(first.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.key.parent.stat().st_mode) == 0o700
    assert [path.name for path in config.home.iterdir()] == ["tls"], "nothing half made is left"


def test_a_certificate_of_ours_names_this_machine_and_is_no_authority(config: Settings) -> None:
    found = x509.load_pem_x509_certificate(tls.identity(config).certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert {"127.0.0.1", lan_address()} <= set(map(str, names.get_values_for_type(x509.IPAddress)))
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_processes_that_start_together_agree_on_one_certificate(config: Settings) -> None:
    program = (
        "import sys; from pathlib import Path; from farm import tls; from farm.settings import Settings; "
        "sys.stdout.write(tls.own_pin(Settings(home=Path(sys.argv[1]), tls=True)))"
    )
    command = [sys.executable, "-c", program, str(config.home)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    pins = {process.communicate()[0] for process in started}
    assert pins == {tls.own_pin(config)}


def test_a_farm_without_tls_has_no_pin(config: Settings) -> None:
    assert tls.own_pin(replace(config, tls=False)) == ""
    assert not config.home.exists()


def test_who_pins_gets_the_certificate_of_the_farm_and_of_nobody_else(
    config: Settings, tmp_path: Path
) -> None:
    own, other = tls.identity(config), made(tmp_path / "other")
    with serving(own) as port:
        assert tls.fetch_pinned("127.0.0.1", port, tls.own_pin(config)) == own.certificate.read_bytes()
        with pytest.raises(Forbidden, match=f"127.0.0.1:{port}"):
            tls.fetch_pinned("127.0.0.1", port, tls.pin(other.certificate.read_bytes()))


def test_a_farm_that_is_not_there_is_named(config: Settings) -> None:
    with create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    with pytest.raises(ServiceDown, match=f"127.0.0.1:{port}"):
        tls.fetch_pinned("127.0.0.1", port, "x")


def test_a_client_trusts_this_certificate_under_any_name_and_no_other(
    config: Settings, tmp_path: Path
) -> None:
    own, other = tls.identity(config), made(tmp_path / "other")
    with serving(own) as port:
        assert said(port, tls.client_context(own.certificate)) == b"hello"
        assert said(port, tls.client_context(own.certificate.read_bytes())) == b"hello"
        for context in (tls.client_context(other.certificate), ssl.create_default_context()):
            with pytest.raises(ssl.SSLCertVerificationError):
                said(port, context)


def test_a_certificate_that_an_authority_signed_is_trusted_alone(config: Settings, tmp_path: Path) -> None:
    """Another certificate of the same authority is somebody else's."""
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    issuer = (authority, ec.generate_private_key(ec.SECP256R1()))
    mine, theirs = made(tmp_path / "mine", issuer=issuer), made(tmp_path / "theirs", issuer=issuer)
    assert tls.identity(given(config, mine)) == mine
    with serving(mine) as port:
        assert said(port, tls.client_context(mine.certificate)) == b"hello"
    with serving(theirs) as port, pytest.raises(ssl.SSLCertVerificationError):
        said(port, tls.client_context(mine.certificate))


def test_a_certificate_that_cannot_serve_is_named_with_its_remedy(config: Settings, tmp_path: Path) -> None:
    good, old = made(tmp_path / "good"), made(tmp_path / "old", days=-1)
    with pytest.raises(Rejected, match=r"old/certificate\.pem expired"):
        tls.identity(given(config, old))
    with pytest.raises(Rejected, match=r"good/certificate\.pem"):
        tls.identity(given(config, Identity(good.certificate, old.key)))
    with pytest.raises(Rejected, match=r"gone\.pem.*No such file"):
        tls.identity(given(config, Identity(tmp_path / "gone.pem", good.key)))
    good.certificate.write_text("no certificate")
    with pytest.raises(Rejected, match=r"good/certificate\.pem"):
        tls.identity(given(config, good))
    with pytest.raises(Rejected, match="FARM_TLS_CERTIFICATE and FARM_TLS_KEY"):
        tls.identity(replace(config, tls_key="key.pem"))


def test_an_encrypted_key_is_refused_rather_than_asked_about(config: Settings, tmp_path: Path) -> None:
    own = made(tmp_path / "own")
    command = ["openssl", "ec", "-in", own.key, "-aes256", "-passout", "pass:x", "-out", own.key]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(Rejected, match=r"own/certificate\.pem"):
        tls.identity(given(config, own))


def test_the_line_to_join_with_pins_our_own_certificate_or_trusts_the_systems(config: Settings) -> None:
    ours = replace(config, host="192.168.1.5")
    line = tls.joining_line(ours, "fj1.x.y")
    pinned = f"--pinnedpubkey 'sha256//{tls.own_pin(config)}'"
    assert line == f"curl -fsSk {pinned} https://192.168.1.5:8600/join | sh -s -- fj1.x.y"
    proxied = replace(config, tls=False, public_url="https://farm.example/")
    assert tls.joining_line(proxied, "fj1..y") == "curl -fsS https://farm.example/join | sh -s -- fj1..y"


def test_nothing_in_the_line_to_join_with_runs_by_itself(config: Settings) -> None:
    odd = replace(config, tls=False, public_url="https://farm.example/;reboot")
    line = tls.joining_line(odd, "$(reboot)")
    assert line == "curl -fsS 'https://farm.example/;reboot/join' | sh -s -- '$(reboot)'"
