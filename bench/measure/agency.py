"""The agency beside etcd: three members each, fsync on, writes and linearizable reads.

Both speak JSON over HTTP/1.1 here (etcd through the JSON gateway of its own process), because that is
the agency's protocol; etcd's gRPC clients are faster than its gateway. All clients talk to the leader.
"""

from programs import Agents, Etcd, folder
from report import Report, Rounds, arguments, load

KEYS = 1000


def main():
    options = arguments(__doc__.splitlines()[0], rounds=5, measure_ms=2000)
    report = Report("Agency beside etcd", options)
    rounds = Rounds()
    with folder() as where, Agents(where) as ours, Etcd(where) as etcd:
        sides = {"agency": ours.start(), "etcd": etcd.start()}
        for side, server in sides.items():
            load(side, "write", server, clients=16, prefix="k", keys=KEYS, count=4 * KEYS)
        for number in range(options.rounds):
            for clients in (1, 64):
                for operation in ("write", "read"):
                    row = f"{operation}, {clients} client{'s' if clients > 1 else ''}"
                    for side in sorted(sides, reverse=number % 2 == 1):
                        rounds.add(row, side, load(side, operation, sides[side], options, clients=clients, prefix="k", keys=KEYS))
    report.add(rounds.comparison("agency", "etcd", ("agency", "etcd")))
    report.add(
        f"Three members each on one machine, all defaults, every write synced to disk by a majority before it is acknowledged, values of 100 bytes under {KEYS:,} keys. "
        "Both sides speak JSON over HTTP/1.1 with keep-alive to the leader: the agency its own API, etcd 3.4 through the gRPC gateway in its process "
        "(`/v3/kv/put`, `/v3/kv/range`, linearizable); etcd's gRPC clients are faster than that. "
        f"Medians of {options.rounds} rounds of {options.measure_ms} ms in alternation; ratio above 1: the agency is faster. "
        f"\"server µs each\" is processor time of all three members for one operation. Failures: {rounds.errors()}.")
    report.finish()


if __name__ == "__main__":
    main()
