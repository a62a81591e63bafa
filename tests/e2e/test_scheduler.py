"""arangodb: starts a cluster in order, starts again what dies, adopts what runs, stops in order."""

import json
import os
import signal
import subprocess

import pytest

import harness
from harness import end_processes_in, get, post, query, wait_until


class Deployment:
    """A cluster started by arangodb in one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.port = self.free_block()

    @staticmethod
    def free_block():
        """A port with forty free ones after it, below those that the system gives out."""
        for port in range(21000, 29000, 100):
            try:
                for offset in range(30):
                    with harness.socket.socket() as probe:
                        probe.bind(("127.0.0.1", port + offset))
            except OSError:
                continue
            return port
        raise AssertionError("no free block of ports")

    def command(self, *arguments, limit_s=180):
        return subprocess.run(
            [str(harness.ARANGODB), *arguments, "--starter.data-dir", "deployment", f"--starter.port={self.port}"],
            cwd=self.folder, capture_output=True, text=True, timeout=limit_s, stdin=subprocess.DEVNULL, check=False)

    def start(self, *arguments):
        done = self.command("start", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr + self.logs()
        return done.stdout

    def logs(self):
        files = sorted((self.folder / "deployment").glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-1500:]}" for file in files)

    def state(self):
        return get(f"http://127.0.0.1:{self.port}", "/state", 200)

    def tasks(self):
        return {task["name"]: task for task in self.state()["tasks"]}

    def healthy(self):
        return get(f"http://127.0.0.1:{self.port}", "/health").status_code == 200

    def coordinator(self):
        return get(f"http://127.0.0.1:{self.port}", "/endpoints", 200)["coordinators"][0]


@pytest.fixture
def deployment(tmp_path):
    yield Deployment(tmp_path)
    end_processes_in(tmp_path)


def test_a_cluster_from_start_to_stop(deployment):
    said = deployment.start()
    lines = [line.split()[0] for line in said.splitlines() if " answers on " in line]
    kinds = [line.rstrip("0123456789") for line in lines]
    assert kinds == ["agent"] * 3 + ["primary"] * 2 + ["secondary"] * 2 + ["coordinator"] * 2, said
    assert "Your deployment is ready" in said
    status = deployment.command("status")
    assert status.returncode == 0 and status.stdout.count("RUNNING") == 9, status.stdout

    door = deployment.coordinator()
    post(door, "/_api/collection", {"name": "kept", "numberOfShards": 2, "replicationFactor": 2}, 200)
    post(door, "/_api/document/kept", [{"_key": str(number)} for number in range(100)])
    target = get(door, "/_admin/cluster/numberOfServers", 200)
    assert (target["numberOfDBServers"], target["numberOfCoordinators"]) == (2, 2)

    victim = deployment.tasks()["primary1"]["process"]
    os.kill(victim["pid"], signal.SIGKILL)
    wait_until(lambda: (deployment.tasks()["primary1"]["process"] or victim) != victim and deployment.healthy(), f"primary1 is back\n{deployment.logs()}")
    wait_until(lambda: len(query(door, "FOR k IN kept RETURN k._key")) == 100, "all documents after a kill")

    second = deployment.command("start")
    assert second.returncode != 0 and "another arangodb" in second.stderr, second.stderr
    assert deployment.command("stop").returncode == 0, deployment.logs()
    assert "arangodb does not run" in deployment.command("status").stdout

    deployment.start()
    assert len(query(deployment.coordinator(), "FOR k IN kept RETURN k._key")) == 100
    assert deployment.command("stop").returncode == 0


def test_a_new_scheduler_adopts_what_an_old_one_left(deployment):
    deployment.start("--cluster.secondaries=false", "--cluster.coordinators=1")
    before = {name: task["process"] for name, task in deployment.tasks().items()}
    setup = json.loads((deployment.folder / "deployment/setup.json").read_text())
    os.kill(setup["scheduler_pid"], signal.SIGKILL)
    os.kill(before["primary2"]["pid"], signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{setup['scheduler_pid']}/cwd"), "the scheduler is gone")
    deployment.start("--cluster.secondaries=false", "--cluster.coordinators=1")
    after = {name: task["process"] for name, task in deployment.tasks().items()}
    assert {name for name in before if before[name] == after[name]} == set(before) - {"primary2"}
    # Without any scheduler `stop` still ends everything.
    setup = json.loads((deployment.folder / "deployment/setup.json").read_text())
    os.kill(setup["scheduler_pid"], signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{setup['scheduler_pid']}/cwd"), "the scheduler is gone")
    assert deployment.command("stop").returncode == 0
    assert not harness.processes_in(deployment.folder / "deployment")


def test_single_mode_and_refusals(deployment):
    taken = harness.socket.socket()
    taken.bind(("127.0.0.1", deployment.port + 1))
    taken.listen()
    refused = deployment.command("run", "--starter.mode=single")
    assert refused.returncode == 1 and str(deployment.port + 1) in refused.stderr, refused.stderr
    taken.close()
    deployment.start("--starter.mode=single")
    url = f"http://127.0.0.1:{deployment.port + 1}"
    assert get(url, "/_admin/server/role", 200)["role"] == "SINGLE"
    assert deployment.command("stop").returncode == 0
    wrong = deployment.command("run")
    assert wrong.returncode == 1 and "mode single, not cluster" in wrong.stderr, wrong.stderr
    typo = deployment.command("start", "--starter.prot=1")
    assert typo.returncode == 1 and "starter.port" in typo.stderr
