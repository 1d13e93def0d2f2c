"""The way of one job: benchmark after benchmark, each committed before it begins and when it has ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

from mlberth_local import log_files
from mlberth_local.endpoints.instances import log_group
from mlberth_local.engines.base import EngineError
from mlberth_local.engines.trees import remove_tree
from mlberth_local.errors import ServiceError
from mlberth_local.job_failure import JobFailure
from mlberth_local.recommendations.candidates import caveat
from mlberth_local.recommendations.context import RecommendationContext
from mlberth_local.recommendations.generator import Generator
from mlberth_local.recommendations.instance import BenchmarkInstance
from mlberth_local.recommendations.load_test import LoadTest, PayloadRefusedError
from mlberth_local.recommendations.measurement import Conditions, conditions_of
from mlberth_local.recommendations.record import (
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    KIND,
    LOG_GROUP,
    LOG_STREAM,
    PENDING,
    STOPPED,
    STOPPING,
    Benchmark,
    RecommendationRecord,
    Result,
    benchmarks_of,
    ranked,
)
from mlberth_local.recommendations.samples import bring_samples
from mlberth_local.recommendations.traffic import Stage, doubling, stages
from mlberth_local.store.resources import Resource

LONGEST_REASON = 1024
_GONE_SECONDS = 60.0
"""For the instance of a benchmark to end: the platform gives a container 30 s."""
_LOOK_SECONDS = 0.05
log = logging.getLogger(__name__)


class _Interrupted(Exception):  # noqa: N818 - how a job ends, no error
    """The job has to stop, or its time is over."""


class JobRun:
    """Brings one job from where it is to its end; nothing is left of its instances."""

    def __init__(self, context: RecommendationContext, record: RecommendationRecord, stop: Event) -> None:
        self._context = context
        self._parts = context.endpoints.context.parts
        self._record = record
        self._stop = stop
        self._until = float("inf")

    def drive(self) -> None:
        """Run the benchmarks that have not ended. A job that a killed daemon has left goes on with them."""
        with self._record.changing() as (job, _):
            if job.finished:  # it was stopped a moment ago
                return
            if job.status != STOPPING:
                job.status = IN_PROGRESS
            job.state.setdefault("began", self._parts.clock())
        duration = job.request["InputConfig"].get("JobDurationInSeconds") or self._context.times.job
        self._until = job.state["began"] + duration
        reason = ""
        try:
            self._end_instances(job)  # of a daemon that was killed
            self._look()
            self._run(job)
        except _Interrupted:
            pass
        except JobFailure as failure:
            reason = str(failure)
        except (ServiceError, EngineError, OSError) as error:
            log.warning("%s: %s", self._record.name, error)
            reason = f"InternalServerError: {error}"
        self._end_instances(job)
        remove_tree(self._folder)
        self._finish(reason)

    @property
    def _folder(self) -> Path:
        return self._parts.runs / f"{KIND}.{self._record.name}"

    def _look(self) -> None:
        if self._stop.is_set() or self._parts.clock() > self._until:
            raise _Interrupted

    def _run(self, job: Resource) -> None:
        remove_tree(self._folder)
        payload = job.request["InputConfig"]["ContainerConfig"]["PayloadConfig"]
        types = payload.get("SupportedContentTypes") or ["text/csv"]
        samples = bring_samples(payload["SamplePayloadUrl"], self._folder, types, self._parts.objects)
        for number, benchmark in enumerate(benchmarks_of(job)):
            if benchmark.status not in (PENDING, IN_PROGRESS):
                continue
            self._change(number, lambda one: replace(one, status=IN_PROGRESS))
            self._note(f"{benchmark}: starting")
            if text := caveat(benchmark, self._parts.capacity, limited=self._parts.in_containers):
                self._note(f"{benchmark}: {text}")
            try:
                self._test(number, benchmark, job, samples)
            except PayloadRefusedError as failure:
                reason = f"{failure} Its log: {log_group(benchmark.endpoint)}"
                self._fail(number, reason)
                raise JobFailure(reason) from failure
            except JobFailure as failure:
                self._fail(number, str(failure))
                self._note(f"{benchmark}: {failure}")
            except (ServiceError, EngineError) as error:
                self._fail(number, f"InternalServerError: {error}")

    def _test(self, number: int, benchmark: Benchmark, job: Resource, samples: list[tuple[str, str]]) -> None:
        instance = self._instance(job, benchmark)
        begun = time.monotonic()
        try:
            port = instance.start()
            setup = int(1000 * (time.monotonic() - begun))
            self._note(f"{benchmark}: ready after {setup / 1000:.1f} s")
            began = self._parts.clock()
            result = self._load(job, benchmark, instance, port, samples)
            ended = self._parts.clock()
        finally:
            instance.end()
        # The next one must have the machine for itself.
        self._await_gone(instance)
        result = replace(result, setup=setup) if benchmark.serverless else result
        self._change(
            number, lambda one: replace(one, status=COMPLETED, began=began, ended=ended, result=result)
        )

    def _load(
        self,
        job: Resource,
        benchmark: Benchmark,
        instance: BenchmarkInstance,
        port: int,
        samples: list[tuple[str, str]],
    ) -> Result:
        container = job.request["InputConfig"]["ContainerConfig"]
        accept = (container.get("SupportedResponseMIMETypes") or [None])[0]
        pattern = job.request["InputConfig"].get("TrafficPattern")
        test = LoadTest(
            _bounded(stages(pattern) if pattern else doubling(self._context.times.stage), benchmark),
            conditions_of(job.request),
            0.0 if pattern else self._context.times.stage,
            instance.limits["memory"],
            lambda: instance.usage(port),
            lambda line: self._note(f"{benchmark}: {line}"),
        )
        environ = self._context.environ
        try:
            with Generator(port, samples, accept=accept, environ=environ, look=self._look) as generator:
                result = test.run(generator)
        except JobFailure as failure:
            if problem := instance.problem(port):
                raise JobFailure(problem) from failure
            raise
        if problem := instance.problem(port):
            raise JobFailure(problem)
        return result

    def _instance(self, job: Resource, benchmark: Benchmark) -> BenchmarkInstance:
        arn = self._context.arn("sagemaker", f"endpoint/{benchmark.endpoint}")
        return BenchmarkInstance(self._context.endpoints, job, benchmark, arn, self._look)

    def _end_instances(self, job: Resource) -> None:
        instances = [self._instance(job, one) for one in benchmarks_of(job)]
        for instance in instances:
            instance.end()
        for instance in instances:
            self._await_gone(instance)

    def _await_gone(self, instance: BenchmarkInstance) -> None:
        deadline = time.monotonic() + _GONE_SECONDS
        while not instance.is_gone():
            if time.monotonic() > deadline:
                log.warning("%s: an instance has not ended after %g s", self._record.name, _GONE_SECONDS)
                return
            time.sleep(_LOOK_SECONDS)

    def _change(self, number: int, apply: Callable[[Benchmark], Benchmark]) -> None:
        with self._record.changing() as (_, benchmarks):
            benchmarks[number] = apply(benchmarks[number])

    def _fail(self, number: int, reason: str) -> None:
        ended = self._parts.clock()
        self._change(
            number, lambda one: replace(one, status=FAILED, reason=reason[:LONGEST_REASON], ended=ended)
        )

    def _note(self, line: str) -> None:
        path = log_files.stream_file(self._parts.logs, LOG_GROUP, f"{self._record.name}/{LOG_STREAM}")
        with suppress(OSError):  # a full disk: the record says what counts
            writer = log_files.LogWriter(path)
            writer.write([line.encode()])
            writer.close()

    def _finish(self, reason: str) -> None:
        now = self._parts.clock()
        with self._record.changing() as (job, benchmarks):
            for one in benchmarks:
                if one.status in (PENDING, IN_PROGRESS):
                    one.status = STOPPED
            if job.status == STOPPING:
                job.status = STOPPED
            else:
                reason = reason or _reason(benchmarks, conditions_of(job.request))
                job.status = FAILED if reason else COMPLETED
                job.state["reason"] = reason[:LONGEST_REASON]
            job.state["ended"] = now
            job.finished = True
        self._note(f"the job is {job.status}" + (f": {reason}" if job.status == FAILED else ""))


def _bounded(found: list[Stage], benchmark: Benchmark) -> list[Stage]:
    """Return stages with no more users than a serverless instance takes requests at a time."""
    most = (benchmark.serverless or {}).get("MaxConcurrency")
    if most is None:
        return found
    bounded: list[Stage] = []
    for stage in found:
        if stage.users <= most or not bounded or bounded[-1].users < most:
            bounded.append(replace(stage, users=min(stage.users, most)))
    return bounded


def _reason(benchmarks: list[Benchmark], conditions: Conditions) -> str:
    """Return why there is nothing to recommend; empty if there is something."""
    if ranked(benchmarks):
        return ""
    measured = [one for one in benchmarks if one.result]
    if measured:
        nearest = min(measured, key=lambda one: one.result.latency if one.result else 0.0)
        assert nearest.result
        if conditions.threshold is None or nearest.result.latency <= conditions.threshold:
            return f"AlgorithmError: requests failed in every configuration; the log in {LOG_GROUP} says why"
        return (
            f"ClientError: no configuration holds {conditions.percentile} at {conditions.threshold:g} ms; "
            f"the nearest is {nearest}, with {nearest.result.latency:.1f} ms"
        )
    failed = next((one.reason for one in benchmarks if one.reason), "")
    return failed or "ClientError: JobDurationInSeconds was over before a configuration was tested"
