#!/usr/bin/env python3
"""Checks what ARCHITECTURE.md promises: arrows between crates point downwards, the pure crates stay
pure, every source file says what it is for, and no file has a name that means nothing."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LAYERS = {
    "base": 0, "velocypack": 0,
    "rt": 1, "database": 1,
    "aql": 2, "storage": 2, "agency": 2, "api": 2,
    "exec": 3, "rocks": 3,
    "roles": 4,
    "server": 5, "scheduler": 5, "bench": 5,
}
# Within the lowest layer values may use errors.
SAME_LAYER = {("velocypack", "base")}
PURE = {"base", "velocypack", "database", "aql", "exec", "storage"}
IMPURE = {"tokio", "hyper", "hyper-util", "rt", "socket2", "rocksdb", "tracing-subscriber"}
ONLY_USER_OF = {"rocks": "server", "rocksdb": "rocks", "api": "server"}
NAMES_THAT_MEAN_NOTHING = {"utils", "util", "common", "helpers", "helper", "misc", "types", "manager"}


def main():
    faults = []
    for manifest in sorted((ROOT / "crates").glob("*/Cargo.toml")):
        faults += crate_faults(manifest)
    for source in sorted((ROOT / "crates").glob("*/src/**/*.rs")):
        name = source.relative_to(ROOT)
        if not source.read_text(encoding="utf-8").startswith("//!"):
            faults.append(f"{name}: does not begin with a //! header")
        if source.stem in NAMES_THAT_MEAN_NOTHING:
            faults.append(f"{name}: a name that means nothing")
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"architecture: {len(LAYERS)} crates, {len(faults)} faults")
    return 1 if faults else 0


def crate_faults(manifest):
    crate = manifest.parent.name
    if crate not in LAYERS:
        return [f"crates/{crate}: not in the table of layers"]
    faults = []
    for used in tomllib.loads(manifest.read_text(encoding="utf-8")).get("dependencies", {}):
        if used in LAYERS and LAYERS[used] >= LAYERS[crate] and (crate, used) not in SAME_LAYER:
            faults.append(f"crates/{crate}: uses {used}, which is not below it")
        if crate in PURE and used in IMPURE:
            faults.append(f"crates/{crate}: is pure but uses {used}")
        if ONLY_USER_OF.get(used, crate) != crate:
            faults.append(f"crates/{crate}: only {ONLY_USER_OF[used]} may use {used}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
