"""TLS as libpq does it, with a certificate authority of the test's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from own_server import OwnServer, openssl
from run.own_database.conftest import DSN
from run.own_database.tls_proxy import TlsProxy, encrypting

from workspace import Workspace

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority (ca.pem), and a server's key and certificate for `localhost` alone."""
    folder = tmp_path_factory.mktemp("authority")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        *("req", "-x509", *key, "-days", "2", "-subj", "/CN=Test authority"),
        *("-keyout", "ca.key", "-out", "ca.pem"),
        cwd=folder,
    )
    openssl(
        *("req", *key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"), cwd=folder
    )
    (folder / "names").write_text("subjectAltName=DNS:localhost\n", encoding="utf-8")
    openssl(
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-days", "2", "-extfile", "names", "-out", "server.crt"),
        cwd=folder,
    )
    return folder


@pytest.fixture(scope="module")
def encrypted(server: OwnServer, authority: Path) -> Iterator[TlsProxy]:
    """The server as it is seen through TLS; the binaries at hand were built without it."""
    with encrypting(server.port, authority / "server.crt", authority / "server.key") as proxy:
        yield proxy


@pytest.fixture
def through(server: OwnServer, encrypted: TlsProxy, database: str) -> Callable[..., str]:
    """Connection strings that lead to the database through it."""
    return lambda **given: server.dsn(port=encrypted.port, dbname=database, **given)


@pytest.fixture
def ask(
    own: Workspace, through: Callable[..., str], authority: Path, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    monkeypatch.setenv(DSN, through(host="localhost", sslmode="verify-full"))
    monkeypatch.setenv("PGSSLROOTCERT", str(authority / "ca.pem"))
    return own


def test_a_proven_server(ask: Workspace, encrypted: TlsProxy) -> None:
    before = encrypted.encrypted
    assert ask.ingest()["counts"]["added"] == 1
    assert ask.call("ask", "lighthouse", "--format", "json").code == 0
    assert encrypted.encrypted >= before + 2


def test_another_name_than_the_certificates(
    ask: Workspace, through: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DSN, through(host="127.0.0.1", sslmode="verify-full"))
    refused(ask, "does not match host name", "the host's name must be the certificate's")


def test_an_authority_that_is_not_trusted(
    ask: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        *("req", "-x509", *key, "-days", "2", "-subj", "/CN=Another", "-keyout", "k", "-out", "other.pem"),
        cwd=tmp_path,
    )
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "other.pem"))
    refused(ask, "certificate verify failed", "sslrootcert")
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "nothing.pem"))
    refused(ask, "root certificate file", "sslrootcert")


def test_no_way_in_without_it(
    ask: Workspace, through: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DSN, through(sslmode="disable"))
    refused(ask, "no pg_hba.conf entry", "pg_hba.conf")


def refused(workspace: Workspace, said: str, hint: str) -> None:
    called = workspace.call("ingest", "--format", "json")
    assert called.code == 6, called.out
    error = called.json["error"]
    assert error["kind"] == "store_refused", error
    assert said in error["message"], error
    assert hint in error["hint"], error
    assert "Traceback" not in called.err
