#!/usr/bin/env bash
# Installs the pinned npm packages below .tools, which git ignores, and links them to where Node looks.
# Nothing is done when they are there already.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
tools="$here/../../../.tools/js"

mkdir -p "$tools"
if ! cmp -s "$here/package-lock.json" "$tools/node_modules/.installed"; then
  cp "$here/package.json" "$here/package-lock.json" "$tools/"
  (cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund >&2)
  cp "$here/package-lock.json" "$tools/node_modules/.installed"
fi
ln -sfn ../../../.tools/js/node_modules "$here/node_modules"
