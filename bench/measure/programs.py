"""What the measurements start: our servers by the harness of the end-to-end tests, etcd and PostgreSQL
on ports and in folders of their own. Everything is ended and removed when the `with` block ends.

All data lie below /var/tmp, on disk: what is written durably here costs what it costs in earnest.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "e2e"))
from harness import ARANGOD, PROGRAMS, Cluster, Server, Servers, arguments_of, delete, free_ports, post, request_lines, wait_until  # noqa: E402

LOAD = PROGRAMS / "bench-load"
ETCD = Path("/usr/bin/etcd")
POSTGRES_PROGRAMS = Path("/usr/lib/postgresql/15/bin")
PR_SET_PDEATHSIG = 1


@contextmanager
def folder():
    """A folder for everything of one measurement; a SIGTERM ends the measurement in order."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    path = Path(tempfile.mkdtemp(prefix="arangodb-bench-", dir="/var/tmp"))
    # PostgreSQL runs as another user when the measurement runs as root.
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Single(Servers):
    """A server without a cluster."""

    def __init__(self, where):
        super().__init__()
        port = free_ports(1)[0]
        arguments = ["--server.endpoint", f"tcp://127.0.0.1:{port}", "--server.authentication", "false", "--database.directory", "single-data"]
        self.server = self.add("single", arguments, where, port)

    def start(self):
        self.server.start()
        wait_until(lambda: self.server.answers("/_admin/server/availability"), "the single server is available")
        return self

    def pids(self):
        return [self.server.process.pid]

    def address(self):
        return f"127.0.0.1:{self.server.port}"


class Agents(Servers):
    """Three agents, by the command lines of the request."""

    def __init__(self, where):
        super().__init__()
        names = ["agent1", "agent2", "agent3"]
        ports = dict(zip(names, free_ports(3)))
        for name in names:
            self.add(name, arguments_of(request_lines()[name], ports), where, ports[name])

    def start(self):
        for agent in self.values():
            agent.start()
        self.leader()
        return self

    def leader(self):
        """The agent that leads now."""
        return wait_until(self._leader, "the agents have a leader")

    def _leader(self):
        for agent in self.values():
            if not agent.is_running():
                continue
            known = requests.get(agent.url + "/_api/agency/config", timeout=5).json()
            if known.get("leaderId"):
                endpoint = known["configuration"]["pool"][known["leaderId"]]
                found = next((one for one in self.values() if endpoint.endswith(f":{one.port}")), None)
                if found is not None and found.is_running() and self._writes(found):
                    return found
        return None

    @staticmethod
    def _writes(agent):
        body = [[{"/bench/ready": 1}]]
        return requests.post(agent.url + "/_api/agency/write", json=body, timeout=5, allow_redirects=False).status_code == 200

    def pids(self):
        return [agent.process.pid for agent in self.values() if agent.is_running()]

    def address(self):
        return f"127.0.0.1:{self.leader().port}"


class EtcdMember(Server):
    """One process of etcd."""

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(ETCD), *self.arguments], cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_die_with_parent)
        return self

    def answers(self, path="/health"):
        return super().answers(path)


class Etcd(Servers):
    """Three members of etcd with its defaults: fsync is on."""

    def __init__(self, where):
        super().__init__()
        names = ["etcd1", "etcd2", "etcd3"]
        ports = free_ports(6)
        peers = {name: f"http://127.0.0.1:{port}" for name, port in zip(names, ports[3:])}
        members = ",".join(f"{name}={url}" for name, url in peers.items())
        for name, port in zip(names, ports):
            url = f"http://127.0.0.1:{port}"
            arguments = [
                "--name", name, "--data-dir", name, "--log-level", "error", "--logger", "zap",
                "--listen-client-urls", url, "--advertise-client-urls", url,
                "--listen-peer-urls", peers[name], "--initial-advertise-peer-urls", peers[name],
                "--initial-cluster", members, "--initial-cluster-token", str(where)]
            self[name] = EtcdMember(name, arguments, where, port)

    def start(self):
        for member in self.values():
            member.start()
        self.leader()
        return self

    def leader(self):
        """The member that leads now."""
        return wait_until(self._leader, "etcd has a leader")

    def _leader(self):
        for member in self.values():
            if not member.is_running():
                continue
            status = requests.post(member.url + "/v3/maintenance/status", json={}, timeout=5).json()
            if status.get("leader") and status["leader"] == status["header"]["member_id"]:
                return member
        return None

    def pids(self):
        return [member.process.pid for member in self.values() if member.is_running()]

    def address(self):
        return f"127.0.0.1:{self.leader().port}"


class Postgres:
    """A PostgreSQL server: the defaults, a larger cache, TCP as well as the rest of the measurement."""

    def __init__(self, where):
        self.where = Path(where) / "postgres"
        self.port = free_ports(1)[0]
        self.user = pwd.getpwnam("postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
        self.process = None
        self.log = Path(where) / "postgres.out"

    def _identity(self):
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}

    def prepare(self):
        """Makes the data directory."""
        self.where.mkdir()
        if os.geteuid() == 0:
            os.chown(self.where, self.user.pw_uid, self.user.pw_gid)
        command = [POSTGRES_PROGRAMS / "initdb", "-D", self.where / "data", "-U", "bench", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run(command, check=True, cwd=self.where, stdout=subprocess.DEVNULL, **self._identity())
        return self

    def start(self):
        if not self.where.exists():
            self.prepare()
        settings = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.where, "shared_buffers": "512MB", "fsync": "on"}
        command = [str(POSTGRES_PROGRAMS / "postgres"), "-D", str(self.where / "data")]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.where, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_die_with_parent, **self._identity())
        wait_until(self.answers, "PostgreSQL answers")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"PostgreSQL has ended:\n{self.log.read_text()[-2000:]}")
        return self.sql("SELECT 1", check=False) == "1"

    def sql(self, text, check=True):
        """Runs a statement by psql; returns what it prints."""
        command = [POSTGRES_PROGRAMS / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "bench", "-d", "postgres", "-Atqc", text]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        if check and done.returncode != 0:
            raise AssertionError(f"{text}: {done.stderr}")
        return done.stdout.strip()

    def pids(self):
        return [self.process.pid]

    def address(self):
        return f"127.0.0.1:{self.port}"

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


__all__ = ["ARANGOD", "LOAD", "Agents", "Cluster", "Etcd", "Postgres", "Server", "Servers", "Single", "delete", "folder", "free_ports", "post", "wait_until"]
