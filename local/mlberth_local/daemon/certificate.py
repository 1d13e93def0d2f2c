"""The certificate of STS over TLS, made once a home: for 127.0.0.1, and trusted by nobody but its clients."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import botocore

from mlberth_local.files import write_atomically

_DAYS = 3650


def certificate(folder: Path) -> tuple[Path, Path]:
    """Return the files of the certificate and its key; they are made if they are not there."""
    public, private = folder / "sts-certificate.pem", folder / "sts-key.pem"
    if not (public.exists() and private.exists()):
        _make(public, private)
    return public, private


def _make(public: Path, private: Path) -> None:
    # It takes a while to import, and only the first `up` of a home needs it.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mlberth on this machine")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    write_atomically(private, key.private_bytes(serialization.Encoding.PEM, *form), mode=0o600)
    write_atomically(public, made.public_bytes(serialization.Encoding.PEM))


def bundle(folder: Path) -> Path:
    """Return the file of all that clients trust: botocore's authorities, and the certificate above."""
    path = folder / "ca-bundle.pem"
    public, _ = certificate(folder)
    authorities = Path(botocore.__file__).with_name("cacert.pem").read_bytes()
    content = authorities.rstrip() + b"\n\n" + public.read_bytes()
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)
    return path


def context(folder: Path) -> ssl.SSLContext:
    """Return the TLS side of the server."""
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    found.load_cert_chain(*certificate(folder))
    return found
