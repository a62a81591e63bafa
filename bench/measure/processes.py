"""What the system says of processes: memory and processor time."""

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def family(pid):
    """A process and all that descend from it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, ahead = [], [pid]
    while ahead:
        one = ahead.pop()
        found.append(one)
        ahead += parents.get(one, [])
    return found


def _stat(pid):
    """Fields of /proc/pid/stat from the state on, or nothing when the process is gone."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def cpu_s(pids):
    """Processor time of these processes and their descendants, ended children included."""
    ticks = 0
    for pid in pids:
        for one in family(pid):
            fields = _stat(one)
            if fields:
                ticks += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return ticks / TICKS_PER_S


def memory_mib(pid, field="Rss"):
    """Memory of a process and its descendants: `Rss` resident, `Pss` with what is shared counted in proportion."""
    total_kib = 0
    for one in family(pid):
        try:
            lines = (Path("/proc") / str(one) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total_kib += sum(int(line.split()[1]) for line in lines if line.startswith(field + ":"))
    return total_kib / 1024


def threads(pid):
    """Number of threads."""
    for line in (Path("/proc") / str(pid) / "status").read_text().splitlines():
        if line.startswith("Threads:"):
            return int(line.split()[1])
    return 0
