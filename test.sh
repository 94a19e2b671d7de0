#!/usr/bin/env bash
# Installs what the tests need and runs everything: format, lints, docs, tests. No arguments.
# Works on a machine that has Rust, git, Node and Python; as root it installs the Debian packages
# named below, otherwise it says which are missing.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$*" >&2; }

# program:package — what the tests start besides our own binaries.
needs=(cc:gcc python3:python3 node:nodejs npm:npm unzip:unzip bsdtar:libarchive-tools strace:strace
  mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs setsid:util-linux mount:mount c++:g++)
missing=()
for need in "${needs[@]}"; do
  command -v "${need%%:*}" >/dev/null || [ -x "/usr/sbin/${need%%:*}" ] || missing+=("${need##*:}")
done
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=240 update -qq
    apt-get -o DPkg::Lock::Timeout=240 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "missing Debian packages, install them first: ${missing[*]}" >&2
    exit 1
  fi
fi
for component in rustfmt clippy; do
  cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component"
done

# Packages of the programs that share no code with ours go to .tools, which git ignores.
say "packages for Python and Node"
python=.tools/venv/bin/python
pinned=(tests/independent/python/requirements.txt tests/mail/requirements.txt
  tests/tus/requirements.txt)
if ! cat "${pinned[@]}" | cmp -s - .tools/venv/installed.txt; then
  python3 -m venv .tools/venv
  "$python" -m pip install --quiet --disable-pip-version-check "${pinned[@]/#/--requirement=}"
  cat "${pinned[@]}" > .tools/venv/installed.txt
fi
tests/independent/js/setup.sh

say "format"
cargo fmt --all --check

# One profile for lints, docs and tests, so that a cold run compiles the dependencies' native
# parts once.
say "lints"
cargo clippy --locked --profile ci --workspace --all-targets -- -D warnings

say "docs"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --profile ci --workspace --no-deps

say "tests"
# What people read is compared with what is committed, and never rewritten here.
export INSTA_UPDATE=no
cargo build --locked --profile ci --workspace --bins
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --locked --cargo-profile ci --workspace --no-fail-fast
else
  # No process of its own for each test, and no heavy one alone: one after the other they still
  # don't disturb each other. Building nextest here would take longer than that costs.
  cargo test --locked --profile ci --workspace --no-fail-fast -- --test-threads=1
fi

# Every kind of fault, a few times. Before a release there are more: tests/FAULTS.md.
say "faults"
"${CARGO_TARGET_DIR:-target}/ci/faults" --tier C

# Half a minute a target, on what the committed corpora begin with; the tests above have run these
# without a fuzzer already. A campaign is longer: CONTRIBUTING.md.
say "fuzzing"
nightly=${FUZZ_TOOLCHAIN:-nightly}
if ! rustc "+$nightly" --version >/dev/null 2>&1; then
  rustup toolchain install "$nightly" --profile minimal || true
fi
if rustc "+$nightly" --version >/dev/null 2>&1; then
  cargo fuzz --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-fuzz
  tests/fuzz/campaign.sh --seconds 30
elif [ -n "${CI:-}" ] && [ "$CI" != false ]; then
  echo "fuzzing needs a nightly toolchain, and rustup can't install one: set FUZZ_TOOLCHAIN" >&2
  exit 1
else
  echo "not run: fuzzing: there is no nightly toolchain" >&2
fi
