"""Errors of both toolkits for training, and of their encoders."""

from __future__ import annotations

from typing import Any


class ClientError(Exception):
    """The fault of a request or of a user's program."""


class SMTrainingCompilerConfigurationError(Exception):
    """A wrong configuration of a compiler."""


class CalledProcessError(ClientError):
    """A process that has failed."""

    def __init__(
        self,
        cmd: Any,
        return_code: int | None = None,
        output: str | bytes | None = None,
        info: str | None = None,
    ) -> None:
        super().__init__()
        self.cmd = cmd
        self.return_code = return_code
        self.output = output
        self.extra_info = info

    def __str__(self) -> str:
        output = self.output.decode(errors="replace") if isinstance(self.output, bytes) else self.output
        more = f'\nExtraInfo "{self.extra_info}"' if self.extra_info else ""
        failed = f'ExitCode {self.return_code}\nErrorMessage "{output or ""}"{more}\nCommand "{self.cmd}"'
        return f"{type(self).__name__}:\n{failed}"


class InstallModuleError(CalledProcessError):
    """A package that cannot be installed."""


class InstallRequirementsError(CalledProcessError):
    """Requirements that cannot be installed."""


class ExecuteUserScriptError(CalledProcessError):
    """A program of the user's that has failed."""


class ImportModuleError(ClientError):
    """A module that cannot be imported."""


class ChannelDoesNotExistError(Exception):
    """A channel that is not there."""

    def __init__(self, channel_name: str) -> None:
        super().__init__(f"Channel {channel_name} is not a valid channel")


class UnsupportedFormatError(Exception):
    """A media type that nothing here reads or writes."""

    def __init__(self, content_type: str, **_: Any) -> None:
        self.message = f"Content type {content_type} is not supported: write an input_fn or an output_fn."
        super().__init__(self.message)
