"""Authentication on: nobody without a password or a token; the root user; tokens."""

import time

import jwt
import pytest
import requests

from conftest import start_single
from harness import Servers, free_ports, wait_until

SECRET = "a secret of at least thirty-two bytes, please"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("auth")
    (folder / "secret").write_text(SECRET)
    with Servers() as servers:
        port = free_ports(1)[0]
        arguments = ["--server.endpoint", f"tcp://127.0.0.1:{port}", "--server.authentication", "true", "--server.jwt-secret-keyfile", "secret",
                     "--database.password", "open sesame", "data"]
        server = servers.add("single", arguments, folder, port).start()
        wait_until(lambda: requests.get(server.url + "/_admin/server/availability", timeout=5).status_code == 200, "the server is available")
        yield server


def test_strangers_are_kept_out(server):
    for path in ("/_api/version", "/_api/collection", "/_api/document/x/y"):
        answer = requests.get(server.url + path, timeout=10)
        assert answer.status_code == 401 and answer.json()["errorNum"] in (11, 401), answer.text
    assert requests.get(server.url + "/_api/version", auth=("root", "wrong"), timeout=10).status_code == 401


def test_password_and_token(server):
    assert requests.get(server.url + "/_api/version", auth=("root", "open sesame"), timeout=10).status_code == 200
    answer = requests.post(server.url + "/_open/auth", json={"username": "root", "password": "open sesame"}, timeout=10)
    assert answer.status_code == 200, answer.text
    header = {"Authorization": f"bearer {answer.json()['jwt']}"}
    assert requests.get(server.url + "/_api/collection", headers=header, timeout=10).status_code == 200
    assert requests.post(server.url + "/_open/auth", json={"username": "root", "password": "wrong"}, timeout=10).status_code == 401


def test_a_superusers_token(server):
    now = int(time.time())
    good = jwt.encode({"iss": "arangodb", "server_id": "test", "iat": now, "exp": now + 60}, SECRET, algorithm="HS256")
    bad = jwt.encode({"iss": "arangodb", "server_id": "test", "iat": now, "exp": now + 60}, SECRET + "x", algorithm="HS256")
    old = jwt.encode({"iss": "arangodb", "server_id": "test", "iat": now - 120, "exp": now - 60}, SECRET, algorithm="HS256")
    status = lambda token: requests.get(server.url + "/_api/collection", headers={"Authorization": f"bearer {token}"}, timeout=10).status_code
    assert (status(good), status(bad), status(old)) == (200, 401, 401)
