"""Shards move and servers are emptied while clients write (S48 to S50), and nothing is lost."""

import pytest

from harness import Cluster, free_ports, get, post, wait_until
from test_faults import Writers, make_collection


@pytest.fixture
def cluster(tmp_path):
    """A cluster with a third primary, so that there is somewhere to move to."""
    with Cluster(tmp_path, coordinators=1, secondaries=False) as cluster:
        cluster.start()
        second, (port,) = cluster["primary2"], free_ports(1)
        renamed = [word.replace(f":{second.port}", f":{port}").replace("db2", "db3").replace("primary2", "primary3") for word in second.arguments]
        third = cluster.add("primary3", renamed, cluster.folder, port).start()
        wait_until(lambda: third.answers(), "the third primary answers")
        wait_until(lambda: len(cluster.agency("Plan/DBServers")["Plan"]["DBServers"]) == 3, "the third primary is planned")
        yield cluster


def servers_of(cluster, name, tree):
    planned = cluster.agency("Plan/Collections/_system")["Plan"]["Collections"]["_system"]
    id_, entry = next((id_, entry) for id_, entry in planned.items() if entry["name"] == name)
    if tree == "Plan":
        return entry["shards"]
    current = cluster.agency(f"Current/Collections/_system/{id_}")["Current"]["Collections"]["_system"][id_]
    return {shard: entry["servers"] for shard, entry in current.items()}


def wait_for_job(cluster, job):
    door = cluster["coordinator1"]

    def state():
        answer = get(door, f"/_admin/cluster/queryAgencyJob?id={job}", 200)
        assert answer["status"] != "Failed", answer
        return answer["status"] == "Finished"

    wait_until(state, f"job {job} is finished")


def test_a_shard_moves_with_its_leader_and_a_server_is_emptied_under_writes(cluster):
    door = cluster["coordinator1"]
    make_collection(cluster, "events", shards=2)
    ids = {name: cluster.id_of(name) for name in ("primary1", "primary2", "primary3")}
    with Writers(cluster, "events") as writers:
        writers.wait_for_more("the start")
        shard, (leader, *followers) = next(iter(servers_of(cluster, "events", "Plan").items()))
        target = next(id_ for id_ in ids.values() if id_ != leader and id_ not in followers)
        move = {"database": "_system", "collection": "events", "shard": shard, "fromServer": leader, "toServer": target}
        wait_for_job(cluster, post(door, "/_admin/cluster/moveShard", move, 202)["id"])
        assert servers_of(cluster, "events", "Plan")[shard][0] == target
        writers.wait_for_more("the move of a leader")

        emptied = ids["primary1"]
        wait_for_job(cluster, post(door, "/_admin/cluster/cleanOutServer", {"server": emptied}, 202)["id"])
        wait_until(
            lambda: all(emptied not in servers for tree in ("Plan", "Current") for servers in servers_of(cluster, "events", tree).values()),
            "the emptied server holds nothing of the collection")
        writers.wait_for_more("the clean-out")
        cluster["primary1"].kill()
        writers.wait_for_more("the end of the emptied server")
        writers.stop()
        writers.check()
