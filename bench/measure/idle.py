"""Idle processes: resident memory, processor time, threads; time from start to first answer."""

import statistics
import time

import requests

import processes
from programs import Cluster, Etcd, Postgres, Single, folder
from report import Report, arguments

PAUSE_S = 0.002


def main():
    more = [("--idle-s", {"type": float, "default": 10.0, "help": "time over which idle processes are watched"}), ("--starts", {"type": int, "default": 5, "help": "starts of each process that is started alone"})]
    options = arguments(__doc__.splitlines()[0], rounds=1, measure_ms=0, more=more)
    report = Report("Idle processes and starts", options)
    with folder() as where, Cluster(where) as cluster, Single(where) as single, Etcd(where) as etcd, Postgres(where) as postgres:
        begun = time.monotonic()
        cluster.start()
        whole = time.monotonic() - begun
        print(f"  cluster of eight processes ready after {whole:.1f} s", flush=True)
        single.start()
        etcd.start()
        postgres.start()
        pids = {server.name: server.process.pid for servers in (cluster, single, etcd) for server in servers.values()}
        pids["PostgreSQL"] = postgres.process.pid
        report.add(watch(pids, options.idle_s))
        again = restart_roles(cluster, options.starts)
    with folder() as where:
        report.add(starts(where, options.starts) + "\n" + again)
    report.add(
        f"\"resident\" counts all memory of a process (of PostgreSQL's six processes the sum, what they share six times), \"in proportion\" divides what several processes share, such as the program itself. Processor time is the share of one core over {options.idle_s:.0f} s without any request. "
        f"The cluster (three agents, two primaries, two secondaries, one coordinator) was ready for requests {whole:.1f} s after its first process was started, one after the other. "
        f"First answer: from the start of the process on an empty (first) or its own earlier directory (again) to the first answer to a request, "
        f"medians of {options.starts} starts; a member of etcd alone, a cluster of one; PostgreSQL asked by psql every 20 ms, its first start with initdb; "
        "the servers of the cluster after SIGINT, beside the others that run.")
    report.finish()


def watch(pids, idle_s):
    """Memory, processor time and threads of all processes over a quiet time."""
    time.sleep(3)
    before = {name: processes.cpu_s([pid]) for name, pid in pids.items()}
    time.sleep(idle_s)
    lines = ["| process | resident, MiB | in proportion, MiB | processor, % of a core | threads |", "|---|--:|--:|--:|--:|"]
    for name, pid in pids.items():
        share = 100 * (processes.cpu_s([pid]) - before[name]) / idle_s
        memory = [processes.memory_mib(pid, field) for field in ("Rss", "Pss")]
        threads = sum(processes.threads(one) for one in processes.family(pid))
        lines.append(f"| {name} | {memory[0]:.0f} | {memory[1]:.0f} | {share:.1f} | {threads} |")
    return "\n".join(lines)


def restart_roles(cluster, count):
    """First answers of one server of each role when it comes back into the running cluster."""
    lines = []
    for name in ("agent1", "primary1", "secondary1", "coordinator1"):
        times = []
        for _ in range(count):
            cluster[name].interrupt()
            times.append(until_answer(cluster[name], "/_api/version"))
        lines.append(f"| {name} in the cluster | | {statistics.median(times):.3f} |")
    return "\n".join(lines)


def starts(where, count):
    """First answers of a single server, a single etcd and PostgreSQL, in alternation."""
    first, again = {}, {}
    for number in range(count):
        spot = where / str(number)
        spot.mkdir()
        spot.chmod(0o755)
        for name, start in {"single server": start_single, "etcd, one member": start_etcd, "PostgreSQL": start_postgres}.items():
            times = start(spot)
            first.setdefault(name, []).append(times[0])
            again.setdefault(name, []).append(times[1])
    lines = ["| start | first answer, s | again, s |", "|---|--:|--:|"]
    for name in first:
        lines.append(f"| {name} | {statistics.median(first[name]):.3f} | {statistics.median(again[name]):.3f} |")
    return "\n".join(lines)


def until_answer(server, path, method="GET"):
    """Starts a server; seconds until it answers."""
    begun = time.monotonic()
    server.start()
    while True:
        try:
            if requests.request(method, server.url + path, timeout=5).ok:
                return time.monotonic() - begun
        except requests.RequestException:
            pass
        if not server.is_running():
            raise AssertionError(f"{server.name} has ended:\n{server.output()[-2000:]}")
        time.sleep(PAUSE_S)


def start_single(where):
    with Single(where) as single:
        times = []
        for _ in range(2):
            times.append(until_answer(single.server, "/_api/version"))
            single.server.interrupt()
        return times


def start_etcd(where):
    with Etcd(where) as etcd:
        member = etcd["etcd1"]
        position = member.arguments.index("--initial-cluster") + 1
        member.arguments[position] = member.arguments[position].split(",", 1)[0]
        times = []
        for _ in range(2):
            times.append(until_answer(member, "/health"))
            member.interrupt()
        return times


def start_postgres(where):
    times = []
    with Postgres(where) as postgres:
        # PostgreSQL's data directory is made by another program; that is part of a first start.
        for _ in range(2):
            begun = time.monotonic()
            postgres.start()
            times.append(time.monotonic() - begun)
            postgres.stop()
    return times


if __name__ == "__main__":
    main()
