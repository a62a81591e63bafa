"""Single documents beside PostgreSQL: insert, read and update by primary key at equal durability."""

from programs import Postgres, Single, delete, folder, post
from report import Report, Rounds, arguments, load

KEYS = 10_000


def main():
    options = arguments(__doc__.splitlines()[0], rounds=3, measure_ms=1000)
    report = Report("Single documents beside PostgreSQL", options)
    rounds = Rounds()
    with folder() as where, Single(where) as single, Postgres(where) as postgres:
        sides = {"documents": single.start(), "postgres": postgres.start()}
        prepare(single, postgres)
        for side, server in sides.items():
            load(side, "insert", server, clients=8, prefix="k", count=KEYS, collection="bench")
        for number in range(options.rounds):
            for row, job in rows():
                for side in sorted(sides, reverse=number % 2 == 1):
                    prefix = f"r{number}c{job['clients']}s{int(job['sync'])}-" if job["operation"] == "insert" else "k"
                    rounds.add(row, side, load(side, server=sides[side], options=options, prefix=prefix, keys=KEYS, collection="bench", **job))
        delete(single.server, "/_api/collection/bench", 200)
    report.add(rounds.comparison("documents", "postgres", ("ours", "PostgreSQL")))
    report.add(
        f"Documents of about 200 bytes under a string key, {KEYS:,} of them before the first round; reads and updates of a random one, an update replaces one attribute. "
        "Ours: HTTP/1.1 with keep-alive and JSON, one request per document. PostgreSQL 15: its binary protocol with a prepared statement over TCP, "
        "`key text PRIMARY KEY, document jsonb`, 512 MB of shared buffers, fsync on. Equal durability: \"not synced\" is `waitForSync=false` against `synchronous_commit=off` "
        "(an acknowledged write may be lost when the machine loses power, not when the process dies — PostgreSQL may lose it then, too), \"synced\" is `waitForSync=true` against `synchronous_commit=on`. "
        f"Medians of {options.rounds} rounds of {options.measure_ms} ms in alternation; ratio above 1: ours is faster. Failures: {rounds.errors()}.")
    report.finish()


def prepare(single, postgres):
    post(single.server, "/_api/collection", {"name": "bench"}, 200)
    postgres.sql("CREATE TABLE bench (key text PRIMARY KEY, document jsonb NOT NULL)")


def rows():
    for clients in (1, 32):
        who = f"{clients} client{'s' if clients > 1 else ''}"
        yield f"read, {who}", {"operation": "read", "clients": clients, "sync": False}
        for operation in ("insert", "update"):
            for sync in (False, True):
                yield f"{operation}, {'synced' if sync else 'not synced'}, {who}", {"operation": operation, "clients": clients, "sync": sync}


if __name__ == "__main__":
    main()
