"""A real Slurm cluster on this machine: a head and some nodes in namespaces of their own; needs root.

The head has the bridge, so that no firewall of this machine stands in its way, and no device is left here. A
node is a network, a host name and a process tree: to kill its first process is to pull its plug.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support import wait_until

_COMMANDS = {
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "munged": "munge",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
}
_NODE = ("--pid", "--fork", "--kill-child", "--mount-proc")
"""What a node has of its own, beside what the head has too: its processes end with the first."""
_HEAD, _NETWORK = "head", "10.78.0"
HEAD_ADDRESS = f"{_NETWORK}.254"
KILL_WAIT = 6
"""Seconds from SIGTERM to SIGKILL, of a job that is cancelled or whose time is up."""
_CONFIGURATION = """
ClusterName=mlberth
SlurmctldHost={head}({network}.254)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/linear
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,default_queue_depth=20
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdParameters=config_overrides
KillWait={kill_wait}
OverTimeLimit=0
JobRequeue=1
MailProg=/bin/true
NodeName={first} NodeAddr={network}.[1-{count}] CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime={kill_wait}
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=9 PreemptMode=OFF
"""
# Waits until its network is there. The first process of a node must reap: a shell that runs one more does.
_HOST = """
hostname {name} && mount --bind {folder}/hosts /etc/hosts && echo here && read -r go && ip link set lo up
"""


def why_not() -> str:
    """Return why no cluster can be had on this machine; "" if one can."""
    missing = sorted({package for command, package in _COMMANDS.items() if not shutil.which(command)})
    if missing:
        return f"needs {', '.join(missing)} of Debian"
    if os.geteuid():
        return "needs root, for namespaces"
    apart = ["unshare", "--net", "--uts", "--mount", *_NODE]
    cable = ["ip", "link", "add", "end0", "type", "veth", "peer", "name", "end1"]
    tried = subprocess.run([*apart, *cable], check=False, capture_output=True, text=True)
    return f"this machine forbids namespaces: {tried.stderr.strip()}" if tried.returncode else ""


class Cluster:
    """A cluster that runs; its state, its logs and what its jobs share are in one folder."""

    def __init__(self, folder: Path, nodes: int = 3) -> None:
        self.folder = folder
        self.nodes = [f"node{number + 1}" for number in range(nodes)]
        self.shared = folder / "shared"
        """A folder that is the same on all nodes."""
        self._environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))
        } | {"SLURM_CONF": str(folder / "slurm.conf")}
        self._hosts: dict[str, subprocess.Popen[str]] = {}

    @classmethod
    @contextmanager
    def started(cls, folder: Path, nodes: int = 3) -> Iterator[Cluster]:
        """Yield a cluster whose nodes are idle; end all of it."""
        cluster = cls(folder, nodes)
        with ExitStack() as stack:
            stack.callback(cluster._end)
            cluster._configure()
            stack.enter_context(cluster._munge())
            cluster._start_head()
            for name in cluster.nodes:
                cluster.start_node(name)
            cluster.wait_for_idle()
            yield cluster

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """Return the command that runs another one on the head."""
        enter = ["nsenter", f"--target={self._hosts[_HEAD].pid}", "--net", "--uts", "--mount"]
        return [*enter, f"--wd={Path.cwd()}", "--", *map(str, argv)]

    def start(
        self, argv: Sequence[str | Path], environ: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command on the head, such as srun; both its outputs are one."""
        return subprocess.Popen(
            self.command(argv),
            env=self._environ | {**(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(
        self, *argv: str | Path, environ: Mapping[str, str] | None = None, timeout: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the head to its end."""
        with self.start(argv, environ) as process:
            try:
                out, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(argv, process.returncode, out, "")

    def inside(self, name: str, *argv: str) -> None:
        """Run a command inside a node, among its processes."""
        first = Path(f"/proc/{self._hosts[name].pid}/task/{self._hosts[name].pid}/children").read_text()
        enter = ["nsenter", f"--target={first.strip()}", "--net", "--uts", "--mount", "--pid"]
        subprocess.run([*enter, *argv], check=True, capture_output=True, timeout=30)

    def submit(self, script: Path, *options: str, environ: Mapping[str, str] | None = None) -> str:
        """Submit a script; return the job's number."""
        done = self.run("sbatch", "--parsable", *options, script, environ=environ)
        assert done.returncode == 0, done.stdout
        return done.stdout.strip().splitlines()[-1]

    def job(self, number: str) -> dict[str, str]:
        """Return what `scontrol` says of a job."""
        out = self.run("scontrol", "--oneliner", "show", "job", number).stdout
        return dict(word.split("=", 1) for word in out.split() if "=" in word)

    def end_of(self, number: str, timeout: float = 120.0) -> dict[str, str]:
        """Wait for the end of a job; return what `scontrol` says of it then."""
        ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED")
        wait_until(
            lambda: self.job(number).get("JobState") in ended,
            timeout=timeout,
            message=f"job {number} has not ended: {self.job(number)}",
        )
        return self.job(number)

    def states(self) -> dict[str, str]:
        """Return the state of each node."""
        out = self.run("sinfo", "--Node", "--noheader", "--format=%N %T", "--partition=all").stdout
        return dict(line.split() for line in out.splitlines() if len(line.split()) == 2)

    def wait_for_idle(self) -> None:
        """Wait until no job is left and every node is free.

        Slurm takes up to two minutes to ask a node again for the end of a job whose message was lost.
        """
        states: dict[str, str] = {}

        def are_idle() -> bool:
            states.update(self.states())
            return set(states.values()) == {"idle"} and len(states) == len(self.nodes)

        wait_until(are_idle, timeout=180, message=lambda: f"not idle: {states}; see {self.folder}")

    def tidy(self) -> None:
        """End every job, switch all nodes on, and empty the shared folder."""
        self.run("scancel", "--user=root")
        for name in self.nodes:
            if name not in self._hosts:
                self.give_up_node(name)
                self.start_node(name)
                self.run("scontrol", "update", f"NodeName={name}", "State=RESUME")
        self.wait_for_idle()
        shutil.rmtree(self.shared)
        self.shared.mkdir()

    def start_node(self, name: str) -> None:
        """Switch a node on."""
        number = self.nodes.index(name) + 1
        network = f"ip link set eth0 up && ip address add {_NETWORK}.{number}/24 dev eth0"
        self._start_host(name, f"{network} && slurmd -D -N {name}; true", _NODE)
        pid = self._hosts[name].pid
        self._in_head("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        self._in_head("ip", "link", "set", name, "master", "bridge", "up")
        self._go(name)

    def kill_node(self, name: str) -> None:
        """Pull a node's plug: nothing of it is left."""
        self._end_host(name, signal.SIGKILL)

    def give_up_node(self, name: str) -> None:
        """Have Slurm give a dead node up now, and not after its SlurmdTimeout."""
        self.run("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=dead")

    def _configure(self) -> None:
        names = [f"node[1-{len(self.nodes)}]", len(self.nodes)]
        text = _CONFIGURATION.format(
            head=_HEAD,
            network=_NETWORK,
            folder=self.folder,
            first=names[0],
            count=names[1],
            kill_wait=KILL_WAIT,
        )
        for path in (self.folder / "state", self.shared, *(self.folder / f"spool-{n}" for n in self.nodes)):
            path.mkdir()
        (self.folder / "slurm.conf").write_text(text)
        addresses = {_HEAD: 254, **{name: number + 1 for number, name in enumerate(self.nodes)}}
        lines = [f"{_NETWORK}.{number} {name}\n" for name, number in addresses.items()]
        (self.folder / "hosts").write_text("".join(["127.0.0.1 localhost\n", *lines]))

    @contextmanager
    def _munge(self) -> Iterator[None]:
        key, socket = self.folder / "munge.key", self.folder / "munge.socket"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        files = {"key": key, "log": self.folder / "munged.log", "pid": self.folder / "munged.pid"}
        argv = ["setpriv", "--pdeathsig=KILL", "munged", "--foreground", "--force", f"--socket={socket}"]
        argv += [f"--{name}-file={file}" for name, file in files.items()]
        argv += [f"--seed-file={self.folder / 'munged.seed'}"]
        with (
            (self.folder / "munged.out").open("w") as out,
            subprocess.Popen(argv, stdout=out, stderr=out) as munged,
        ):
            try:
                wait_until(socket.exists)
                yield
            finally:
                munged.terminate()

    def _start_head(self) -> None:
        script = f"ip link set bridge up && ip address add {_NETWORK}.254/24 dev bridge && exec slurmctld -D"
        self._start_host(_HEAD, script, [])
        self._in_head("ip", "link", "add", "bridge", "type", "bridge")
        self._go(_HEAD)

    def _start_host(self, name: str, script: str, apart: Sequence[str]) -> None:
        """Start the first process of a host, which waits for its network."""
        spaces = ["unshare", "--net", "--uts", "--mount", *apart]
        shell = ["sh", "-c", f"{_HOST.format(name=name, folder=self.folder).strip()} && {script}"]
        with (self.folder / f"{name}.out").open("a") as errors:
            host = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *spaces, *shell],  # it must not outlive the tests
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._hosts[name] = host
        assert host.stdout
        said = host.stdout.readline()
        assert said == "here\n", (self.folder / f"{name}.out").read_text()

    def _go(self, name: str) -> None:
        stdin = self._hosts[name].stdin
        assert stdin
        stdin.write("go\n")
        stdin.flush()

    def _in_head(self, *argv: str) -> None:
        network = [f"--target={self._hosts[_HEAD].pid}", "--net"]
        # A node that was just killed keeps its end of a cable for a moment.
        deadline = time.monotonic() + 10
        while True:
            done = subprocess.run(["nsenter", *network, *argv], check=False, capture_output=True, text=True)
            if done.returncode == 0:
                return
            if "File exists" not in done.stderr or time.monotonic() > deadline:
                raise AssertionError(f"{' '.join(argv)}: {done.stderr}")
            time.sleep(0.05)

    def _end(self) -> None:
        for name in self.nodes:
            self._end_host(name, signal.SIGKILL)
        self._end_host(_HEAD, signal.SIGTERM)  # it then ends a process of its own

    def _end_host(self, name: str, number: int) -> None:
        if host := self._hosts.pop(name, None):
            with host:  # which waits for its end
                host.send_signal(number)
