"""Certificates for a server of this machine, by an authority that nobody else trusts."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any


def certified(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server of this machine identifies itself by, and the certificate of the authority
    that says so."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def made(name: str, key: Any, *extensions: x509.ExtensionType) -> x509.CertificateBuilder:
        now = datetime.now(timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=9))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), False
            )
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        return builder

    signing, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    usage = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "encipher_only", "decipher_only"),
        ),
        False,
    )
    authority = made(
        "authority",
        signing,
        x509.BasicConstraints(ca=True, path_length=0),
        x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage),
    ).add_extension(x509.SubjectKeyIdentifier.from_public_key(signing.public_key()), False)
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    server = made("localhost", own, x509.SubjectAlternativeName(names))
    directory.mkdir(parents=True, exist_ok=True)
    ca, chain = directory / "ca.pem", directory / "server.pem"
    pem = serialization.Encoding.PEM
    ca.write_bytes(authority.sign(signing, hashes.SHA256()).public_bytes(pem))
    chain.write_bytes(
        own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + server.sign(signing, hashes.SHA256()).public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context, ca
