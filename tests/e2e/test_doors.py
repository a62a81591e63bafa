"""What a client may expect of a single server and of a coordinator alike: statuses, numbers, limits.
The fine points of the interface are tested in the crates; this is the way through a real socket."""

import pytest
import requests

from harness import call, delete, get, post, put, query


@pytest.fixture
def things(door):
    """An empty collection, gone after the test."""
    post(door, "/_api/collection", {"name": "things", "numberOfShards": 3}, 200)
    yield "/_api/document/things"
    delete(door, "/_api/collection/things", 200)


def error(answer):
    body = answer.json()
    assert body["error"] is True and body["code"] == answer.status_code and body["errorMessage"], body
    return answer.status_code, body["errorNum"]


def test_version_and_role(door):
    version = get(door, "/_api/version", 200)
    assert version["server"] == "arango" and version["version"].count(".") == 2
    assert get(door, "/_admin/server/role", 200)["role"] in ("SINGLE", "COORDINATOR")


def test_a_documents_life(door, things):
    created = post(door, things, {"_key": "one", "name": "Ångström", "number": 1.5, "list": [1, None, {"a": []}]})
    assert created.status_code in (201, 202)
    rev = created.json()["_rev"]
    read = get(door, f"{things}/one", 200)
    assert read["name"] == "Ångström" and read["list"] == [1, None, {"a": []}] and read["_rev"] == rev and read["_id"] == "things/one"
    assert call("HEAD", door, f"{things}/one").status_code == 200
    changed = call("PATCH", door, f"{things}/one", {"number": 2})
    assert changed.status_code in (201, 202) and changed.json()["_rev"] != rev
    assert call("PUT", door, f"{things}/one", {"fresh": True}, headers={"If-Match": f'"{rev}"'}).status_code == 412
    assert put(door, f"{things}/one", {"fresh": True}).status_code in (201, 202)
    assert "name" not in get(door, f"{things}/one", 200)
    assert call("DELETE", door, f"{things}/one").status_code in (200, 202)
    assert error(get(door, f"{things}/one")) == (404, 1202)


def test_faults_have_arangodbs_numbers(door, things):
    post(door, things, {"_key": "one"})
    assert error(post(door, things, {"_key": "one"})) == (409, 1210)
    assert error(post(door, "/_api/document/nowhere", {})) == (404, 1203)
    assert error(post(door, things, {"_key": "no spaces please"})) == (400, 1221)
    assert error(post(door, "/_api/cursor", {"query": "FOR x IN"})) == (400, 1501)
    assert error(post(door, "/_api/cursor", {"query": "RETURN @nothing"})) == (400, 1551)
    assert error(get(door, "/_db/nowhere/_api/version")) == (404, 1228)
    assert error(get(door, "/_api/no-such-route"))[0] == 404
    assert error(call("POST", door, "/_api/collection", None)) [0] == 400
    broken = requests.post(door.url + things, data="{broken", timeout=10)
    assert error(broken) == (400, 600)


def test_too_deep_nesting_is_refused_and_the_server_lives(door, things):
    deep = "[" * 100_000 + "]" * 100_000
    answer = requests.post(door.url + things, data=deep, timeout=30)
    assert answer.status_code == 400, answer.text[:200]
    get(door, "/_api/version", 200)


def test_arrays_of_documents(door, things):
    answer = post(door, things, [{"_key": "a"}, {"_key": "a"}, {"_key": "b"}])
    assert answer.status_code in (201, 202)
    results = answer.json()
    assert [result.get("errorNum") for result in results] == [None, 1210, None]
    assert get(door, "/_api/collection/things/count", 200)["count"] == 2


def test_cursors_go_batch_by_batch(door, things):
    post(door, things, [{"n": number} for number in range(2500)])
    answer = post(door, "/_api/cursor", {"query": "FOR t IN things SORT t.n RETURN t.n", "batchSize": 700, "count": True}, 201)
    assert answer["count"] == 2500 and answer["hasMore"] and len(answer["result"]) == 700
    assert query(door, "FOR t IN things SORT t.n RETURN t.n") == list(range(2500))
    answer = post(door, "/_api/cursor", {"query": "FOR t IN things RETURN t", "batchSize": 10}, 201)
    assert delete(door, f"/_api/cursor/{answer['id']}").status_code == 202
    assert error(post(door, f"/_api/cursor/{answer['id']}", None)) == (404, 1600)


def test_unique_indexes_and_their_use(door, things):
    put(door, "/_api/collection/things/truncate", None, 200)
    # In a cluster a unique index must cover the shard keys.
    fields = ["_key"] if get(door, "/_admin/server/role", 200)["role"] == "COORDINATOR" else ["code"]
    post(door, "/_api/index?collection=things", {"type": "persistent", "fields": fields, "unique": True}, 201)
    post(door, "/_api/index?collection=things", {"type": "persistent", "fields": ["group", "n"]}, 201)
    post(door, things, [{"_key": f"k{n}", "code": n, "group": n % 7, "n": n} for n in range(700)])
    assert query(door, "FOR t IN things FILTER t.group == 3 AND t.n > 650 SORT t.n RETURN t.n") == [n for n in range(651, 700) if n % 7 == 3]
    plan = post(door, "/_api/explain", {"query": "FOR t IN things FILTER t.group == 3 RETURN t"}, 200)["plan"]
    assert any(node["type"] == "IndexNode" for node in plan["nodes"]), plan
    assert error(post(door, things, {"_key": "k1", "code": 1})) == (409, 1210)


def test_databases_are_separate(door):
    post(door, "/_api/database", {"name": "other"}, 201)
    try:
        post(door, "/_db/other/_api/collection", {"name": "mine"}, 200)
        assert error(get(door, "/_api/collection/mine")) == (404, 1203)
        assert "other" in get(door, "/_api/database", 200)["result"]
        assert error(post(door, "/_api/database", {"name": "other"})) == (409, 1207)
    finally:
        delete(door, "/_api/database/other", 200)
    assert error(get(door, "/_db/other/_api/collection")) == (404, 1228)


def test_import_of_lines(door, things):
    lines = "\n".join('{"_key": "i%d", "n": %d}' % (n, n) for n in range(300))
    answer = requests.post(door.url + "/_api/import?collection=things&type=documents", data=lines, timeout=30)
    assert answer.status_code == 201, answer.text
    assert answer.json()["created"] == 300 and answer.json()["errors"] == 0
    assert query(door, "RETURN LENGTH(things)") == [300]
