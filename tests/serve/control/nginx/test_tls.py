"""TLS by two files: what clients get, what changes under way, and what is refused at the start."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from tests.faults.limits import mounting
from tests.serve.running import Server, require_nginx
from tests.support import wait_until

from mlberth.errors import ContractError
from mlberth_serve.control.healthcheck import ping
from mlberth_serve.control.nginx.tls import Certificate
from mlberth_serve.settings import Settings, TlsFiles

PATIENCE = 30.0


def issue(folder: Path, name: str = "server", *more: str) -> TlsFiles:
    """Make a key and a certificate of its own for 127.0.0.1."""
    folder.mkdir(exist_ok=True)
    files = TlsFiles(folder / "tls.crt", folder / "tls.key")
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", str(files.key)]
    argv = ["openssl", "req", "-x509", *subject, *key, "-out", str(files.certificate), *(more or ["-nodes"])]
    subprocess.run(argv, check=True, capture_output=True, timeout=PATIENCE)
    return files


def variables(files: TlsFiles) -> dict[str, str]:
    """Return the variables that name the two files."""
    return {"SAGEMAKER_TLS_CERT": str(files.certificate), "SAGEMAKER_TLS_KEY": str(files.key)}


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    """Return a good pair."""
    return issue(tmp_path / "tls")


def exchange(port: int, request: bytes, context: ssl.SSLContext) -> tuple[bytes, str]:
    """Send one request over TLS; returns the answer and the version that was agreed on."""
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(request)
        answer = b""
        while part := client.recv(65536):
            answer += part
        return answer, client.version() or ""


def trusting(files: TlsFiles) -> ssl.SSLContext:
    """Return a client's context that takes this one certificate alone."""
    return ssl.create_default_context(cafile=str(files.certificate))


def wait_ready(server: Server) -> None:
    """Wait as the health check of an image would ask."""
    asked = lambda: ping("127.0.0.1", server.port, tls=True)[0] or server.process.poll() is not None  # noqa: E731
    wait_until(asked, timeout=PATIENCE, message=server.text)
    assert server.process.poll() is None, server.text


REQUEST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody"


def test_predictions_over_tls(tmp_path: Path, files: TlsFiles) -> None:
    """A client that trusts the certificate is served, with TLS 1.2 and 1.3; plain HTTP is told so."""
    require_nginx()
    with Server(tmp_path, **variables(files)) as server:
        wait_ready(server)
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            context = trusting(files)
            context.minimum_version = context.maximum_version = version
            answer, agreed = exchange(server.port, REQUEST, context)
            assert agreed == name
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"\r\n\r\nbody")
        plain = server.invoke("body")
        assert (plain.status, plain.error["code"]) == (400, "tls_required")
        assert plain.headers["X-Request-Id"] == plain.error["request_id"]
        assert server.stop() == 0


def test_old_versions_are_refused(tmp_path: Path, files: TlsFiles) -> None:
    """TLS 1.1 gets no connection."""
    require_nginx()
    with Server(tmp_path, **variables(files)) as server:
        wait_ready(server)
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_1"]
        argv += ["-cipher", "DEFAULT:@SECLEVEL=0"]
        done = subprocess.run(argv, input=b"", capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode != 0
    assert b"BEGIN CERTIFICATE" not in done.stdout


def test_renewed_certificate_is_taken(tmp_path: Path, files: TlsFiles) -> None:
    """New files, one after the other, are used as soon as they fit each other, and no stop is needed."""
    require_nginx()
    with Server(tmp_path, **variables(files)) as server:
        wait_ready(server)
        nginx = server.children()["nginx"]
        renewed = issue(tmp_path / "renewed", "renewed")
        shutil.copy(renewed.certificate, files.certificate)
        wait_until(lambda: "the new certificate is not used" in server.text, timeout=PATIENCE)
        shutil.copy(renewed.key, files.key)
        context = trusting(renewed)

        def served() -> bool:
            try:
                return exchange(server.port, REQUEST, context)[0].endswith(b"body")
            except ssl.SSLCertVerificationError:
                return False

        wait_until(served, timeout=PATIENCE, message=server.text)
        assert server.children()["nginx"] == nginx
        assert server.stop() == 0


def test_certificate_is_renewed_by_rename(tmp_path: Path, files: TlsFiles) -> None:
    """A pair that is replaced by a link's rename, as mounted secrets are, is seen."""
    links = TlsFiles(tmp_path / "now" / "tls.crt", tmp_path / "now" / "tls.key")
    (tmp_path / "now").symlink_to(files.certificate.parent)
    certificate = Certificate(links)
    assert not certificate.renew()
    issue(tmp_path / "renewed")
    (tmp_path / "next").symlink_to(tmp_path / "renewed")
    (tmp_path / "next").rename(tmp_path / "now")
    assert certificate.renew()
    assert not certificate.renew()


def test_files_that_vanish_change_nothing(files: TlsFiles, caplog: pytest.LogCaptureFixture) -> None:
    """What nginx has loaded it keeps, and the log says once that the file is gone."""
    certificate = Certificate(files)
    files.key.unlink()
    assert not certificate.renew()
    assert not certificate.renew()
    assert caplog.text.count("SAGEMAKER_TLS_KEY") == caplog.text.count("\n") == 1


def broken(files: TlsFiles, how: str) -> None:
    """Make the pair unusable."""
    if how == "no key":
        files.key.unlink()
    elif how == "no certificate":
        files.certificate.unlink()
    elif how == "another key":
        shutil.copy(issue(files.key.parent / "other").key, files.key)
    elif how == "encrypted key":
        issue(files.key.parent, "server", "-passout", "pass:secret")
    elif how == "key is no key":
        files.key.write_text("not a key")
    elif how == "certificate is none":
        files.certificate.write_text("not a certificate")
    else:
        files.key.unlink()
        files.key.mkdir()


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("no key", "TLS_KEY: /.*: no such file or directory"),
        ("no certificate", "TLS_CERT: /.*: no such file or directory"),
        ("another key", "TLS_KEY.*the key of SAGEMAKER_TLS_CERT"),
        ("encrypted key", "TLS_KEY.*encrypted.*without a passphrase"),
        ("key is no key", "TLS_KEY.*a private key in PEM"),
        ("certificate is none", "TLS_CERT.*certificates in PEM"),
        ("unreadable", "TLS_KEY.*is a directory"),
    ],
)
def test_files_that_will_not_do(files: TlsFiles, how: str, expected: str) -> None:
    """The error names the variable, the file and what is expected, and nothing of the key."""
    text = files.key.read_text()
    broken(files, how)
    with pytest.raises(ContractError, match=expected) as raised:
        Certificate(files)
    assert str(files.key.parent) in str(raised.value)
    assert not [line for line in text.splitlines() if line in str(raised.value)]


def test_faulty_files_end_the_start(tmp_path: Path, files: TlsFiles) -> None:
    """`serve` starts nothing, and its exit code is that of a faulty setting."""
    require_nginx()
    files.key.unlink()
    with Server(tmp_path, **variables(files)) as server:
        assert server.process.wait(PATIENCE) != 0
        assert "SAGEMAKER_TLS_KEY" in server.text
        assert "ready on" not in server.text


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"SAGEMAKER_USE_NGINX": "false"}, "nothing, with SAGEMAKER_USE_NGINX=false"),
        ({"SAGEMAKER_NGINX_CONF": "/own.conf"}, "nothing, with SAGEMAKER_NGINX_CONF"),
        ({"SAGEMAKER_TLS_KEY": ""}, "SAGEMAKER_TLS_KEY beside it"),
    ],
    ids=["without nginx", "own nginx.conf", "no key"],
)
def test_settings_that_do_not_go_with_tls(files: TlsFiles, more: dict[str, str], expected: str) -> None:
    """What would serve in the clear, or with another certificate, is refused."""
    with pytest.raises(ContractError, match=expected):
        Settings.from_environ({**variables(files), **more})


def test_missing_nginx_is_not_ignored(tmp_path: Path, files: TlsFiles) -> None:
    """Without nginx on PATH a server that was to speak TLS does not start, and never answers in the clear."""
    with Server(tmp_path, **variables(files), PATH="/nowhere") as server:
        assert server.process.wait(PATIENCE) == 69 or "DependencyError" in server.text
        assert "nginx" in server.text
        assert "SAGEMAKER_TLS_CERT" in server.text


def test_no_path_reaches_the_configuration(tmp_path: Path) -> None:
    """A path with nginx's own signs is a path, and nothing else."""
    require_nginx()
    files = issue(tmp_path / "a; evil on; $x {")
    with Server(tmp_path, **variables(files)) as server:
        wait_ready(server)
        assert exchange(server.port, REQUEST, trusting(files))[0].endswith(b"body")


def test_key_that_root_alone_may_read(tmp_path: Path, files: TlsFiles) -> None:
    """Mounted secrets are often 0400: that is enough, and the mount may be read-only."""
    require_nginx()
    files.key.chmod(0o400)
    folder = str(files.key.parent)
    server = Server(tmp_path, **variables(files))
    server.wrapper = mounting(f"mount --bind {folder} {folder}", f"mount -o remount,ro,bind {folder}")
    with server:
        wait_ready(server)
        assert not os.access(f"/proc/{server.process.pid}/root{folder}", os.W_OK)
