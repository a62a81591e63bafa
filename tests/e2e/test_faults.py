"""What a cluster owes its clients when processes die, hang and come back: every acknowledged
document is found afterwards, and service comes back by itself."""

import shutil
import signal
import threading
import time

import pytest
import requests

from harness import Cluster, get, post, query, wait_until

# The longest acceptable time without any acknowledged write after a fault.
SERVICE_LIMIT_S = 90.0


class Writers:
    """Clients that insert without a pause; they remember what was acknowledged."""

    def __init__(self, cluster, collection, count=4):
        self.cluster = cluster
        self.collection = collection
        self.stop_wanted = threading.Event()
        self.lock = threading.Lock()
        self.acknowledged = set()
        self.wrong = []
        self.threads = [threading.Thread(target=self.write, args=(number,), daemon=True) for number in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stop_wanted.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"

    def write(self, client):
        session = requests.Session()
        doors = self.cluster.kind("coordinator")
        number = 0
        while not self.stop_wanted.is_set():
            door = doors[(client + number) % len(doors)]
            key = f"{client}-{number}"
            number += 1
            try:
                answer = session.post(f"{door.url}/_api/document/{self.collection}", json={"_key": key, "client": client, "number": number}, timeout=20)
            except requests.RequestException:
                session.close()
                time.sleep(0.01)
                continue
            if answer.status_code in (201, 202):
                with self.lock:
                    self.acknowledged.add(key)
            elif answer.status_code in (400, 404, 412):
                # Never an answer to a good write, whatever has failed.
                with self.lock:
                    self.wrong.append((key, answer.status_code, answer.text[:300]))
            else:
                time.sleep(0.01)

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def wait_for_more(self, what, more=20, limit_s=SERVICE_LIMIT_S):
        """Returns the seconds until new writes are acknowledged."""
        start, before = time.monotonic(), self.count()
        wait_until(lambda: self.count() >= before + more, f"acknowledged writes after {what}", limit_s)
        return time.monotonic() - start

    def check(self):
        """Every acknowledged document is there, with its content, through every coordinator."""
        assert not self.wrong, self.wrong[:5]
        for door in self.cluster.kind("coordinator"):
            rows = query(door, "FOR d IN @@c RETURN [d._key, d.client, d.number]", bind={"@c": self.collection})
            present = {key: (client, number) for key, client, number in rows}
            lost = self.acknowledged - set(present)
            assert not lost, f"{len(lost)} of {len(self.acknowledged)} acknowledged documents are lost: {sorted(lost)[:10]}"
            for key, (client, number) in present.items():
                assert key == f"{client}-{number - 1}", f"{key} has the content of another document"


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path, coordinators=2) as cluster:
        yield cluster.start()


def make_collection(cluster, name, shards=3, replicas=2):
    post(cluster["coordinator1"], "/_api/collection", {"name": name, "numberOfShards": shards, "replicationFactor": replicas}, 200)
    return cluster.wait_in_sync("_system", name, replicas)


def test_kill_9_of_each_process_in_turn_under_writes(cluster):
    make_collection(cluster, "events")
    pauses = {}
    with Writers(cluster, "events") as writers:
        writers.wait_for_more("the start")
        for name in list(cluster):
            server = cluster[name]
            server.kill()
            server.start()
            pauses[name] = round(writers.wait_for_more(f"kill -9 of {name}"), 2)
            wait_until(lambda server=server: server.answers(), f"{name} answers again")
            cluster.wait_in_sync("_system", "events")
        writers.stop()
        writers.check()
    print("seconds to the next twenty acknowledged writes:", pauses)


def test_a_killed_leader_that_stays_away_is_replaced(cluster):
    shards = make_collection(cluster, "events")
    ids = {cluster.id_of(name): name for name in ("primary1", "primary2")}
    leader = next(iter(shards.values()))[0]
    other = next(id for id in ids if id != leader)
    with Writers(cluster, "events") as writers:
        writers.wait_for_more("the start")
        cluster[ids[leader]].kill()
        writers.wait_for_more(f"kill -9 of {ids[leader]}")

        def all_led_by_other():
            planned = cluster.agency("Plan/Collections/_system")["Plan"]["Collections"]["_system"]
            events = next(entry for entry in planned.values() if entry["name"] == "events")
            return all(servers[0] == other for servers in events["shards"].values())
        wait_until(all_led_by_other, "every shard is led by the other primary")
        cluster[ids[leader]].start()
        cluster.wait_in_sync("_system", "events")
        writers.stop()
        writers.check()


def test_a_follower_that_hangs_is_dropped_and_comes_back(cluster):
    shards = make_collection(cluster, "events", shards=1)
    leader, follower = next(iter(shards.values()))
    ids = {cluster.id_of(name): name for name in ("primary1", "primary2")}
    hanging = cluster[ids[follower]]
    with Writers(cluster, "events") as writers:
        writers.wait_for_more("the start")
        hanging.signal(signal.SIGSTOP)
        try:
            writers.wait_for_more("SIGSTOP of the follower", limit_s=30)
            current = cluster.agency("Current/Collections/_system")["Current"]["Collections"]["_system"]
            servers = next(entry[shard]["servers"] for entry in current.values() for shard in entry if shard in shards)
            assert servers == [leader], f"the follower is still counted as in sync: {servers}"
        finally:
            hanging.signal(signal.SIGCONT)
        cluster.wait_in_sync("_system", "events")
        writers.stop()
        writers.check()


def test_a_leader_that_hangs_loses_nothing_and_serves_nothing_stale(cluster):
    shards = make_collection(cluster, "events", shards=1)
    leader, follower = next(iter(shards.values()))
    ids = {cluster.id_of(name): name for name in ("primary1", "primary2")}
    hanging = cluster[ids[leader]]
    with Writers(cluster, "events") as writers:
        writers.wait_for_more("the start")
        hanging.signal(signal.SIGSTOP)
        try:
            writers.wait_for_more("SIGSTOP of the leader")
        finally:
            hanging.signal(signal.SIGCONT)
        writers.wait_for_more("SIGCONT of the old leader")
        after = cluster.wait_in_sync("_system", "events")
        assert next(iter(after.values()))[0] == follower, "the old leader took its place back"
        writers.stop()
        writers.check()


def test_restart_of_everything(cluster):
    make_collection(cluster, "events")
    with Writers(cluster, "events") as writers:
        writers.wait_for_more("the start", more=200)
        for server in cluster.values():
            server.kill()
        writers.stop()
    cluster.start_all()
    cluster.wait_in_sync("_system", "events")
    writers.check()
    make_collection(cluster, "after")
    with Writers(cluster, "after") as more:
        more.wait_for_more("the restart")
        more.stop()
        more.check()


def test_one_dead_agent_does_not_matter_and_two_stop_the_agency_but_not_the_data(cluster):
    make_collection(cluster, "events", shards=2)
    with Writers(cluster, "events") as writers:
        writers.wait_for_more("the start")
        cluster["agent1"].kill()
        writers.wait_for_more("kill -9 of agent1")
        post(cluster["coordinator1"], "/_api/collection", {"name": "later", "numberOfShards": 1}, 200)
        cluster["agent2"].kill()
        def refused():
            return requests.post(cluster["agent3"].url + "/_api/agency/write", json=[[{"/x": 1}]], timeout=30).status_code == 503

        wait_until(refused, "the last agent refuses to write alone")
        cluster["agent1"].start()
        cluster["agent2"].start()
        writers.wait_for_more("the return of the agents")
        post(cluster["coordinator2"], "/_api/collection", {"name": "latest", "numberOfShards": 1}, 200)
        writers.stop()
        writers.check()


def test_a_coordinator_is_stateless(cluster, tmp_path):
    make_collection(cluster, "events", shards=2)
    post(cluster["coordinator1"], "/_api/document/events", [{"_key": str(number)} for number in range(100)])
    assert cluster["coordinator1"].interrupt() == 0
    shutil.rmtree(tmp_path / "coordinator1")
    cluster["coordinator1"].start()
    wait_until(lambda: cluster["coordinator1"].answers("/_admin/server/availability"), "the coordinator is back")
    assert len(query(cluster["coordinator1"], "FOR e IN events RETURN e._key")) == 100
    assert get(cluster["coordinator1"], "/_admin/server/role", 200)["role"] == "COORDINATOR"
