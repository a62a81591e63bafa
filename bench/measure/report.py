"""Rounds, medians, tables. The sides of a comparison take turns, so that what else the machine does
meets all of them; every figure is the median of its rounds, every ratio comes from one run."""

import argparse
import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import processes
from programs import ARANGOD, LOAD


def arguments(description, rounds, measure_ms, more=()):
    """The options that the measurements have in common."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds of each side")
    parser.add_argument("--measure-ms", type=int, default=measure_ms, help="measured time of a round")
    parser.add_argument("--warmup-ms", type=int, default=300, help="time of a round before its measurement")
    parser.add_argument("--markdown", type=Path, help="write the report to this file as well")
    parser.add_argument("--no-build", action="store_true", help="take the programs as they are")
    for name, options in more:
        parser.add_argument(name, **options)
    return parser.parse_args()


def load(side, operation, server, options=None, **job):
    """Runs the load generator once; returns its result with the processor time of the servers."""
    job = {"side": side, "operation": operation, "address": server.address(), "user": "bench", **job}
    if options is not None:
        job |= {"warmup_ms": options.warmup_ms, "measure_ms": options.measure_ms}
    pids = server.pids()
    before, own_before = processes.cpu_s(pids), os.times()
    done = subprocess.run([str(LOAD), json.dumps(job)], capture_output=True, text=True, check=False, timeout=120)
    after, own_after = processes.cpu_s(pids), os.times()
    if done.returncode != 0:
        raise AssertionError(f"{job}: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    if result["errors"]:
        print(f"  !! {side} {operation}: {result['errors']} failures, the first: {result['first_error']}", flush=True)
    if result["operations"] == 0:
        raise AssertionError(f"{side} {operation}: nothing was done: {result['first_error']}")
    part = job["measure_ms"] / (job["measure_ms"] + job["warmup_ms"]) if options is not None else 1.0
    result["cpu_us"] = (after - before) * part * 1e6 / result["operations"]
    result["load_cpu_s"] = own_after.children_user + own_after.children_system - own_before.children_user - own_before.children_system
    return result


class Rounds:
    """Results of all rounds by row and side."""

    def __init__(self):
        self.results = {}
        self.order = []

    def add(self, row, side, result):
        if row not in self.order:
            self.order.append(row)
        self.results.setdefault((row, side), []).append(result)
        print(f"  {row:<42} {side:<11} {result['per_second']:>10,.0f} /s   p50 {result['p50_us'] / 1000:.2f} ms   p99 {result['p99_us'] / 1000:.2f} ms"
              f"   server {result['cpu_us']:.0f} µs each", flush=True)

    def median(self, row, side, field):
        return statistics.median(result[field] for result in self.results[row, side])

    def errors(self):
        return sum(result["errors"] for results in self.results.values() for result in results)

    def comparison(self, ours, peer, names):
        """Our side beside another one: speed, ratio, latencies, processor time of the servers."""
        lines = [
            f"| operation | {names[0]}, per s | {names[1]}, per s | ratio | p50 / p99 ms | p50 / p99 ms, {names[1]} | server µs each | {names[1]} |",
            "|---|--:|--:|--:|--:|--:|--:|--:|"]
        for row in self.order:
            speeds = [self.median(row, side, "per_second") for side in (ours, peer)]
            latencies = [" / ".join(f"{self.median(row, side, field) / 1000:.2f}" for field in ("p50_us", "p99_us")) for side in (ours, peer)]
            cpu = [self.median(row, side, "cpu_us") for side in (ours, peer)]
            lines.append(
                f"| {row} | {speeds[0]:,.0f} | {speeds[1]:,.0f} | {speeds[0] / speeds[1]:.2f} | {latencies[0]} | {latencies[1]} | {cpu[0]:.0f} | {cpu[1]:.0f} |")
        return "\n".join(lines)


class Report:
    """The text of one measurement: where and when, then tables and remarks."""

    def __init__(self, title, options):
        self.options = options
        self.began = time.monotonic()
        self.load_before = os.getloadavg()[0]
        self.parts = [f"# {title}"]
        print(title, flush=True)

    def machine(self):
        cores = os.cpu_count()
        memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        built = time.strftime("%Y-%m-%d %H:%M", time.gmtime(ARANGOD.stat().st_mtime))
        return (f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {cores} vCPU, {memory_gib:.0f} GiB, arangod built {built} UTC; "
                f"load generator, our servers and the peer share the cores; load average before the run {self.load_before:.1f}, "
                f"took {time.monotonic() - self.began:.0f} s.")

    def add(self, text):
        self.parts.append(text)

    def finish(self):
        text = "\n\n".join([self.parts[0], self.machine(), *self.parts[1:]]) + "\n"
        print("\n" + text, flush=True)
        if self.options.markdown:
            self.options.markdown.parent.mkdir(parents=True, exist_ok=True)
            self.options.markdown.write_text(text, encoding="utf-8")


def percentile(values, part):
    """The smallest value that at least this part of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(part * 100) * len(ordered) // 100) - 1))]
