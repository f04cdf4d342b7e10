"""TLS: the certificate is verified against the name, though the connection goes to a judged address."""

from __future__ import annotations

import datetime
import io
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ragctl.sources.addresses import AddressGuard, web_address
from ragctl.sources.polite_client import FetchFailed, Limits, PoliteClient

pytest.importorskip("cryptography", reason="it makes the certificate; the extra `weaviate` brings it")


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for `name`, signed by itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, private


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, int, list[str | None]]]:
    """A server for docs.example: its certificate, its port, and the names that it was asked for (SNI)."""
    certificate, key = make_certificate(tmp_path, "docs.example")
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda connection, name, own: asked.append(name)
    server = HTTPServer(("127.0.0.1", 0), _Page)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield certificate, server.server_address[1], asked
    server.shutdown()
    server.server_close()


def fetch(host: str, port: int) -> bytes:
    guard = AddressGuard([host], resolve=lambda name, port: ["127.0.0.1"])
    into = io.BytesIO()
    client = PoliteClient(guard, Limits(retries=0, timeout_seconds=5.0))
    client.get(web_address(f"https://{host}:{port}/"), into)
    client.close()
    return into.getvalue()


def test_a_certificate_that_nobody_vouches_for_is_refused(served: tuple[Path, int, list[str | None]]) -> None:
    with pytest.raises(FetchFailed, match="certificate verify failed"):
        fetch("docs.example", served[1])


def test_the_name_is_verified_and_sent(
    served: tuple[Path, int, list[str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, port, asked = served
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert fetch("docs.example", port) == b"ok"
    assert asked == ["docs.example"]
    with pytest.raises(FetchFailed, match="certificate verify failed"):
        fetch("other.example", port)
