"""Time from kill -9 of a leader to the next acknowledged write: DB-servers, agents, and etcd beside the agents."""

import base64
import statistics
import threading
import time

import requests

from programs import Agents, Cluster, Etcd, folder, post, wait_until
from report import Report, arguments, percentile

# A writer gives a request up after this long and begins another one: a server that holds requests back until there is
# a leader again must not look slower than one that refuses them.
REQUEST_LIMIT_S = 0.5
SERVICE_LIMIT_S = 60.0


class Writers:
    """Clients that write without a pause and remember when a write that they began was acknowledged."""

    def __init__(self, doors, send, count=4):
        self.doors = doors
        self.send = send
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.last_begun = 0.0
        self.first_after = None
        self.mark = float("inf")
        self.threads = [threading.Thread(target=self.write, args=(number,), daemon=True) for number in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(10)

    def write(self, client):
        session, number = requests.Session(), 0
        while not self.ended.is_set():
            number += 1
            door = self.doors[(client + number) % len(self.doors)]
            begun = time.monotonic()
            try:
                done = door.is_running() and self.send(session, door, f"{client}-{number}")
            except requests.RequestException:
                session.close()
                done = False
            if done:
                self.acknowledge(begun, time.monotonic())
            else:
                time.sleep(0.005)

    def acknowledge(self, begun, ended):
        with self.lock:
            self.last_begun = max(self.last_begun, begun)
            if begun > self.mark and self.first_after is None:
                self.first_after = ended

    def time_without_service(self, kill):
        """Kills; returns the seconds until a write that began after it is acknowledged."""
        start = time.monotonic()
        wait_until(lambda: self.last_begun > start, "a write before the kill")
        with self.lock:
            self.first_after = None
        kill()
        with self.lock:
            self.mark = killed = time.monotonic()
        first = wait_until(lambda: self.first_after, "a write after the kill", SERVICE_LIMIT_S)
        with self.lock:
            self.mark = float("inf")
        return first - killed


def main():
    more = [("--kills", {"type": int, "default": 8, "help": "kills of a DB-server"}), ("--agency-kills", {"type": int, "default": 5, "help": "kills of an agent and of an etcd member"}),
            ("--budget-s", {"type": float, "default": 100.0, "help": "no further DB-server is killed after this time"})]
    options = arguments(__doc__.splitlines()[0], rounds=1, measure_ms=0, more=more)
    report = Report("Failover", options)
    pauses = {}
    with folder() as where, Cluster(where, coordinators=2, secondaries=False) as cluster:
        pauses["DB-server that leads the shard"] = kill_db_servers(cluster.start(), options)
    with folder() as where, Agents(where) as ours, Etcd(where) as etcd:
        sides = {"agent that leads": (ours.start(), write_agency), "etcd member that leads": (etcd.start(), write_etcd)}
        for _ in range(options.agency_kills):
            for name, (servers, send) in sides.items():
                pauses.setdefault(name, []).append(kill_leader(name, servers, send))
    report.add(table(pauses))
    report.add(
        f"Seconds from the return of `kill -9` to the acknowledgement of a write that began after it; four clients write without a pause and give a request up after {REQUEST_LIMIT_S} s. DB-servers: one shard with two copies, "
        "writes through two coordinators, default options; the killed server is started again and brought in sync before the next kill. Agents and etcd: three members, default options, "
        "clients try the members in turn; killed in alternation. "
        f"All pauses in seconds: {'; '.join(f'{name} {[round(value, 2) for value in values]}' for name, values in pauses.items())}.")
    report.finish()


def kill_db_servers(cluster, options):
    post(cluster["coordinator1"], "/_api/collection", {"name": "bench", "numberOfShards": 1, "replicationFactor": 2}, 200)
    shards = cluster.wait_in_sync("_system", "bench")
    names = {cluster.id_of(name): name for name in ("primary1", "primary2")}
    pauses, end = [], time.monotonic() + options.budget_s
    with Writers(cluster.kind("coordinator"), write_document) as writers:
        while len(pauses) < options.kills and time.monotonic() < end:
            leader = cluster[names[next(iter(shards.values()))[0]]]
            pauses.append(writers.time_without_service(leader.kill))
            leader.start()
            back = time.monotonic()
            shards = cluster.wait_in_sync("_system", "bench")
            print(f"  {leader.name} killed: {pauses[-1]:.2f} s to the next write, {time.monotonic() - back:.1f} s from its new start to both copies in sync", flush=True)
    return pauses


def kill_leader(name, servers, send):
    leader = servers.leader()
    with Writers(list(servers.values()), send) as writers:
        pause = writers.time_without_service(leader.kill)
    leader.start()
    wait_until(leader.answers if name.startswith("etcd") else lambda: requests.get(leader.url + "/_api/agency/config", timeout=5).ok, f"{leader.name} is back")
    print(f"  {name}: {pause:.2f} s", flush=True)
    return pause


def write_document(session, door, key):
    answer = session.post(f"{door.url}/_api/document/bench", json={"client": key}, timeout=REQUEST_LIMIT_S)
    return answer.status_code in (201, 202)


def write_agency(session, door, key):
    answer = session.post(door.url + "/_api/agency/write", json=[[{f"/bench/{key[0]}": key}]], timeout=REQUEST_LIMIT_S, allow_redirects=False)
    return answer.status_code == 200


def write_etcd(session, door, key):
    encoded = base64.b64encode(key.encode()).decode()
    return session.post(door.url + "/v3/kv/put", json={"key": encoded, "value": encoded}, timeout=REQUEST_LIMIT_S).status_code == 200


def table(pauses):
    lines = ["| killed | kills | fastest, s | median | 90 % | slowest |", "|---|--:|--:|--:|--:|--:|"]
    for name, values in pauses.items():
        lines.append(f"| {name} | {len(values)} | {min(values):.2f} | {statistics.median(values):.2f} | {percentile(values, 0.9):.2f} | {max(values):.2f} |")
    ours, etcd = (statistics.median(pauses[name]) for name in ("agent that leads", "etcd member that leads"))
    return "\n".join(lines) + f"\n\nRatio of the medians, agents to etcd: {ours / etcd:.2f} (below 1: ours is faster)."


if __name__ == "__main__":
    main()
