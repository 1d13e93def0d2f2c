"""Programs on several hosts: each host is a real `train` with a tree and an address of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from tests.support import is_alive, wait_until
from tests.train.hosts import HostGroup
from tests.train.running import BIN, ended

TRAIN = BIN / "train"

PROMPT = 30.0
"""How many seconds after a failure anywhere every host has ended."""
SHOW = """
import json, os, pathlib
names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
names += ("SM_CURRENT_HOST", "SM_MASTER_ADDR", "SM_CURRENT_HOST_RANK", "TF_CONFIG", "MLBERTH_PLAN")
seen = {name: os.environ.get(name) for name in names}
pathlib.Path(os.environ["SM_MODEL_DIR"], f"{seen['RANK']}.json").write_text(json.dumps(seen))
print("hello"); print("world")
"""
# A program that says that it runs, and waits as a rank in a collective does.
WAIT = """
import os, pathlib, signal, sys, time
{handler}
pathlib.Path("running-" + os.environ["RANK"]).write_text(str(os.getpid()))
{last}
while True: signal.pause()
"""
SAVE = """
def save(number, frame):
    time.sleep(1)
    pathlib.Path(os.environ["SM_MODEL_DIR"], "saved-" + os.environ["RANK"]).touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
"""


def waiting(tmp_path: Path, count: int = 2, *, handler: str = "", last: str = "") -> HostGroup:
    """Return hosts whose program waits, after `last`."""
    return HostGroup(tmp_path, count).code(train__py=WAIT.format(handler=handler, last=last))


def pids(group: HostGroup) -> list[int]:
    """Return the processes of the program that wait, on all hosts."""
    files = [path for tree in group.trees for path in sorted(tree.layout.code.glob("running-*"))]
    return [int(text) for file in files if (text := file.read_text())]


def seen(group: HostGroup) -> dict[str, dict[str, str]]:
    """Return what each rank has found in its environment, by its rank."""
    files = [path for tree in group.trees for path in tree.layout.model.glob("*.json")]
    return {path.stem: json.loads(path.read_text()) for path in files}


def test_plain_ranks_know_each_other(tmp_path: Path) -> None:
    """Each process has its rank, and all have the same leader; lines begin with the rank."""
    group = HostGroup(tmp_path, 2).code(train__py=SHOW)
    hosts = group.train(SAGEMAKER_LAUNCHER="plain", SAGEMAKER_PROCESSES_PER_HOST="2")
    assert [host.code for host in hosts] == [0, 0], hosts
    found = seen(group)
    assert sorted(found) == ["0", "1", "2", "3"]
    assert [found[rank]["LOCAL_RANK"] for rank in sorted(found)] == ["0", "1", "0", "1"]
    assert [found[rank]["SM_CURRENT_HOST"][-1] for rank in sorted(found)] == ["2", "2", "3", "3"]
    common = {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": group.environ["MASTER_PORT"]}
    common |= {"MASTER_ADDR": "127.0.0.2", "SM_MASTER_ADDR": "127.0.0.2"}
    for variables in found.values():
        assert common.items() <= variables.items()
        assert variables["MLBERTH_PLAN"] is None
    assert sorted(hosts[1].out.splitlines()) == [
        f"[rank {n}] {w}" for n in (2, 3) for w in ("hello", "world")
    ]
    assert all(tree.layout.success.exists() for tree in group.trees)


def test_leader_is_the_first_of_the_sorted_hosts(tmp_path: Path) -> None:
    """The order of the file does not matter: every host has the same leader and ranks."""
    group = HostGroup(tmp_path, 2).code(train__py=SHOW)
    names = list(reversed(group.names))
    for name, tree in zip(group.names, group.trees, strict=True):
        tree.config(resourceconfig={"current_host": name, "hosts": names})
    assert [host.code for host in group.train(SAGEMAKER_LAUNCHER="plain")] == [0, 0]
    found = seen(group)
    assert {rank: variables["SM_CURRENT_HOST"] for rank, variables in found.items()} == {
        "0": "127.0.0.2",
        "1": "127.0.0.3",
    }
    assert found["1"]["SM_CURRENT_HOST_RANK"] == "1"


def test_hosts_outside_of_the_distribution_run_alone(tmp_path: Path) -> None:
    """In a heterogeneous cluster only the groups that are named train together."""
    parameters = {"sagemaker_distribution_instance_groups": '["gpus"]'}
    group = HostGroup(tmp_path, 3, hyperparameters=parameters).code(train__py=SHOW)
    kinds = {"data": group.names[:1], "gpus": group.names[1:]}
    for name, tree in zip(group.names, group.trees, strict=True):
        groups = [{"instance_group_name": k, "instance_type": "x", "hosts": v} for k, v in kinds.items()]
        own = "data" if name in kinds["data"] else "gpus"
        hosts = {"current_host": name, "hosts": group.names, "current_group_name": own}
        tree.config(resourceconfig={**hosts, "instance_groups": groups})
    assert [host.code for host in group.train(SAGEMAKER_LAUNCHER="plain")] == [0, 0, 0]
    found = seen(group)
    assert sorted(found) == ["0", "1", "None"]
    assert found["None"]["SM_CURRENT_HOST"] == "127.0.0.2"
    assert {found[rank]["MASTER_ADDR"] for rank in "01"} == {"127.0.0.3"}


def test_first_rank_that_fails_is_every_hosts_failure(tmp_path: Path) -> None:
    """Its traceback, host and rank are in each failure file, with its exit code; the others are ended."""
    last = "if os.environ['RANK'] == '3':\n    import os.nothing\n"
    group = waiting(tmp_path, last=last)
    began = time.monotonic()
    hosts = group.train(SAGEMAKER_LAUNCHER="plain", SAGEMAKER_PROCESSES_PER_HOST="2")
    assert time.monotonic() - began < PROMPT
    for host, tree in zip(hosts, group.trees, strict=True):
        assert host.code == 1
        assert tree.failure.startswith("ModuleNotFoundError: No module named 'os.nothing'")
        assert "at train.py:6" in tree.failure
        assert "Exit code 1 on 127.0.0.3 (rank 3 of 4)." in tree.failure
    details = json.loads((group.trees[0].layout.output_data / "failure.json").read_text())
    assert (details["host"], details["rank"], details["ranks"]) == ("127.0.0.3", 3, 4)
    assert not any(map(is_alive, pids(group)))


def test_rank_that_fails_because_of_the_first_is_not_the_reason(tmp_path: Path) -> None:
    """Who loses the other end of a connection may end before who has caused it."""
    program = """
import os, pathlib, socket, time
if os.environ["RANK"] == "1":
    server = socket.create_server(("127.0.0.3", int(os.environ["MASTER_PORT"])))
    connection, _ = server.accept()
    try:
        raise ValueError("the reason")
    except ValueError:
        import traceback; traceback.print_exc()
    connection.close(); time.sleep(0.7); os._exit(1)
while True:
    try:
        connection = socket.create_connection(("127.0.0.3", int(os.environ["MASTER_PORT"])))
        break
    except OSError:
        time.sleep(0.05)
if not connection.recv(1):
    raise ConnectionError("the other rank has gone")
"""
    group = HostGroup(tmp_path, 2).code(train__py=program)
    assert [host.code for host in group.train(SAGEMAKER_LAUNCHER="plain")] == [1, 1]
    for tree in group.trees:
        assert tree.failure.startswith("ValueError: the reason")
        assert "127.0.0.3 (rank 1 of 2)" in tree.failure


def test_killed_rank_ends_all_hosts(tmp_path: Path) -> None:
    """All others end with that reason, and nothing is left behind."""
    group = waiting(tmp_path)
    with group.running(SAGEMAKER_LAUNCHER="plain") as commands:
        wait_until(lambda: len(pids(group)) == 2)
        killed = time.monotonic()
        os.kill(pids(group)[1], signal.SIGKILL)
        hosts = [ended(command) for command in commands]
    assert time.monotonic() - killed < PROMPT
    assert [host.code for host in hosts] == [137, 137]
    for tree in group.trees:
        assert tree.failure.startswith("The program was killed by SIGKILL")
        assert "127.0.0.3 (rank 1 of 2)" in tree.failure
    assert not any(map(is_alive, pids(group)))


@pytest.mark.parametrize("lost", [0, 1], ids=["leader", "worker"])
def test_killed_host_ends_the_others(tmp_path: Path, lost: int) -> None:
    """A host whose `train` is killed, as when its machine dies, is named by the others."""
    group = waiting(tmp_path)
    with group.running(SAGEMAKER_LAUNCHER="plain") as commands:
        wait_until(lambda: len(pids(group)) == 2)
        commands[lost].kill()
        host = ended(commands[1 - lost])
    assert host.code == 70
    assert group.trees[1 - lost].failure.startswith(
        f"PlatformError: host {group.names[lost]}: found it closed its connection"
    )
    wait_until(lambda: not any(map(is_alive, pids(group))))


def test_stopped_rank_ends_all_hosts(tmp_path: Path) -> None:
    """It is named by all hosts, and goes on so that it can save what it has."""
    group = waiting(tmp_path, handler=SAVE)
    with group.running(SAGEMAKER_LAUNCHER="plain") as commands:
        wait_until(lambda: len(pids(group)) == 2)
        stopped = time.monotonic()
        os.kill(pids(group)[1], signal.SIGSTOP)
        hosts = [ended(command) for command in commands]
    assert time.monotonic() - stopped < PROMPT
    assert [host.code for host in hosts] == [70, 70], hosts
    for tree in group.trees:
        assert "rank 1 on 127.0.0.3: found stopped by a signal for 10 s" in tree.failure
    assert all((tree.layout.model / f"saved-{rank}").exists() for rank, tree in enumerate(group.trees))
    assert not any(map(is_alive, pids(group)))


@pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="takes a quarter of a minute")
@pytest.mark.parametrize("host", [0, 1], ids=["leader", "worker"])
@pytest.mark.parametrize("process", ["agent", "train"])
def test_stopped_process_of_ours_is_woken(tmp_path: Path, host: int, process: str) -> None:
    """A host whose own processes are stopped still reports, as all others do."""
    group = waiting(tmp_path)
    with group.running(SAGEMAKER_LAUNCHER="plain") as commands:
        wait_until(lambda: len(pids(group)) == 2)
        (agent,) = [pid for pid in children(commands[host].pid) if children(pid)]
        stopped = time.monotonic()
        os.kill(agent if process == "agent" else commands[host].pid, signal.SIGSTOP)
        hosts = [ended(command) for command in commands]
    assert time.monotonic() - stopped < PROMPT
    assert [ended.code for ended in hosts] == [70, 70], hosts
    name = "the agent of `train`" if process == "agent" else "`train`"
    for tree in group.trees:
        assert f"{name} on {group.names[host]}: found stopped by a signal for 10 s" in tree.failure
    assert not any(map(is_alive, pids(group)))


@pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="takes a quarter of a minute")
def test_stopped_host_is_given_up(tmp_path: Path) -> None:
    """A host that says nothing more, as behind a cut link, is lost after a while."""
    group = waiting(tmp_path)
    with group.running(SAGEMAKER_LAUNCHER="plain") as commands:
        wait_until(lambda: len(pids(group)) == 2)
        silent = [commands[1].pid, *children(commands[1].pid)]
        stopped = time.monotonic()
        for pid in silent:
            os.kill(pid, signal.SIGSTOP)
        host = ended(commands[0])
        for pid in silent:
            os.kill(pid, signal.SIGCONT)
        ended(commands[1])
    assert time.monotonic() - stopped < PROMPT
    assert "host 127.0.0.3: found no sign of life for 15 s" in group.trees[0].failure
    assert host.code == 70


@pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="takes a quarter of a minute")
def test_rank_that_waits_for_one_that_has_ended_is_given_up(tmp_path: Path) -> None:
    """The end may be a success: the others wait for ever all the same."""
    group = waiting(tmp_path, last="if os.environ['RANK'] == '1': sys.exit(0)")
    began = time.monotonic()
    hosts = group.train(SAGEMAKER_LAUNCHER="plain")
    assert time.monotonic() - began < PROMPT
    assert [host.code for host in hosts] == [70, 70], hosts
    for tree in group.trees:
        assert (
            "rank 0 on 127.0.0.2: found no CPU time used for 15 s, after the ranks on 127.0.0.3"
            in tree.failure
        )


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("launched", [1, 2], ids=["a process", "two processes"])
def test_stop_reaches_every_rank_on_every_host(tmp_path: Path, launched: int) -> None:
    """SIGTERM of one host lets all ranks save what they have, and is a success if they all end well."""
    group = waiting(tmp_path, handler=SAVE)
    environ = {"SAGEMAKER_PROCESSES_PER_HOST": str(launched), "SAGEMAKER_LOG_FORMAT": "json"}
    with group.running(SAGEMAKER_LAUNCHER="plain", **environ) as commands:
        wait_until(lambda: len(pids(group)) == 2 * launched)
        commands[1].send_signal(signal.SIGTERM)
        hosts = [ended(command) for command in commands]
    assert [host.code for host in hosts] == [0, 0], hosts
    saved = [path.name for tree in group.trees for path in sorted(tree.layout.model.iterdir())]
    assert saved == [f"saved-{rank}" for rank in range(2 * launched)]
    messages = [json.loads(line)["message"] for line in hosts[0].err.splitlines()]
    assert "SIGTERM reached 127.0.0.3; it is passed on to every rank" in messages


def test_stop_that_nobody_handles_is_the_reason(tmp_path: Path) -> None:
    """Every host says that it was stopped, and has the signal's exit code."""
    group = waiting(tmp_path)
    with group.running(SAGEMAKER_LAUNCHER="plain") as commands:
        wait_until(lambda: len(pids(group)) == 2)
        commands[0].send_signal(signal.SIGTERM)
        hosts = [ended(command) for command in commands]
    assert [host.code for host in hosts] == [143, 143]
    assert all(tree.failure.startswith("Stopped by SIGTERM\n") for tree in group.trees)


def test_stop_while_hosts_wait_for_each_other(tmp_path: Path) -> None:
    """No program is started any more."""
    group = waiting(tmp_path)
    commands = [group.trees[1].start([TRAIN], **group.environ, SAGEMAKER_LAUNCHER="plain")]
    wait_until(lambda: children(commands[0].pid))
    commands[0].send_signal(signal.SIGTERM)
    assert ended(commands[0]).code == 143
    assert group.trees[1].failure.startswith("Stopped by SIGTERM before the program began")


@pytest.mark.parametrize("absent", [0, 1], ids=["leader", "worker"])
def test_host_that_never_appears_is_named(tmp_path: Path, absent: int) -> None:
    """The wait is bounded, and the message has the name of the host, and its port."""
    group = waiting(tmp_path)
    environ = {**group.environ, "SAGEMAKER_HOST_WAIT_SECONDS": "1", "SAGEMAKER_LAUNCHER": "plain"}
    tree = group.trees[1 - absent]
    host = ended(tree.start([TRAIN], **environ))
    assert host.code == 70
    assert group.names[absent] in tree.failure
    assert group.environ["SAGEMAKER_LAUNCHER_PORT"] in tree.failure
    assert "after 1 s" in tree.failure
    assert pids(group) == []


def test_name_without_an_address_is_named(tmp_path: Path) -> None:
    """A host name that never resolves ends the wait, on the side of the leader as on the other's."""
    nowhere = "nowhere-" * 8  # no network is asked for it
    group = waiting(tmp_path)
    for name, tree in zip(group.names, group.trees, strict=True):
        tree.config(resourceconfig={"current_host": name, "hosts": [*group.names, nowhere]})
    environ = {"SAGEMAKER_LAUNCHER": "plain", "SAGEMAKER_HOST_WAIT_SECONDS": "1"}
    for host, tree in zip(group.train(**environ), group.trees, strict=True):
        assert host.code == 70
        assert f"found {nowhere} without an address after 1 s" in tree.failure
    assert pids(group) == []


def test_unequal_hosts_are_refused(tmp_path: Path) -> None:
    """Ranks can only be counted if each host has as many processes."""
    group = waiting(tmp_path)
    commands = [
        tree.start([TRAIN], **group.environ, SAGEMAKER_LAUNCHER="plain", SAGEMAKER_PROCESSES_PER_HOST=count)
        for tree, count in zip(group.trees, "12", strict=True)
    ]
    assert [ended(command).code for command in commands] == [78, 78]
    for tree in group.trees:
        assert "1 on 127.0.0.2, 2 on 127.0.0.3" in tree.failure
        assert "SAGEMAKER_PROCESSES_PER_HOST" in tree.failure


def test_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """The leader says which variable chooses another."""
    group = waiting(tmp_path)
    port = int(group.environ["SAGEMAKER_LAUNCHER_PORT"])
    with socket.create_server((group.names[0], port)):
        host = ended(group.trees[0].start([TRAIN], **group.environ, SAGEMAKER_LAUNCHER="plain"))
    assert host.code == 98
    assert f"SAGEMAKER_LAUNCHER_PORT: found {port}" in group.trees[0].failure


def test_strangers_do_no_harm(tmp_path: Path) -> None:
    """Who connects to the leader's port and is no host of the job is sent away."""
    group = waiting(tmp_path, handler=SAVE)
    leader = (group.names[0], int(group.environ["SAGEMAKER_LAUNCHER_PORT"]))
    other = {"kind": "join", "host": group.names[1], "job": "another", "processes": 1}
    with group.running(SAGEMAKER_LAUNCHER="plain") as commands:
        wait_until(lambda: len(pids(group)) == 2)
        for sent in (b"GET / HTTP/1.1\r\n\r\n", b"\xff\n", json.dumps(other).encode() + b"\n", b"[]\n"):
            with socket.create_connection(leader) as stranger:
                stranger.settimeout(PROMPT)
                stranger.sendall(sent)
                while stranger.recv(4096):
                    pass
        assert all(command.poll() is None for command in commands)
        commands[0].send_signal(signal.SIGTERM)
        assert [ended(command).code for command in commands] == [0, 0]
