# Sourced by the scripts at the root: where builds go, and RocksDB compiled once per version.
#
# RocksDB's C++ takes twenty minutes on two cores and cargo would repeat it whenever an unrelated
# dependency of its build script changes. So it is built on its own, once, and then linked.

export ARANGO_RS_CACHE="${ARANGO_RS_CACHE:-$HOME/.cache/arangodb-rs}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$ARANGO_RS_CACHE/work}"

# Prints the version of the crate that carries RocksDB, from the lock file.
rocksdb_version() {
    awk '/^name = "librocksdb-sys"/ { getline; gsub(/version = |"/, ""); print }' "$1/Cargo.lock"
}

# use_rocksdb ROOT: builds the static library if this version is not there yet and exports where it is.
use_rocksdb() {
    local root="$1" library
    library="$ARANGO_RS_CACHE/rocksdb-$(rocksdb_version "$root")"
    if [ ! -f "$library/librocksdb.a" ]; then
        echo "Building RocksDB once (about twenty minutes on two cores) ..."
        local build="$ARANGO_RS_CACHE/rocksdb-build"
        (cd "$root" && env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC CARGO_TARGET_DIR="$build" cargo build -q -p librocksdb-sys) || return 1
        mkdir -p "$library"
        cp "$(find "$build" -name librocksdb.a -print -quit)" "$library/librocksdb.a.part" && mv "$library/librocksdb.a.part" "$library/librocksdb.a"
        rm -rf "$build"
    fi
    export ROCKSDB_LIB_DIR="$library" ROCKSDB_STATIC=1
}
