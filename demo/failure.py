"""Kills a primary while documents are written, and counts: how long nobody was served, and that
every acknowledged document is there afterwards."""

import os
import signal
import threading
import time

import requests

WRITERS = 4
BEFORE_S = 2.0
AFTER_S = 6.0


class Writer(threading.Thread):
    """Inserts one document after the other and remembers what was acknowledged, and when."""

    def __init__(self, db, number, stop):
        super().__init__(daemon=True)
        self.collection = db.collection("events")
        self.number = number
        self.stop = stop
        self.acknowledged = []
        self.refused = 0

    def run(self):
        count = 0
        while not self.stop.is_set():
            key = f"{self.number}-{count}"
            count += 1
            try:
                self.collection.insert({"_key": key}, silent=True)
                self.acknowledged.append((time.monotonic(), key))
            except Exception:
                # Neither yes nor no: the document may be there or not. It is not counted as written.
                self.refused += 1
                time.sleep(0.01)


def show(db, scheduler):
    """Writes, kills, waits, counts."""
    if db.has_collection("events"):
        db.delete_collection("events")
    db.create_collection("events", shard_count=2, replication_factor=2)
    stop = threading.Event()
    writers = [Writer(db, number, stop) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    time.sleep(BEFORE_S)
    victim = process(scheduler, "primary1")
    killed_at = time.monotonic()
    os.kill(victim["pid"], signal.SIGKILL)
    print(f"  primary1 (process {victim['pid']}, port {victim['port']}) was killed with signal 9 while {WRITERS} clients wrote")
    time.sleep(AFTER_S)
    stop.set()
    for writer in writers:
        writer.join(timeout=60)
    report(db, scheduler, writers, killed_at)


def report(db, scheduler, writers, killed_at):
    times = sorted(at for writer in writers for at, _ in writer.acknowledged)
    before = [at for at in times if at <= killed_at]
    gap = max((b - a for a, b in zip(times, times[1:])), default=0.0)
    last_gap = (times[-1] - killed_at) if times else 0.0
    print(f"  {len(before)} documents were acknowledged before, {len(times) - len(before)} after; the longest pause was {gap:.2f} s")
    if last_gap < 0:
        raise SystemExit("nothing was written after the kill")
    keys = {key for writer in writers for _, key in writer.acknowledged}
    present = set(db.aql.execute("FOR e IN events RETURN e._key", batch_size=10000))
    lost = keys - present
    print(f"  {sum(writer.refused for writer in writers)} writes were refused meanwhile; {len(keys)} acknowledged documents, {len(lost)} of them lost")
    if lost:
        raise SystemExit(f"lost: {sorted(lost)[:10]}")
    again = process(scheduler, "primary1")
    print(f"  arangodb has started primary1 again (process {again['pid']}, {again['state']})")


def process(scheduler, name):
    servers = requests.get(f"{scheduler}/process", timeout=10).json()["servers"]
    return next(server for server in servers if server["name"] == name)
