#!/usr/bin/env bash
# Builds the committed tree in two directories and compares the binaries, byte for byte.
#
#   tests/reproducible.sh            the commit checked out
#   tests/reproducible.sh v0.1.0     another one
#
# Prints the SHA-256 of each binary; whoever builds the same commit with the same toolchain and the
# same C compiler gets the same sums. Takes two release builds of everything.
set -euo pipefail
cd "$(dirname "$0")/.."
commit=$(git rev-parse --verify "${1:-HEAD}^{commit}")

work=$(mktemp -d "${TMPDIR:-/tmp}/keybackup-reproducible.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Another length, depth and name, so that a path that leaks into a binary moves something.
directories=("$work/a" "$work/another-directory/longer")

for directory in "${directories[@]}"; do
  mkdir -p "$directory"
  git archive "$commit" | tar -x -C "$directory"
  "$directory/release.sh" "$directory/out" >&2
done

status=0
for binary in keybackup keybackup-server; do
  if cmp "${directories[0]}/out/$binary" "${directories[1]}/out/$binary"; then
    (cd "${directories[0]}/out" && sha256sum "$binary")
  else
    status=1
  fi
  if grep -qa -e "$work" -e "$HOME/" "${directories[0]}/out/$binary"; then
    echo "a path of this machine is in $binary" >&2
    status=1
  fi
done
exit "$status"
