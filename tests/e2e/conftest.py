"""Fixtures: a single server and a cluster for tests that do no harm, and the logs of a failed test."""

import pytest

import harness
from harness import Cluster, Servers, free_ports, wait_until


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the end of every server's log to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for servers in harness.ALL_SERVERS:
            for server in servers.values():
                state = "runs" if server.is_running() else f"ended with {server.process.returncode}" if server.process else "never started"
                lines = server.output().splitlines()[-40:]
                report.sections.append((f"{server.name} ({state})", "\n".join(lines)))


@pytest.fixture(scope="session")
def single(tmp_path_factory):
    """A server without a cluster, for tests that leave the server as it was."""
    with Servers() as servers:
        server = start_single(servers, tmp_path_factory.mktemp("single"))
        yield server


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A cluster with two coordinators for tests that do no harm to its servers."""
    with Cluster(tmp_path_factory.mktemp("cluster"), coordinators=2) as cluster:
        yield cluster.start()


def start_single(servers, folder, *more):
    port = free_ports(1)[0]
    arguments = ["--server.endpoint", f"tcp://127.0.0.1:{port}", "--server.authentication", "false", "--database.directory", "data", *more]
    server = servers.add("single", arguments, folder, port).start()
    wait_until(lambda: server.answers("/_admin/server/availability"), "the single server is available")
    return server


@pytest.fixture(params=["single", "cluster"])
def door(request):
    """Where a client connects: a single server, then a coordinator."""
    target = request.getfixturevalue(request.param)
    return target if request.param == "single" else target["coordinator1"]
