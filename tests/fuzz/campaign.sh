#!/usr/bin/env bash
# Fuzzes: builds every target with libFuzzer and AddressSanitizer, runs each for so much CPU time
# from a seed that is logged, and sums up. Fails on a crash, an input that takes longer than a
# second, or a process beyond 256 MiB.
#
#   campaign.sh [--minutes N | --seconds N] [--seed S] [--jobs J] [TARGET…]
#   campaign.sh --minimise [TARGET…]
#
# What it finds worth keeping goes to work/, which git ignores, and is where the next campaign goes
# on. --minimise makes of it, and of the committed corpus, a new committed corpus. Inputs that fail
# are in work/failures/; `work/build/TARGET FILE` repeats one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$here/work
toolchain=${FUZZ_TOOLCHAIN:-nightly}

budget_s=60 seed=$RANDOM jobs=1 minimise=false targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --minutes) budget_s=$(($2 * 60)); shift ;;
    --seconds) budget_s=$2; shift ;;
    --seed) seed=$2; shift ;;
    --jobs) jobs=$2; shift ;;
    --minimise) minimise=true ;;
    -*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
    *) targets+=("$1") ;;
  esac
  shift
done
if [ ${#targets[@]} = 0 ]; then
  for file in "$here"/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

# Memory that is freed is kept from reuse for a while, to catch who still uses it: 8 MiB of it, so
# that the limit below is about what the program holds.
export ASAN_OPTIONS=quarantine_size_mb=8:detect_odr_violation=0:allocator_may_return_null=0
# A test that fails says where; a backtrace of all frames would take longer than an input may.
export RUST_BACKTRACE=0
limits=(-timeout=1 -rss_limit_mb=256)

build() {
  echo "building ${targets[*]}" >&2
  local target_dir=${CARGO_TARGET_DIR:-$here/target} host
  host=$(rustc "+$toolchain" -vV | sed -n 's/^host: //p')
  for target in "${targets[@]}"; do
    # One call for all would build targets that nobody asked for; what they share is built once.
    cargo "+$toolchain" fuzz build --fuzz-dir "$here" --target-dir "$target_dir" "$target"
  done
  mkdir -p "$work"
  ln -sfn "$target_dir/$host/release" "$work/build"
}

# Runs one target until it has used its CPU time, in as many rounds as that takes on a machine that
# has other things to do; writes a line of the summary.
run() {
  local target=$1 log=$work/log/$1.log corpus=$work/corpus/$1 failures=$work/failures/$1-
  mkdir -p "$work/log" "$corpus" "$work/failures"
  : >"$log"
  local cpu_s=0 rounds=0 runs=0 rss=0 slowest=0 verdict=ok
  while [ "$cpu_s" -lt "$budget_s" ] && [ $verdict = ok ]; do
    local round=$log.round times
    times=$(TIMEFORMAT='%U %S'; { time "$work/build/$target" "${limits[@]}" \
      -seed=$((seed + rounds)) -max_total_time=$((budget_s - cpu_s)) -print_final_stats=1 \
      -artifact_prefix="$failures" "$corpus" "$here/corpus/$target" >"$round" 2>&1 \
      || echo failed >>"$round"; } 2>&1)
    cat "$round" >>"$log"
    grep -aqx failed "$round" && ! stalled "$target" "$round" && verdict=FAILED
    cpu_s=$(awk -v before="$cpu_s" '{ print int(before + $1 + $2 + 0.999) }' <<<"$times")
    rounds=$((rounds + 1))
    runs=$((runs + $(stat "$round" number_of_executed_units)))
    rss=$(most "$rss" "$(stat "$round" peak_rss_mb)")
    slowest=$(most "$slowest" "$(stat "$round" slowest_unit_time_sec)")
    rm "$round"
  done
  printf '%-10s %6s %6s %8s %12s %8s %9s %8s %7s  %s\n' "$target" "$seed" "$rounds" "$cpu_s" \
    "$runs" "$((runs / (cpu_s > 0 ? cpu_s : 1)))" "$slowest" "$rss" \
    "$(find "$corpus" -type f | wc -l)" "$verdict" >"$log.summary"
  cat "$log.summary"
  [ $verdict = ok ] || { grep -a -B2 -A12 -m1 'ERROR\|panicked' "$log"; return 1; } >&2
}

# Whether a round ended only because the machine did: an input that took too long once, and does not
# when it is repeated alone.
stalled() {
  local input
  input=$(sed -n 's/.*Test unit written to \(.*-timeout-[0-9a-f]*\)$/\1/p' "$2" | tail -1)
  [ -n "$input" ] && "$work/build/$1" "${limits[@]}" "$input" >"$2.again" 2>&1 || return 1
  rm "$input" "$2.again"
}

stat() { sed -n "s/^stat::$2: *//p" "$1" | tail -1 | grep . || echo 0; }
most() { [ "$1" -ge "$2" ] && echo "$1" || echo "$2"; }

# The fewest inputs that reach all that was reached, in place of the committed ones.
minimised() {
  local target=$1 new=$work/minimised/$1
  rm -rf "$new" && mkdir -p "$new" "$work/corpus/$target"
  "$work/build/$target" -set_cover_merge=1 "${limits[@]}" "$new" "$work/corpus/$target" \
    "$here/corpus/$target" >"$work/minimised/$target.log" 2>&1
  rm -rf "$here/corpus/$target" && mv "$new" "$here/corpus/$target"
  printf '%-10s %5s inputs, %s\n' "$target" "$(find "$here/corpus/$target" -type f | wc -l)" \
    "$(du -sh --apparent-size "$here/corpus/$target" | cut -f1)"
}

build
if $minimise; then
  for target in "${targets[@]}"; do minimised "$target"; done
  exit
fi
# A crash leaves a directory behind; in memory, where the system has such.
TMPDIR=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
head='target       seed rounds    CPU s   executions  per s   slowest s  RSS MiB  corpus  verdict'
echo "$head"
status=0
waiting=0
for target in "${targets[@]}"; do
  if [ "$waiting" -ge "$jobs" ]; then
    wait -n || status=1
    waiting=$((waiting - 1))
  fi
  run "$target" &
  waiting=$((waiting + 1))
done
while [ "$waiting" -gt 0 ]; do
  wait -n || status=1
  waiting=$((waiting - 1))
done
{ echo "$head"; for target in "${targets[@]}"; do cat "$work/log/$target.log.summary"; done; } \
  >"$work/summary.txt"
exit $status
