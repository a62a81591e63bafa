"""The same document operations in a cluster (one copy, two copies) and on a single server."""

from programs import Cluster, Single, folder, post
from report import Report, Rounds, arguments, load

KEYS = 5000
SIDES = {"single": "bench", "one copy": "bench1", "two copies": "bench2"}


class Door:
    """One coordinator as the address, all servers of the cluster as the processes."""

    def __init__(self, cluster):
        self.cluster = cluster

    def address(self):
        return f"127.0.0.1:{self.cluster['coordinator1'].port}"

    def pids(self):
        return [server.process.pid for server in self.cluster.values() if server.is_running()]


def main():
    options = arguments(__doc__.splitlines()[0], rounds=3, measure_ms=1500)
    report = Report("Cluster beside single server", options)
    rounds = Rounds()
    with folder() as where, Single(where) as single, Cluster(where, secondaries=False) as cluster:
        single.start()
        cluster.start()
        servers = {"single": single, "one copy": Door(cluster), "two copies": Door(cluster)}
        prepare(single, cluster)
        for side, collection in SIDES.items():
            load("documents", "insert", servers[side], clients=8, prefix="k", count=KEYS, collection=collection)
        for number in range(options.rounds):
            for clients in (1, 32):
                for operation in ("insert", "read", "update"):
                    row = f"{operation}, {clients} client{'s' if clients > 1 else ''}"
                    for side in sorted(SIDES, reverse=number % 2 == 1):
                        prefix = f"r{number}c{clients}-" if operation == "insert" else "k"
                        result = load(
                            "documents", operation, servers[side], options, clients=clients, prefix=prefix, keys=KEYS, collection=SIDES[side])
                        rounds.add(row, side, result)
    report.add(table(rounds))
    report.add(
        f"Documents of about 200 bytes over HTTP/1.1 with keep-alive, `waitForSync=false`, {KEYS:,} documents before the first round. The cluster: three agents, two DB-servers, "
        "one coordinator, three shards, all on the same cores as the single server and the load generator. With two copies a write is acknowledged when both have it. "
        f"Medians of {options.rounds} rounds of {options.measure_ms} ms in alternation; \"server µs each\" is processor time of all servers for one operation, background work included. "
        f"Failures: {rounds.errors()}.")
    report.finish()


def prepare(single, cluster):
    post(single.server, "/_api/collection", {"name": SIDES["single"]}, 200)
    for side, copies in (("one copy", 1), ("two copies", 2)):
        post(cluster["coordinator1"], "/_api/collection", {"name": SIDES[side], "numberOfShards": 3, "replicationFactor": copies}, 200)
        cluster.wait_in_sync("_system", SIDES[side], copies)


def table(rounds):
    lines = [
        "| operation | single, per s | one copy | ratio | two copies | ratio | p50 ms: single, one, two | server µs each: single, one, two |",
        "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for row in rounds.order:
        speed = {side: rounds.median(row, side, "per_second") for side in SIDES}
        p50 = ", ".join(f"{rounds.median(row, side, 'p50_us') / 1000:.2f}" for side in SIDES)
        cpu = ", ".join(f"{rounds.median(row, side, 'cpu_us'):.0f}" for side in SIDES)
        lines.append(
            f"| {row} | {speed['single']:,.0f} | {speed['one copy']:,.0f} | {speed['one copy'] / speed['single']:.2f} "
            f"| {speed['two copies']:,.0f} | {speed['two copies'] / speed['single']:.2f} | {p50} | {cpu} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
