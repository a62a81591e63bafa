"""Bad options and bad surroundings: one clear line, an exit code other than 0, nothing damaged."""

import socket
import subprocess

import pytest

import harness
from harness import Servers, free_ports, get, post, wait_until
from conftest import start_single

LIMIT_S = 60


def refused(folder, *arguments):
    """Runs arangod until it gives up; returns the exit code and what it said."""
    done = subprocess.run(
        [str(harness.ARANGOD), *arguments], cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout + done.stderr


def endpoint():
    return ["--server.endpoint", f"tcp://127.0.0.1:{free_ports(1)[0]}"]


@pytest.mark.parametrize("arguments, words", [
    (["--server.endpiont", "tcp://127.0.0.1:1"], ["server.endpiont", "server.endpoint"]),
    (["--agency.activate=maybe"], ["agency.activate", "maybe"]),
    (["--agency.size", "three"], ["agency.size", "three"]),
    (["--server.endpoint", "nonsense://x"], ["nonsense"]),
    (["--configuration", "no-such-file.conf"], ["no-such-file.conf"]),
    (["--cluster.my-role", "KING", "--cluster.agency-endpoint", "tcp://127.0.0.1:1", "--cluster.my-address", "tcp://127.0.0.1:2"], ["KING"]),
])
def test_bad_options_are_named(tmp_path, arguments, words):
    code, said = refused(tmp_path, "--database.directory", "data", *arguments)
    # An unknown option is 1; for the others ArangoDB has codes of their own.
    assert code == 1 if "server.endpiont" in words else code != 0, said
    for word in words:
        assert word in said, said
    assert len(said.strip().splitlines()) == 1, f"more than one line: {said}"
    assert not (tmp_path / "data").exists(), "a refused start made the directory"


def test_an_even_number_of_agents_is_refused(tmp_path):
    code, said = refused(
        tmp_path, "--agency.activate", "true", "--agency.size", "2", "--agency.endpoint", "tcp://127.0.0.1:1", "--agency.my-address", "tcp://127.0.0.1:2",
        *endpoint(), "data")
    assert code != 0 and "odd" in said, said


def test_a_taken_port_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = refused(tmp_path, "--server.endpoint", f"tcp://127.0.0.1:{port}", "--server.authentication", "false", "data")
    assert code != 0 and str(port) in said, said


def test_a_directory_in_use_is_left_alone(tmp_path):
    with Servers() as servers:
        server = start_single(servers, tmp_path)
        post(server, "/_api/collection", {"name": "kept"}, 200)
        code, said = refused(tmp_path, *endpoint(), "--server.authentication", "false", "data")
        assert code != 0 and "data" in said, said
        assert get(server, "/_api/collection/kept", 200)["name"] == "kept"


def test_a_directory_that_cannot_be_one(tmp_path):
    (tmp_path / "file").write_text("I am a file")
    code, said = refused(tmp_path, *endpoint(), "--server.authentication", "false", "file/data")
    assert code != 0 and "file/data" in said, said
    assert (tmp_path / "file").read_text() == "I am a file"


def test_a_directory_of_another_role(tmp_path):
    with Servers() as servers:
        server = start_single(servers, tmp_path)
        assert server.interrupt() == 0
    code, said = refused(
        tmp_path, "--agency.activate", "true", "--agency.size", "1", "--agency.my-address", "tcp://127.0.0.1:2", *endpoint(), "--database.directory", "data")
    assert code != 0 and "data" in said, said
    with Servers() as servers:
        start_single(servers, tmp_path)


def test_an_unknown_secondary_is_refused(tmp_path):
    with Servers() as servers:
        port = free_ports(1)[0]
        agent = servers.add("agent", [
            "--server.endpoint", f"tcp://127.0.0.1:{port}", "--agency.my-address", f"tcp://127.0.0.1:{port}", "--server.authentication", "false",
            "--agency.activate", "true", "--agency.size", "1", "--agency.supervision", "true", "agent"], tmp_path, port).start()
        def leads():
            answer = get(agent, "/_api/agency/config")
            return answer.status_code == 200 and answer.json()["leaderId"]

        wait_until(leads, "the agent leads")
        code, said = refused(
            tmp_path, "--server.authentication=false", *endpoint(), "--cluster.my-id", "Secondary007", "--cluster.my-address", "tcp://127.0.0.1:2",
            "--cluster.agency-endpoint", f"tcp://127.0.0.1:{port}", "secondary")
        assert code != 0 and "Secondary007" in said, said
