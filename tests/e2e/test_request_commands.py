"""The original request's command lines, typed into one shell as they stand, on its own ports."""

import os
import shutil
import socket
import subprocess

import pytest

import harness
from harness import LIMIT_S, REQUEST_PORTS, end_processes_in, get, post, processes_in, query, request_lines, wait_until

COORDINATOR = "http://127.0.0.1:8531"
ORDER = ["agent1", "agent2", "agent3", "primary1", "primary2", "coordinator", "secondary1", "secondary2"]


class Shell:
    """An interactive-like shell (job control on) in one folder, with arangod in its PATH."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "bin").mkdir(exist_ok=True)
        if not (folder / "bin/arangod").exists():
            shutil.copy2(harness.ARANGOD, folder / "bin/arangod")
        self.jobs = {}

    def type(self, name, line):
        """Types a line as it stands; the exit code of its background job goes to a file."""
        line = line.strip()
        background = line if line.endswith("&") else line + " &"
        exit_file = self.folder / f"{name}.exit"
        exit_file.unlink(missing_ok=True)
        script = f"set -m\n{background}\nwait $!\necho $? > {exit_file}\n"
        with open(self.folder / f"{name}.out", "ab") as log:
            environment = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
            self.jobs[name] = subprocess.Popen(["bash", "-c", script], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def exit_codes(self):
        for job in self.jobs.values():
            job.wait(LIMIT_S)
        return {name: int((self.folder / f"{name}.exit").read_text()) for name in self.jobs}

    def output(self):
        return "\n".join(f"--- {name}\n{(self.folder / f'{name}.out').read_text(errors='replace')[-1500:]}" for name in self.jobs)


def answers(url, path="/_api/version"):
    return get(url, path).status_code == 200


def server_pids(folder):
    """The arangod processes of this folder; other clusters on the machine are none of our business."""
    ours = set(processes_in(folder))
    found = subprocess.run(["pidof", "arangod"], capture_output=True, text=True, check=False).stdout.split()
    return {int(pid) for pid in found} & ours


def type_all(shell):
    """What a person does: types the lines in order, and the last two when the coordinator is up."""
    lines = request_lines()
    for name in ORDER[:4]:
        shell.type(name, lines[name])
    wait_until(lambda: answers("http://127.0.0.1:8529"), f"the first primary answers\n{shell.output()}")
    for name in ORDER[4:6]:
        shell.type(name, lines[name])
    wait_until(lambda: answers(COORDINATOR, "/_admin/server/availability"), f"the coordinator is available\n{shell.output()}")
    wait_until(lambda: answers("http://127.0.0.1:8530"), f"the second primary answers\n{shell.output()}")
    for name in ORDER[6:]:
        shell.type(name, lines[name])
    for port in (8629, 8630):
        wait_until(lambda port=port: answers(f"http://127.0.0.1:{port}"), f"the secondary on {port} answers\n{shell.output()}")


def interrupt_all(shell, folder):
    """``kill -2 `pidof arangod` ``, for our processes only; every exit code must be 0."""
    pids = server_pids(folder)
    assert len(pids) == 8, f"pidof arangod finds {len(pids)} of our servers\n{shell.output()}"
    subprocess.run(["kill", "-2", *map(str, pids)], check=True)
    assert shell.exit_codes() == dict.fromkeys(ORDER, 0), shell.output()
    assert not server_pids(folder)


@pytest.fixture
def shell(tmp_path):
    for port in REQUEST_PORTS.values():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("0.0.0.0", port))
    yield Shell(tmp_path)
    end_processes_in(tmp_path)


def test_the_requests_commands_as_they_stand(shell, tmp_path):
    type_all(shell)

    # Wide enough for the last option of each line, as on a wide terminal.
    wide = {**os.environ, "COLUMNS": "2000"}
    listing = subprocess.run("ps auxw | fgrep arangod", shell=True, capture_output=True, text=True, check=True, env=wide).stdout
    for directory in ("agency1", "agency2", "agency3", "primary1", "primary2", "coordinator", "secondary1", "secondary2"):
        assert any(directory in line and "arangod --server" in line for line in listing.splitlines()), f"{directory} is not listed:\n{listing}"

    post(COORDINATOR, "/_api/collection", {"name": "things", "numberOfShards": 3, "replicationFactor": 2}, 200)
    documents = [{"_key": f"k{number}", "number": number} for number in range(500)]
    answer = post(COORDINATOR, "/_api/document/things", documents)
    assert answer.status_code in (201, 202), answer.text
    expected = sorted(f"k{number}" for number in range(500))
    assert sorted(query(COORDINATOR, "FOR t IN things RETURN t._key")) == expected

    interrupt_all(shell, tmp_path)
    type_all(shell)
    found = wait_until(lambda: query(COORDINATOR, "FOR t IN things RETURN t._key"), f"the collection answers\n{shell.output()}")
    assert sorted(found) == expected
    assert query(COORDINATOR, "FOR t IN things FILTER t.number == 77 RETURN t._key") == ["k77"]
    interrupt_all(shell, tmp_path)
