#!/usr/bin/env bash
# The whole way in one go: builds, starts a server, registers, makes a sample persona, pushes it,
# logs in as a second device with another HOME, pulls, compares, and shows what the server holds.
# Everything lives in a temporary directory, which is removed at the end (KEEP=1 keeps it).
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

say "building"
cargo build --release --locked -p keybackup -p keybackup-server
bin="${CARGO_TARGET_DIR:-$PWD/target}/release"
client="$bin/keybackup"

work=$(mktemp -d)
server_pid=
cleanup() {
  [ -z "$server_pid" ] || { kill "$server_pid" 2>/dev/null && wait "$server_pid" 2>/dev/null || true; }
  if [ -n "${KEEP:-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap cleanup EXIT

say "starting a server on a free port of loopback"
"$bin/keybackup-server" serve --data "$work/server" --listen 127.0.0.1:0 2>"$work/server.log" &
server_pid=$!
url=
for _ in $(seq 100); do
  url=$(sed -n 's/^keybackup-server listening on \(http:[^ ]*\).*/\1/p' "$work/server.log")
  [ -n "$url" ] && break
  kill -0 "$server_pid" 2>/dev/null || { cat "$work/server.log" >&2; exit 1; }
  sleep 0.1
done
[ -n "$url" ] || { echo "the server did not start" >&2; cat "$work/server.log" >&2; exit 1; }
echo "$url, data in $work/server"

# A device is a HOME; nothing of yours is read or written.
on() {
  local home="$work/$1"
  shift
  mkdir -p "$home"
  env -i PATH="$PATH" HOME="$home" KEYBACKUP_SERVER="$url" KEYBACKUP_PASSWORD="$password" \
    "$client" --store file --no-input "$@"
}
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')

say "device one: register, and make a persona in the reference layout"
on one register alice@example.org --recovery-file "$work/phrase.txt"
pid=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
persona="$work/one/.cryptomessaging/personas/$pid"
mkdir -p "$persona/keyring" "$persona/images"
printf '{"pid":"%s","nickname":"Alice","images":["face.png"]}\n' "$pid" >"$persona/persona.json"
printf '{"seed":"%s"}\n' "$(head -c 32 /dev/urandom | base64 | tr -d '\n')" >"$persona/keyring/secrets.json"
printf '{"subkey":1}\n' >"$persona/keyring/subkey(1).json"
head -c 5000 /dev/urandom >"$persona/images/face.png"
chmod 600 "$persona/keyring/"*.json
chmod 700 "$persona/keyring"
touch -d '2020-02-29 12:34:56.1234567' "$persona/persona.json"

say "device one: push"
on one push
on one list

say "device two: log in and pull"
on two login alice@example.org --device "second device"
on two pull
restored="$work/two/.cryptomessaging/personas/$pid"

say "comparing contents, modes and file times"
# One line a file: path, mode, time to 100 ns (what a backup keeps), SHA-256.
look() {
  (
    cd "$1"
    find . -type f -printf '%P  %m  %T@  ' -exec sha256sum -b {} \; |
      sed -E 's/(\.[0-9]{7})[0-9]*  ([0-9a-f]{64}) .*/\1  \2/' | sort
    find . -mindepth 1 -type d -printf '%P  %m\n' | sort
  )
}
diff <(look "$persona") <(look "$restored")
look "$restored"
echo "identical"

say "what the server holds"
(cd "$work/server" && find . -type f -printf '%M %9s %P\n')
if grep -rqaF -e "$pid" -e Alice -e alice@example.org -e "$password" "$work/server" "$work/server.log"; then
  echo "the server can read something: this is a bug" >&2
  exit 1
fi
echo "neither persona id, nickname, address nor password is anywhere in it"

say "done"
