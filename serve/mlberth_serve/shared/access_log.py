"""The access log: a line for each request. nginx writes it; if there is no nginx, the worker does.

Only the path is written, not what follows the question mark, where clients put secrets.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mlberth import logs
from mlberth.log_escapes import json_line, one_line
from mlberth_serve.shared.request_ids import TRACEPARENT, request_ids

ACCESS_MARK = b"|"
"""What nginx's lines of the access log begin with; none of its errors does. Time and status follow, which
`finish_line` puts into our form: nginx cannot compute a level, or write a time with milliseconds."""
_JSON_FORMAT = (
    '$msec $status "logger":"access","message":"$log_method $log_path $status","method":"$log_method",'
    '"path":"$log_path","status":$status,"seconds":$request_time,"bytes":$body_bytes_sent,'
    '"client":"$remote_addr","request_id":"$request_id","inference_id":"$log_inference",'
    '"trace_id":"$log_trace"}'
)
_TEXT_FORMAT = (
    '$msec $status $log_method "$log_path" $status $request_time s $body_bytes_sent bytes '
    'client $remote_addr request "$request_id" inference "$log_inference" trace "$log_trace"'
)
_STDOUT = 1
_PATIENCE = 0.05
"""How many seconds a line waits for its reader, once."""
_LONGEST_METHOD = 32
_LONGEST_PATH = 512
_LONGEST_ID = 256
"""In characters: a pipe takes a line whole that is shorter than 4096 bytes, each character up to four."""
# The request line and the headers stay what they were if the request is sent to an error page, where the
# method becomes GET, and $uri the page's. Neither way of escaping makes valid JSON of bytes beyond ASCII,
# which the platform does not pass on. Groups have names, since `set` would escape `$1` once more. The trace
# is what `request_ids.trace_id` finds.
_SERVER = f"""\
uninitialized_variable_warn off;
if ($request ~ "^(?<log_method>[A-Z_-]{{1,{_LONGEST_METHOD}}})") {{
}}
if ($request ~ "^[^ ]+ +(?:[A-Za-z]+://[^/?# ]*)?(?<log_path>[^? ]{{0,{_LONGEST_PATH}}})") {{
}}
if ($log_path ~ "[^!-~]") {{
    set $log_path "unprintable";
}}
set $log_trace $request_id;
if ($http_traceparent ~ "{TRACEPARENT}") {{
    set $log_trace $1;
}}
if ($http_x_amzn_sagemaker_inference_id ~ "^(?<log_inference>.{{0,{_LONGEST_ID}}})") {{
}}
if ($log_inference ~ "[^ -~]") {{
    set $log_inference "unprintable";
}}
access_log "" mlberth;
"""


def access_snippets(form: str) -> dict[str, str]:
    """Return the files that make nginx write the access log, by their path below the private folder."""
    escape, line = ("json", _JSON_FORMAT) if form == logs.JSON else ("default", _TEXT_FORMAT)
    # Without a name the file is standard error: the pipe through which all of nginx's lines come to us.
    http = f"log_format mlberth escape={escape} '{ACCESS_MARK.decode()}{line}';\n"
    return {"http.d/access.conf": http, "server.d/access.conf": _SERVER}


def finish_line(line: bytes, form: str) -> bytes:
    """Return a line of nginx's, without its mark, in our form; one that is not nginx's own stays as it is."""
    try:
        seconds, status, rest = line.split(b" ", 2)
        time, level = logs.line_time(form, float(seconds)).encode(), _level(int(status)).encode()
    except ValueError:
        return line
    if form != logs.JSON:
        return b"%b %b access: %b" % (time, level, rest)
    if status.startswith(b"0"):  # of a connection that broke off before there was one; no number in JSON
        rest = rest.replace(b'"status":' + status, b'"status":0', 1)
    return b'{"time":"%b","level":"%b",%b' % (time, level, rest)


def _level(status: int) -> str:
    return "ERROR" if status >= 500 else "WARNING" if status >= 400 else "INFO"


class AccessLog:
    """Writes the lines that nginx would, to standard output or a duplicate of it."""

    def __init__(self, form: str, descriptor: int = _STDOUT) -> None:
        self._form = form
        self._outlet = logs.make_outlet(descriptor, form, patience=_PATIENCE)

    def write(self, environ: Mapping[str, Any], status: str, seconds: float, size: int) -> None:
        """Write the line of one answered request, or drop it: the request is not in its debt."""
        method = environ["REQUEST_METHOD"][:_LONGEST_METHOD]
        path = (environ.get("RAW_URI") or environ["PATH_INFO"]).partition("?")[0][:_LONGEST_PATH]
        number = int(status[:3])
        entry: dict[str, object] = {
            "time": logs.line_time(self._form, time.time()),
            "level": _level(number),
            "logger": "access",
            "message": f"{method} {path} {number}",
            "method": method,
            "path": path,
            "status": number,
            "seconds": round(seconds, 6),
            "bytes": size,
            "client": environ.get("REMOTE_ADDR", ""),
            **{name: text[:_LONGEST_ID] for name, text in request_ids(environ).items()},
        }
        if self._form == logs.JSON:
            line = json_line(entry)
        else:
            text = (
                '{time} {level} access: {method} "{path}" {status} {seconds} s {bytes} bytes client {client} '
                'request "{request_id}" inference "{inference_id}" trace "{trace_id}"'
            )
            line = text.format(**{name: _quoted(value) for name, value in entry.items()})
        self._outlet.write(f"{line}\n".encode("ascii", "backslashreplace"))


def _quoted(value: object) -> object:
    return one_line(value).replace('"', "\\x22") if isinstance(value, str) else value
