"""Real servers for tests: started by the command lines of the original request, on free ports and
in a folder of their own, waited for by conditions, always ended.

`Servers` owns the processes of one test (or module). `request_lines` gives the request's command
lines for any ports. `wait_until` waits for a condition with a generous limit and says what it
waited for when the limit is over.
"""

import ctypes
import json
import os
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("ARANGO_RS_CACHE", Path.home() / ".cache/arangodb-rs"))
PROGRAMS = Path(os.environ.get("CARGO_TARGET_DIR", CACHE / "work")) / "debug"
ARANGOD = PROGRAMS / "arangod"
ARANGODB = PROGRAMS / "arangodb"

# Generous: two cores may be shared with a build. A test never waits that long when all is well.
LIMIT_S = 120.0
PAUSE_S = 0.02
PR_SET_PDEATHSIG = 1

# Servers that tests have started, for the report of a failed test.
ALL_SERVERS = []


class Never(AssertionError):
    """A condition did not come true in time."""


def wait_until(condition, what, limit_s=LIMIT_S):
    """Returns the first true value of `condition()`; exceptions of the network count as false."""
    end = time.monotonic() + limit_s
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (requests.RequestException, OSError, KeyError, ValueError) as error:
            last = error
        if time.monotonic() > end:
            raise Never(f"waited {limit_s:.0f} s for: {what}; last: {last!r}")
        time.sleep(PAUSE_S)


_given_ports = set()


def free_ports(count):
    """Ports that nobody listens on now and that were not given to another test of this run."""
    sockets, ports = [], []
    while len(ports) < count:
        candidate = socket.socket()
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        candidate.bind(("127.0.0.1", 0))
        sockets.append(candidate)
        port = candidate.getsockname()[1]
        if port not in _given_ports:
            _given_ports.add(port)
            ports.append(port)
    for candidate in sockets:
        candidate.close()
    return ports


def _end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """One process of arangod: how it is started, and the process while there is one."""

    def __init__(self, name, arguments, cwd, port):
        self.name = name
        self.arguments = arguments
        self.cwd = cwd
        self.port = port
        self.log = Path(cwd) / f"{name}.out"
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        assert self.process is None or self.process.poll() is not None, f"{self.name} runs already"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(ARANGOD), *self.arguments], cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_end_with_parent)
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """SIGKILL; returns when the process is gone."""
        self.process.kill()
        self.process.wait()

    def interrupt(self, limit_s=60):
        """SIGINT; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.wait(limit_s)

    def wait(self, limit_s=60):
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise Never(f"{self.name} did not end within {limit_s} s") from None

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def answers(self, path="/_api/version"):
        if not self.is_running():
            raise Never(f"{self.name} has ended with {self.process.returncode}:\n{self.output()[-2000:]}")
        return requests.get(self.url + path, timeout=5).status_code == 200

    def memory_kib(self):
        """Resident memory."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise ValueError("no VmRSS")


class Servers(dict):
    """Servers by name; ends all of them at the end of the `with` block."""

    def __enter__(self):
        ALL_SERVERS.append(self)
        return self

    def __exit__(self, *_):
        for server in self.values():
            if server.is_running():
                server.process.kill()
        for server in self.values():
            if server.process is not None:
                server.process.wait()
        ALL_SERVERS.remove(self)

    def add(self, name, arguments, cwd, port):
        self[name] = Server(name, arguments, cwd, port)
        return self[name]

    def kind(self, prefix):
        return [server for name, server in self.items() if name.startswith(prefix)]


REQUEST_PORTS = {
    "agent1": 5001, "agent2": 5002, "agent3": 5003, "primary1": 8529, "primary2": 8530, "coordinator": 8531,
    "secondary1": 8629, "secondary2": 8630,
}


def request_lines():
    """The command lines of the original request, as they stand."""
    text = (Path(__file__).parent / "request.txt").read_text(encoding="utf-8")
    names = iter(REQUEST_PORTS)
    return {next(names): line for line in text.splitlines() if line and not line.startswith("#")}


def arguments_of(line, ports):
    """Arguments of arangod in a command line of the request, with other ports."""
    words = shlex.split(line.replace("&& ", ";").rsplit(";", 1)[-1].strip().rstrip("&"))
    assert words[0] == "arangod", line
    changed = []
    for word in words[1:]:
        for name, port in REQUEST_PORTS.items():
            word = word.replace(f":{port}", f":<{name}>")
        for name, port in ports.items():
            word = word.replace(f":<{name}>", f":{port}")
        changed.append(word)
    return changed


class Cluster(Servers):
    """A cluster as in the request (3 agents, 2 primaries, n coordinators, 2 secondaries)."""

    def __init__(self, folder, coordinators=1, secondaries=True, extra=()):
        super().__init__()
        self.folder = Path(folder)
        lines = request_lines()
        ports = dict(zip(REQUEST_PORTS, free_ports(len(REQUEST_PORTS))))
        self.secondary_names = ["secondary1", "secondary2"] if secondaries else []
        for name in [name for name in lines if not name.startswith(("coordinator", "secondary"))] + self.secondary_names:
            self.add(name, [*arguments_of(lines[name], ports), *extra], self.folder, ports[name])
        for number in range(1, coordinators + 1):
            port = ports["coordinator"] if number == 1 else free_ports(1)[0]
            arguments = [
                word.replace(f":{ports['coordinator']}", f":{port}").replace("coord1", f"coord{number}") for word in arguments_of(lines["coordinator"], ports)]
            arguments[-1] = f"coordinator{number}"
            self.add(f"coordinator{number}", [*arguments, *extra], self.folder, port)

    def start(self):
        """Starts everything in the order of the request and returns when it serves."""
        for name in ["agent1", "agent2", "agent3", "primary1"]:
            self[name].start()
        # The request calls the first one DBServer001: it must be the first to register.
        wait_until(lambda: self["primary1"].answers(), "the first primary answers")
        self["primary2"].start()
        for coordinator in self.kind("coordinator"):
            coordinator.start()
        self.wait_ready()
        for number, name in enumerate(self.secondary_names, 1):
            body = {"primary": f"DBServer00{number}", "oldSecondary": "none", "newSecondary": f"Secondary00{number}"}
            put(self["coordinator1"], "/_admin/cluster/replaceSecondary", body, 200)
            self[name].start()
        for name in self.secondary_names:
            wait_until(lambda name=name: self[name].answers(), f"{name} answers")
        return self

    def start_all(self):
        """Starts what does not run, all at the same time, and returns when it serves."""
        for server in self.values():
            if not server.is_running():
                server.start()
        self.wait_ready()

    def wait_ready(self):
        for primary in self.kind("primary"):
            wait_until(lambda server=primary: server.answers(), f"{primary.name} answers")
        for coordinator in self.kind("coordinator"):
            wait_until(lambda server=coordinator: server.answers("/_admin/server/availability"), f"{coordinator.name} is available")
        wait_until(lambda: len(self.healthy("PRMR")) == len(self.kind("primary")), "all primaries are healthy")

    def healthy(self, prefix):
        """Ids of the good servers, by the first coordinator that answers."""
        for coordinator in self.kind("coordinator"):
            if coordinator.is_running():
                health = get(coordinator, "/_admin/cluster/health", 200)["Health"]
                return [id for id, entry in health.items() if id.startswith(prefix) and entry["Status"] == "GOOD"]
        return []

    def id_of(self, name):
        return get(self[name], "/_admin/server/id", 200)["id"]

    def agency(self, *paths):
        """Values below /arango, by whichever agent leads."""
        for agent in self.kind("agent"):
            if not agent.is_running():
                continue
            try:
                answer = requests.post(agent.url + "/_api/agency/read", json=[[f"/arango/{path}" for path in paths]], timeout=10)
            except requests.RequestException:
                continue
            if answer.status_code == 200:
                return answer.json()[0].get("arango", {})
        raise Never("no agent answers")

    def wait_in_sync(self, database, collection, replicas=2):
        """Returns when every shard has all its copies in sync."""
        def shards_in_sync():
            tree = self.agency(f"Plan/Collections/{database}", f"Current/Collections/{database}")
            planned = tree["Plan"]["Collections"][database]
            cid, plan = next((cid, entry) for cid, entry in planned.items() if entry["name"] == collection)
            current = tree["Current"]["Collections"][database][cid]
            shards = plan["shards"]
            done = all(len(servers) == replicas and set(current[shard]["servers"]) == set(servers) and current[shard]["servers"][0] == servers[0]
                       for shard, servers in shards.items())
            return shards if done else None
        return wait_until(shards_in_sync, f"all shards of {collection} are in sync")


def call(method, server, path, body=None, expect=None, headers=None, timeout=30):
    """One request; returns the parsed body, or the whole answer when no status is expected."""
    url = (server if isinstance(server, str) else server.url) + path
    answer = requests.request(method, url, data=None if body is None else json.dumps(body), headers=headers, timeout=timeout)
    if expect is None:
        return answer
    assert answer.status_code == expect, f"{method} {url}: {answer.status_code} instead of {expect}: {answer.text[:1000]}"
    return answer.json() if answer.content else None


def get(server, path, expect=None, **more):
    return call("GET", server, path, None, expect, **more)


def post(server, path, body, expect=None, **more):
    return call("POST", server, path, body, expect, **more)


def put(server, path, body, expect=None, **more):
    return call("PUT", server, path, body, expect, **more)


def delete(server, path, expect=None, **more):
    return call("DELETE", server, path, None, expect, **more)


def query(server, text, database="_system", bind=None, **options):
    """All rows of an AQL query, batch by batch."""
    body = {"query": text, "batchSize": 1000, "bindVars": bind or {}, **options}
    answer = post(server, f"/_db/{database}/_api/cursor", body, 201)
    rows = answer["result"]
    while answer["hasMore"]:
        answer = post(server, f"/_db/{database}/_api/cursor/{answer['id']}", None, 200)
        rows.extend(answer["result"])
    return rows


def processes_in(folder):
    """Process numbers of everything that runs in a folder (or below)."""
    folder = str(Path(folder).resolve())
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                cwd = os.readlink(entry / "cwd")
            except OSError:
                continue
            if cwd == folder or cwd.startswith(folder + "/"):
                found.append(int(entry.name))
    return found


def end_processes_in(folder):
    """Ends what a script of a test may have left behind in its folder."""
    for pid in processes_in(folder):
        if pid != os.getpid():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
