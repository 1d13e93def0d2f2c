"""A table of channels, and a job's checked against it, all faults at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mlberth.contract.channels import Channel
from mlberth.errors import Fault

CSV, LIBSVM, PARQUET, RECORDIO = "csv", "libsvm", "parquet", "recordio-protobuf"
MODEL = "model"
"""Not rows, but a model that training goes on from."""
FORMS = {
    "text/csv": CSV,
    "text/libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "application/x-parquet": PARQUET,
    "application/x-recordio-protobuf": RECORDIO,
    "application/x-sagemaker-model": MODEL,
    **{form: form for form in (CSV, LIBSVM, PARQUET, RECORDIO)},
}
"""The forms of data by the content types that name them."""
CODE = "code"
"""The channel that may hold a program; an algorithm does not look into it."""


class ContentType(NamedTuple):
    """What a channel's ContentType says."""

    form: str
    label_size: int | None = None
    """How many columns at the left are labels; None if it does not say."""


class ChannelRule(NamedTuple):
    """One channel that an algorithm takes."""

    name: str
    required: bool = False
    forms: tuple[str, ...] = (CSV, LIBSVM, PARQUET, RECORDIO)
    """The first is what a channel without a ContentType is taken for."""
    modes: tuple[str, ...] = ("File", "FastFile", "Pipe")
    """In Pipe mode there is no parquet: it cannot be read from its beginning to its end."""
    label_sizes: tuple[int, ...] = (1,)
    """What `label_size` may be; the first if the content type has none."""
    help: str = ""

    def content_type(self, channel: Channel) -> ContentType:
        """Return the form and the number of labels of a job's channel; raises ValueError for others."""
        if not channel.content_type:
            return ContentType(self.forms[0], self.label_sizes[0])
        found = parse_content_type(channel.content_type)
        if found.form not in self.forms:
            raise ValueError(found.form)
        size = self.label_sizes[0] if found.label_size is None else found.label_size
        if size not in self.label_sizes:
            raise ValueError(size)
        return ContentType(found.form, size)


def parse_content_type(text: str) -> ContentType:
    """Return what `text/csv; label_size=1` says; raises ValueError for a form that there is not."""
    name, *parameters = (part.strip() for part in text.lower().split(";"))
    if name not in FORMS:
        raise ValueError(name)
    pairs = (parameter.partition("=") for parameter in parameters)
    sizes = [int(value) for key, _, value in pairs if key.strip() == "label_size"]
    return ContentType(FORMS[name], sizes[0] if sizes else None)


def channel_faults(rules: Sequence[ChannelRule], channels: Mapping[str, Channel]) -> list[Fault]:
    """Return everything that is wrong with the channels of a job."""
    faults = []
    for rule in rules:
        if rule.name in channels:
            faults += _faults(rule, channels[rule.name])
        elif rule.required:
            faults.append(Fault(f"the channel {rule.name}", "nothing", "data, which is required"))
    known = ", ".join(rule.name for rule in rules)
    extra = sorted(channels.keys() - {rule.name for rule in rules} - {CODE})
    faults += [
        Fault(f"the channel {name}", "data", f"one of those that there are ({known})") for name in extra
    ]
    return faults


def _faults(rule: ChannelRule, channel: Channel) -> list[Fault]:
    where = f"the channel {rule.name}"
    if channel.mode not in rule.modes:
        return [Fault(f"{where}, TrainingInputMode", channel.mode, " or ".join(rule.modes))]
    try:
        form, _ = rule.content_type(channel)
    except ValueError:
        types = ", ".join(name for name, form in FORMS.items() if form in rule.forms)
        sizes = " or ".join(map(str, rule.label_sizes))
        expected = f"one of {types}; label_size={sizes}, or none"
        return [Fault(f"{where}, ContentType", repr(channel.content_type), expected)]
    if form == PARQUET and channel.mode == "Pipe":
        action = "Use File or FastFile mode."
        return [Fault(f"{where}, TrainingInputMode", "Pipe", "another mode for parquet", action)]
    return []
