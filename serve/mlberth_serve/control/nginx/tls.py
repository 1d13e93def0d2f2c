"""TLS: the two files that nginx is given, checked before it sees them, and again whenever they change.

nginx finds them by links of a fixed name in the private folder, so that no path reaches its configuration.
"""

from __future__ import annotations

import logging
from pathlib import Path

from mlberth.errors import ContractError, Fault
from mlberth_serve.settings import TlsFiles
from mlberth_serve.variables import Variables

_CERTIFICATE_LINK = "certificate.pem"
_KEY_LINK = "key.pem"
# Every client of the last ten years, and no cipher without forward secrecy. Session tickets are off
# since nginx would encrypt them with one key as long as it lives.
TLS_SNIPPET = f"""\
ssl_certificate {_CERTIFICATE_LINK};
ssl_certificate_key {_KEY_LINK};
ssl_protocols TLSv1.2 TLSv1.3;
ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL;
ssl_prefer_server_ciphers off;
ssl_session_cache shared:tls:1m;
ssl_session_timeout 1h;
ssl_session_tickets off;
error_page 497 =400 /-/not_tls;
"""

log = logging.getLogger(__name__)


def link_files(files: TlsFiles, folder: Path) -> None:
    """Make the links by which nginx finds the files."""
    (folder / _CERTIFICATE_LINK).symlink_to(files.certificate.absolute())
    (folder / _KEY_LINK).symlink_to(files.key.absolute())


class Certificate:
    """The certificate in use: nginx can load it. Raises ContractError if it could not."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen = self._look()
        check(files)

    def renew(self) -> bool:
        """Return whether the files have changed, and are good; a line of the log says where they are not."""
        seen = self._look()
        if seen == self._seen:
            return False
        # Taken down before the files are read: what changes meanwhile is looked at the next time.
        self._seen = seen
        try:
            check(self._files)
        except ContractError as error:
            log.error("the new certificate is not used, the one before is: %s", error)  # noqa: TRY400
            return False
        log.info("%s: renewed", Variables.tls_certificate.name)
        return True

    def _look(self) -> list[tuple[int, int, int]]:
        looks = []
        for path in (self._files.certificate, self._files.key):
            try:
                found = path.stat()
            except OSError:
                looks.append((0, 0, 0))
            else:
                looks.append((found.st_ino, found.st_mtime_ns, found.st_size))
        return looks


def check(files: TlsFiles) -> None:
    """Raise ContractError if nginx could not serve with these files; never tells what is in them."""
    import ssl

    for variable, path in ((Variables.tls_certificate, files.certificate), (Variables.tls_key, files.key)):
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            reason = (error.strerror or "it cannot be read").lower()
            action = "Name a file that this user may read."
            raise ContractError(Fault(variable.name, f"{path}: {reason}", "", action)) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(files.certificate)
    except ssl.SSLError:
        fault = Fault(Variables.tls_certificate.name, repr(str(files.certificate)), "certificates in PEM")
        raise ContractError(fault) from None
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_passphrase)
    except _PassphraseError:
        found = f"{str(files.key)!r}, which is encrypted"
        raise ContractError(Fault(Variables.tls_key.name, found, "a key without a passphrase")) from None
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        expected = f"the key of {Variables.tls_certificate.name}" if mismatch else "a private key in PEM"
        raise ContractError(Fault(Variables.tls_key.name, repr(str(files.key)), expected)) from None


class _PassphraseError(Exception):
    """OpenSSL has asked for a passphrase, and must not wait for somebody to type one."""


def _no_passphrase() -> str:
    raise _PassphraseError
