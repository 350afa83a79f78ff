#!/usr/bin/env bash
# Runs every fuzz target for some seconds, from the corpus in the tree. What is found new stays out of the tree (fuzz/target/corpus);
# what breaks a target is left in fuzz/artifacts, and this fails.
#
#   fuzz/run.sh [SECONDS for each target, default 5] [TARGET…]
#
# It needs the Rust toolchain of the project and a C++ compiler, nothing else: of what cargo-fuzz sets, all but the sanitizers is to be
# had from a stable compiler, and those look for what code without `unsafe` does not do. `cargo +nightly fuzz run TARGET` works as well.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-5}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in fuzz_targets/*.rs; do
        targets+=("$(basename "$file" .rs)")
    done
fi

RUSTC_WRAPPER=$PWD/instrumented.sh cargo build --release --quiet --locked --target-dir target "${targets[@]/#/--bin=}"

mkdir -p artifacts
broken=()
printf '%-18s %12s %10s %10s  %s\n' target executions coverage inputs result
for target in "${targets[@]}"; do
    found=target/corpus/$target
    log=target/$target.log
    mkdir -p "$found" "corpus/$target"
    # A slow input is a find as well; so is one that takes more memory than the program may have.
    result=ok
    if ! "target/release/$target" "$found" "corpus/$target" \
        -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="artifacts/$target-" >"$log" 2>&1; then
        result="broken, see fuzz/$log"
        broken+=("$target")
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)
    coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
    inputs=$(sed -n 's/.* corp: \([0-9]*\).*/\1/p' "$log" | tail -1)
    printf '%-18s %12s %10s %10s  %s\n' "$target" "${executions:-?}" "${coverage:-?}" "${inputs:-?}" "$result"
done
if [ ${#broken[@]} -gt 0 ]; then
    tail -n 30 "target/${broken[0]}.log"
    echo "broken: ${broken[*]}" >&2
    exit 1
fi
