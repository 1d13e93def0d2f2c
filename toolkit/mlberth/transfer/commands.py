"""`mlberth fetch` and `mlberth push`: their arguments, and the lines that they print."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlberth import __version__
from mlberth.command_line import VERSION
from mlberth.contract.hosts import read_hosts
from mlberth.contract.layout import Layout
from mlberth.log_outlet import say
from mlberth.transfer import http

FETCH_HELP = """\
URL is s3://BUCKET/PREFIX (all objects below it), http(s)://… (one file) or a path. The files come into
DIR beside what it holds, all of them or none; names that lead out of it are refused. S3's region and
endpoint are AWS_REGION and S3_ENDPOINT_URL, as for code.

Exit codes: 0 fetched; 78 there is nothing, or it may not be read or unpacked; 69 s3:// without botocore;
70 the network or the disk."""
PUSH_HELP = """\
A URL that ends in .tar.gz, .tgz or .tar gets one archive of DIR, an http(s) URL by a PUT; another one gets
the files below it. DIR may also be a file. A folder without files pushes nothing, with a warning.

With COMMAND, the command runs first, with the duties of a container's first process, and only what it
leaves at exit code 0 is pushed. Several pushes go around one command:

  mlberth push /opt/ml/output/data s3://b/job/output.tar.gz --always -- \\
    mlberth push /opt/ml/model s3://b/job/model.tar.gz -- train

Exit codes: the command's, unless that is 0; 78 the URL does not fit; 69 s3:// without botocore; 70 the
network or the disk."""


def fetch(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run `mlberth fetch`; raises what `mlberth.transfer.fetch.fetch` does."""
    parser = _parser("fetch", "Copy objects or files into a folder, as an init container does.", FETCH_HELP)
    parser.add_argument("--unpack", action="store_true", help="URL is one .tar.gz; DIR gets what is in it")
    parser.add_argument("--manifest", action="store_true", help="URL is a manifest (S3DataType ManifestFile)")
    parser.add_argument(
        "--shard",
        type=_share,
        metavar="auto|I/N",
        help="only every N-th object from the I-th on, from 0; auto: by the hosts that `train` would see",
    )
    parser.add_argument("--if-empty", action="store_true", help="do nothing if DIR holds anything already")
    parser.add_argument("--optional", action="store_true", help="it is no error if there is nothing")
    parser.add_argument("url", metavar="URL")
    parser.add_argument("folder", metavar="DIR", type=Path)
    chosen = parser.parse_args(arguments)
    from mlberth.transfer.fetch import Options, is_filled
    from mlberth.transfer.fetch import fetch as fetch_objects

    shown = http.shown(chosen.url) if chosen.url.startswith(http.SCHEMES) else chosen.url
    if chosen.if_empty and is_filled(chosen.folder):
        say(f"mlberth fetch: {chosen.folder} holds files already; nothing is fetched from {shown}")
        return 0
    share = _own_share(environ) if chosen.shard == _AUTO else chosen.shard or (0, 1)
    options = Options(chosen.unpack, chosen.manifest, share, chosen.optional)
    names = fetch_objects(chosen.url, chosen.folder, environ, options)
    part = f" (part {share[0] + 1} of {share[1]})" if share[1] > 1 else ""
    say(f"mlberth fetch: {len(names)} {_files(len(names))} from {shown}{part} in {chosen.folder}")
    return 0


def push(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run `mlberth push`; raises what `mlberth.transfer.push.push` does."""
    own, command = _split(arguments)
    parser = _parser("push", "Copy a folder, such as a trained model, to an address.", PUSH_HELP)
    parser.usage = "mlberth push [--always] [--leader] DIR URL [-- COMMAND [ARGUMENT…]]"
    parser.add_argument("--always", action="store_true", help="also if COMMAND fails")
    parser.add_argument("--leader", action="store_true", help="only on the first host that `train` would see")
    parser.add_argument("source", metavar="DIR", type=Path)
    parser.add_argument("url", metavar="URL")
    chosen = parser.parse_args(own)
    code = _run(command, environ) if command else 0
    if code and not chosen.always:
        return code
    if chosen.leader and _own_share(environ)[0] > 0:
        return code
    from mlberth.transfer.push import push as push_files

    count = push_files(chosen.source, chosen.url, environ)
    shown = http.shown(chosen.url) if chosen.url.startswith(http.SCHEMES) else chosen.url
    if count:
        say(f"mlberth push: {count} {_files(count)} of {chosen.source} at {shown}")
    else:
        say(f"mlberth push: {chosen.source} holds no files; nothing is pushed to {shown}")
    return code


_AUTO = (-1, -1)


def _share(text: str) -> tuple[int, int]:
    if text == "auto":
        return _AUTO
    first, slash, last = text.partition("/")
    if not (slash and first.isdecimal() and last.isdecimal() and int(first) < int(last)):
        raise ArgumentTypeError(f"found {text!r}; expected auto, or I/N with I from 0 to N-1")
    return int(first), int(last)


def _own_share(environ: Mapping[str, str]) -> tuple[int, int]:
    """Return this host's position among the job's hosts, and their number, as `train` sees them."""
    hosts = read_hosts(Layout.from_environ(environ).resource_config, environ, engines=True)
    return hosts.rank, len(hosts.names)


def _run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    from mlberth.process.pid1 import run_program

    return run_program(command, environ)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the arguments before the first `--`, and those after it."""
    if "--" not in arguments:
        return list(arguments), []
    at = list(arguments).index("--")
    return list(arguments[:at]), list(arguments[at + 1 :])


def _files(count: int) -> str:
    return "file" if count == 1 else "files"


def _parser(name: str, summary: str, text: str) -> ArgumentParser:
    parser = ArgumentParser(
        f"mlberth {name}", description=summary, epilog=text, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument(*VERSION, action="version", version=f"mlberth {__version__}")
    return parser
