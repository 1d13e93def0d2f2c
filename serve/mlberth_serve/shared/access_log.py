"""The access log: a line for each request. nginx writes it; where there is no nginx, the worker does.

Only the path is written, not what follows the question mark, where clients put secrets.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mlberth import logs
from mlberth.log_escapes import json_line, one_line
from mlberth_serve.shared.request_ids import request_ids

TRACE_HEADER = "X-Mlberth-Trace"
"""What a worker tells nginx of the trace, for this log; nginx does not pass it on."""

ACCESS_MARK = b"|"
"""What nginx's lines of the access log begin with; none of its errors does."""
_JSON_FORMAT = (
    '{"time":"$time_iso8601","level":"INFO","logger":"access","method":"$log_method","path":"$log_path",'
    '"status":"$status","seconds":$request_time,"bytes":$body_bytes_sent,"request_id":"$request_id",'
    '"inference_id":"$log_inference","trace_id":"$upstream_http_x_mlberth_trace"}'
)
_TEXT_FORMAT = (
    '$time_iso8601 INFO access: $log_method "$log_path" $status $request_time s $body_bytes_sent bytes '
    'request "$request_id" inference "$log_inference" trace "$upstream_http_x_mlberth_trace"'
)
_STDOUT = 1
_PATIENCE = 0.05
"""How many seconds a line waits for its reader, once."""
_LONGEST_METHOD = 32
_LONGEST_PATH = 512
_LONGEST_ID = 256
"""In characters: a pipe takes a line whole that is shorter than 4096 bytes, each character up to four."""
# $uri becomes that of the error page that a request is sent to, and $request_uri has the question mark.
# Neither way of escaping makes valid JSON of bytes beyond ASCII, which the platform does not pass on.
_SERVER = f"""\
uninitialized_variable_warn off;
if ($log_path = "") {{
    set $log_path $uri;
}}
if ($log_path ~ "^([^?]*)\\?") {{
    set $log_path $1;
}}
if ($log_path ~ "^(.{{{_LONGEST_PATH}}})") {{
    set $log_path $1;
}}
if ($log_path ~ "[^ -~]") {{
    set $log_path "unprintable";
}}
set $log_method $request_method;
if ($log_method ~ "^(.{{{_LONGEST_METHOD}}})") {{
    set $log_method $1;
}}
set $log_inference $http_x_amzn_sagemaker_inference_id;
if ($log_inference ~ "^(.{{{_LONGEST_ID}}})") {{
    set $log_inference $1;
}}
if ($log_inference ~ "[^ -~]") {{
    set $log_inference "unprintable";
}}
proxy_hide_header {TRACE_HEADER};
access_log "" mlberth;
"""


def access_snippets(form: str) -> dict[str, str]:
    """Return the files that make nginx write the access log, by their path below the private folder."""
    escape, line = ("json", _JSON_FORMAT) if form == logs.JSON else ("default", _TEXT_FORMAT)
    # Without a name the file is standard error: the pipe through which all of nginx's lines come to us.
    http = f"log_format mlberth escape={escape} '{ACCESS_MARK.decode()}{line}';\n"
    return {"http.d/access.conf": http, "server.d/access.conf": _SERVER}


class AccessLog:
    """Writes the lines that nginx would, to standard output or a duplicate of it."""

    def __init__(self, form: str, descriptor: int = _STDOUT) -> None:
        self._form = form
        self._outlet = logs.make_outlet(descriptor, form, patience=_PATIENCE)

    def write(self, environ: Mapping[str, Any], status: str, seconds: float, size: int) -> None:
        """Write the line of one answered request, or drop it: the request is not in its debt."""
        entry: dict[str, object] = {
            "time": logs.utc_time(time.time()),
            "level": "INFO",
            "logger": "access",
            "method": environ["REQUEST_METHOD"][:_LONGEST_METHOD],
            "path": environ["PATH_INFO"].partition("?")[0][:_LONGEST_PATH],
            "status": status[:3],
            "seconds": round(seconds, 6),
            "bytes": size,
            **{name: text[:_LONGEST_ID] for name, text in request_ids(environ).items()},
        }
        if self._form == logs.JSON:
            line = json_line(entry)
        else:
            text = (
                '{time} INFO access: {method} "{path}" {status} {seconds} s {bytes} bytes '
                'request "{request_id}" inference "{inference_id}" trace "{trace_id}"'
            )
            line = text.format(**{name: _quoted(value) for name, value in entry.items()})
        self._outlet.write(f"{line}\n".encode("ascii", "backslashreplace"))


def _quoted(value: object) -> object:
    return one_line(value).replace('"', "\\x22") if isinstance(value, str) else value
