#!/usr/bin/env bash
# Installs what is needed and tests this client: against the published vectors, and, where the
# programs are built, against a server and the keybackup client (KEYBACKUP_BIN names their directory;
# the default is target/release).
set -euo pipefail
cd "$(dirname "$0")"
./setup.sh
exec node --test "$@" vectors.test.js rules.test.js interop.test.js
