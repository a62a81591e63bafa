"""Secondaries: an asynchronous copy of everything on their primary, and the swap of the two."""

import pytest

from harness import Cluster, call, delete, get, post, put, query, wait_until

DIRTY = {"x-arango-allow-dirty-read": "true"}


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path) as cluster:
        yield cluster.start()


def shards_on(cluster, primary_id):
    """Database and shard name of everything that the primary holds."""
    planned = cluster.agency("Plan/Collections")["Plan"]["Collections"]
    return [(database, shard) for database, collections in planned.items() for entry in collections.values()
            for shard, servers in entry["shards"].items() if primary_id in servers]


def documents(server, database, shard):
    """All documents of a shard with key and revision, read from this very server."""
    query = {"query": f"FOR d IN `{shard}` SORT d._key RETURN d", "batchSize": 100000}

    def ask():
        answer = post(server, f"/_db/{database}/_api/cursor", query, headers=DIRTY)
        # A server that has just been started answers 503 until it knows its role.
        return [answer] if answer.status_code != 503 else None

    (answer,) = wait_until(ask, f"{server.name} answers")
    assert answer.status_code == 201, f"{server.name} {shard}: {answer.status_code} {answer.text[:300]}"
    assert not answer.json()["hasMore"]
    return answer.json()["result"]


def assert_equal_copies(cluster):
    for primary, secondary in (("primary1", "secondary1"), ("primary2", "secondary2")):
        shards = shards_on(cluster, cluster.id_of(primary))
        assert shards, f"{primary} holds nothing"
        for database, shard in shards:
            wanted = documents(cluster[primary], database, shard)
            wait_until(lambda: documents(cluster[secondary], database, shard) == wanted, f"{secondary} equals {primary} in {shard}")


def work(cluster):
    """Inserts, changes, removals, another database, an index, a truncated and a dropped collection."""
    door = cluster["coordinator1"]
    post(door, "/_api/database", {"name": "shop"}, 201)
    for database in ("_system", "shop"):
        prefix = f"/_db/{database}/_api"
        post(door, f"{prefix}/collection", {"name": "orders", "numberOfShards": 4, "replicationFactor": 2}, 200)
        post(door, f"{prefix}/document/orders", [{"_key": f"o{number}", "n": number} for number in range(400)])
        post(door, f"{prefix}/index?collection=orders", {"type": "persistent", "fields": ["n"]}, 201)
        query(door, "FOR o IN orders FILTER o.n < 100 UPDATE o WITH { changed: true } IN orders", database)
        query(door, "FOR o IN orders FILTER o.n >= 300 REMOVE o IN orders", database)
        post(door, f"{prefix}/collection", {"name": "gone", "numberOfShards": 2, "replicationFactor": 1}, 200)
        post(door, f"{prefix}/document/gone", [{"n": number} for number in range(50)])
        delete(door, f"{prefix}/collection/gone", 200)
        post(door, f"{prefix}/collection", {"name": "emptied", "numberOfShards": 2, "replicationFactor": 1}, 200)
        post(door, f"{prefix}/document/emptied", [{"n": number} for number in range(50)])
        put(door, f"{prefix}/collection/emptied/truncate", None, 200)


def test_secondaries_equal_their_primaries_after_writes_stop(cluster):
    work(cluster)
    assert_equal_copies(cluster)


def test_a_secondary_catches_up_after_its_own_and_its_primarys_restart(cluster):
    work(cluster)
    door = cluster["coordinator1"]
    cluster["secondary1"].kill()
    post(door, "/_api/document/orders", [{"_key": f"while-away-{number}"} for number in range(200)])
    cluster["secondary1"].start()
    assert_equal_copies(cluster)
    cluster["primary2"].kill()
    cluster["primary2"].start()
    cluster.wait_in_sync("_system", "orders")
    post(door, "/_api/document/orders", [{"_key": f"after-{number}"} for number in range(200)])
    assert_equal_copies(cluster)


def test_replace_secondary_answers_as_documented(cluster):
    door = cluster["coordinator1"]
    path = "/_admin/cluster/replaceSecondary"
    body = {"primary": "DBServer001", "oldSecondary": "none", "newSecondary": "Secondary009"}
    assert put(door, path, body).status_code == 412
    assert put(door, path, {**body, "primary": "DBServer077"}).status_code == 404
    assert put(door, path, {"primary": "DBServer001"}).status_code == 400
    assert call("PUT", door, path).status_code == 400
    assert put(cluster["primary1"], path, body).status_code == 403


def test_a_secondary_takes_a_dead_primarys_place(cluster):
    work(cluster)
    assert_equal_copies(cluster)
    door = cluster["coordinator1"]
    before = sorted(query(door, "FOR o IN orders RETURN o._key"))
    primary_id = cluster.id_of("primary1")
    cluster["primary1"].kill()
    put(door, "/_admin/cluster/swapPrimaryAndSecondary", {"primary": "DBServer001", "secondary": "Secondary001"}, 200)
    planned = cluster.agency("Plan/DBServers")["Plan"]["DBServers"]
    assert planned.get("Secondary001") == primary_id, planned
    wait_until(lambda: sorted(query(door, "FOR o IN orders RETURN o._key")) == before, "all documents are there after the swap")
    answer = wait_until(lambda: next((a for a in [post(door, "/_api/document/orders", {"_key": "new"})] if a.status_code in (201, 202)), None), "a write after the swap")
    assert answer.json()["_key"] == "new"
    cluster["primary1"].start()
    wait_until(lambda: cluster["primary1"].answers(), "the old primary answers again, now as a secondary")
    assert get(door, "/_api/document/orders/new", 200)["_key"] == "new"
