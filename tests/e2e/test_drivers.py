"""The quick starts of python-arango and arangojs, unchanged, against both kinds of server."""

import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from arango import ArangoClient
from arango.exceptions import DocumentInsertError

from harness import CACHE


@pytest.fixture
def database(door):
    client = ArangoClient(hosts=door.url)
    system = client.db("_system", username="root", password="")
    name = "python_quick_start"
    if system.has_database(name):
        system.delete_database(name)
    system.create_database(name)
    yield client.db(name, username="root", password="")
    system.delete_database(name)


def test_python_arango_quick_start(database):
    students = database.create_collection("students")
    students.add_index({"type": "persistent", "fields": ["name"], "unique": False})
    students.insert({"_key": "jane", "name": "Jane", "age": 19})
    students.insert({"_key": "josh", "name": "Josh", "age": 18})
    students.insert({"_key": "jake", "name": "Jake", "age": 21})
    cursor = database.aql.execute("FOR doc IN students SORT doc.age RETURN doc")
    assert [document["name"] for document in cursor] == ["Josh", "Jane", "Jake"]
    with pytest.raises(DocumentInsertError) as caught:
        students.insert({"_key": "jane"})
    assert caught.value.error_code == 1210 and caught.value.http_code == 409
    students.update({"_key": "jane", "age": 20})
    assert students.get("jane") == {**students.get("jane"), "name": "Jane", "age": 20}
    assert students.count() == 3 and students.has("jake") and "nobody" not in students
    students.delete("jake")
    assert sorted(students.keys()) == ["jane", "josh"]
    assert database.collection("students").properties()["name"] == "students"
    print("python-arango", version("python-arango"), "with server", database.version())


def test_python_arango_edges_and_traversal(database):
    database.create_collection("people")
    knows = database.create_collection("knows", edge=True)
    database.collection("people").insert_many([{"_key": key} for key in "abcd"])
    knows.insert_many([{"_from": f"people/{a}", "_to": f"people/{b}"} for a, b in ("ab", "bc", "cd")])
    cursor = database.aql.execute('FOR v IN 1..2 OUTBOUND "people/a" knows SORT v._key RETURN v._key')
    assert list(cursor) == ["b", "c"]


def test_python_arango_cursor_in_batches(database):
    numbers = database.create_collection("numbers")
    numbers.insert_many([{"n": number} for number in range(1000)])
    cursor = database.aql.execute("FOR d IN numbers FILTER d.n >= @least SORT d.n RETURN d.n", bind_vars={"least": 100}, batch_size=70, count=True)
    assert cursor.count() == 900
    assert list(cursor) == list(range(100, 1000))


def test_arangojs_quick_start(door):
    folder = CACHE / "node"
    script = Path(__file__).with_name("quick_start.mjs")
    target = folder / "quick_start.mjs"
    target.write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(["node", str(target), door.url], cwd=folder, env=os.environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("all good"), done.stdout
    print(done.stdout)
