"""The farm's TLS: one certificate, pinned by every machine that joins, and contexts that trust only it."""

import base64
import hashlib
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from shlex import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from farm.addresses import lan_address, own_addresses
from farm.errors import Forbidden, Rejected, ServiceDown
from farm.settings import Settings

LIFE = timedelta(days=3653)
CONNECT_S = 10.0


@dataclass(frozen=True)
class Identity:
    """Files in PEM: the certificate, its chain after it where it has one, and its private key."""

    certificate: Path
    key: Path


def identity(config: Settings) -> Identity:
    """The certificate that the settings name, else one made for this home at the first call.

    Raises Rejected when it cannot be read, does not fit its key, or has expired.
    """
    if bool(config.tls_certificate) != bool(config.tls_key):
        raise Rejected("Set both FARM_TLS_CERTIFICATE and FARM_TLS_KEY, or neither for one made here.")
    if config.tls_certificate:
        found = Identity(Path(config.tls_certificate), Path(config.tls_key))
    else:
        folder = config.home / "tls"
        found = Identity(folder / "certificate.pem", folder / "key.pem")
        if not folder.exists():
            _make(folder)
    _check(found)
    return found


def _make(folder: Path) -> None:
    """Under another name first: the folder appears whole, and of two processes one wins."""
    # As root the servers' own user must be able to pass through the home; what lies inside is closed.
    folder.parent.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    new = folder.with_name(f"{folder.name}.{os.getpid()}")
    new.mkdir(mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (new / "key.pem").touch(mode=0o600)
    (new / "key.pem").write_bytes(secret)
    (new / "certificate.pem").write_bytes(_signed_by_itself(key).public_bytes(Encoding.PEM))
    try:
        new.rename(folder)
    except OSError:
        shutil.rmtree(new)
        if not folder.exists():
            raise


def _signed_by_itself(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """A leaf, never an authority: nothing signed with its key is trusted."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Voicefarm")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks of other machines are behind
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName(list(_names())), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _names() -> Iterator[x509.GeneralName]:
    """For people's browsers; those who pin do not look at names."""
    host = socket.gethostname()
    yield x509.DNSName("localhost")
    if host != "localhost" and host.isascii():
        yield x509.DNSName(host)
    for address in sorted({"127.0.0.1", lan_address(), *own_addresses()}):
        yield x509.IPAddress(ip_address(address.partition("%")[0]))


def _check(found: Identity) -> None:
    try:
        certificate = x509.load_pem_x509_certificate(found.certificate.read_bytes())
        server_context(found)
    except (OSError, ValueError) as e:  # ssl.SSLError is an OSError
        raise Rejected(
            "The certificate {path} and its key {key} cannot be used: {reason}. Put files in PEM there that "
            "belong together, or remove the folder so that new ones are made.",
            path=found.certificate,
            key=found.key,
            reason=getattr(e, "strerror", None) or str(e),
        ) from e
    if certificate.not_valid_after_utc < datetime.now(UTC):
        raise Rejected(
            "The certificate {path} expired on {day}. Put a new one there, or remove its folder so that "
            "one is made. Machines that joined with the old one join again.",
            path=found.certificate,
            day=certificate.not_valid_after_utc.date().isoformat(),
        )


def server_context(own: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Without a password to give: OpenSSL would ask the terminal for that of an encrypted key.
    context.load_cert_chain(own.certificate, own.key, password=lambda: b"")
    return context


def client_context(certificate: bytes | Path) -> ssl.SSLContext:
    """Trusts exactly this certificate (PEM; the first of a chain), under whatever name it is met.

    urllib3 looks at names by itself: give its pool `assert_hostname=False` beside this.
    """
    pem = certificate.read_bytes() if isinstance(certificate, Path) else certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # itself is enough, whoever signed it
    leaf = x509.load_pem_x509_certificate(pem)
    context.load_verify_locations(cadata=leaf.public_bytes(Encoding.DER))
    return context


def pin(certificate: bytes) -> str:
    """Base64 of the SHA-256 of a PEM certificate's public key (RFC 7469), as curl's --pinnedpubkey has it."""
    public = x509.load_pem_x509_certificate(certificate).public_key()
    key = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


def own_pin(config: Settings) -> str:
    """What machines pin when they join this farm; "" when it speaks no TLS of its own."""
    return pin(identity(config).certificate.read_bytes()) if config.tls else ""


def fingerprint(certificate: bytes) -> str:
    """Of a PEM certificate, as browsers show it: SHA-256 in pairs of hexadecimal digits."""
    return x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256()).hex(":").upper()


def fetch_pinned(host: str, port: int, pinned: str) -> bytes:
    """The certificate (PEM) of the server there. Raises Forbidden unless its key is the pinned one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the pin decides
    try:
        with (
            socket.create_connection((host, port), CONNECT_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            found = ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"").encode()
    except OSError as e:
        raise ServiceDown(
            "The farm does not answer at {host}:{port}: {reason}.", host=host, port=port, reason=str(e)
        ) from e
    if pin(found) != pinned:
        raise Forbidden(
            "Another machine than your farm answers at {host}:{port}: its key is not the one in the token. "
            "Copy the line from your dashboard again; if that does not help, somebody is in between.",
            host=host,
            port=port,
        )
    return found


def joining_line(config: Settings, token: str) -> str:
    """What a person copies to another machine's terminal."""
    where = quote(f"{config.dashboard_url}/join")
    pinned = own_pin(config)
    fetch = f"curl -fsSk --pinnedpubkey 'sha256//{pinned}' {where}" if pinned else f"curl -fsS {where}"
    return f"{fetch} | sh -s -- {quote(token)}"
