"""The fork server's children, as far as they need no process."""

from __future__ import annotations

from mlberth_serve.worker.fork_server import replace_environ


class Noting(dict[str, str]):
    """An environment that notes what is written."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.written: list[str] = []

    def __setitem__(self, name: str, text: str) -> None:
        self.written.append(name)
        super().__setitem__(name, text)


def test_environment_is_replaced_where_it_differs() -> None:
    """What a process inherits and is to have is not written again: its memory stays shared."""
    environ, wanted = (
        Noting({"SAME": "1", "OTHER": "2", "GONE": "3"}),
        {"SAME": "1", "OTHER": "4", "NEW": "5"},
    )
    replace_environ(environ, wanted)
    assert environ == wanted
    assert sorted(environ.written) == ["NEW", "OTHER"]
