#!/usr/bin/env bash
# Builds both programs so that anybody builds the same bytes: ./release.sh [DIRECTORY]
#
# They land in DIRECTORY (default: dist). No path of this machine is left in them. What still
# decides is the commit, the Rust toolchain and the C compiler: both are named in the end.
set -euo pipefail
cd "$(dirname "$0")"
source=$PWD
out=$(realpath -m "${1:-dist}")
cargo_home=${CARGO_HOME:-$HOME/.cargo}
target=$source/target/release-sh

# Paths in Rust's panic messages. A directory whose name holds a space can only be said in the
# encoded form, which counts before the plain one.
separator=$'\x1f'
export CARGO_ENCODED_RUSTFLAGS="--remap-path-prefix=$source=/keybackup${separator}--remap-path-prefix=$cargo_home=/cargo"
# Paths in C's assertions (AWS-LC, SQLite, zstd). Compilers split CFLAGS at spaces, so a name with
# one goes without: such a build works, and need not give the same bytes.
map="-ffile-prefix-map=$cargo_home=/cargo"
case $source in *' '*) ;; *) map="$map -ffile-prefix-map=$source=/keybackup" ;; esac
export CFLAGS=$map CXXFLAGS=$map
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=0

CARGO_TARGET_DIR=$target cargo build --release --locked -p keybackup -p keybackup-server
mkdir -p "$out"
cp "$target/release/keybackup" "$target/release/keybackup-server" "$out/"

rustc --version >&2
"${CC:-cc}" --version | head -1 >&2
(cd "$out" && sha256sum keybackup keybackup-server)
