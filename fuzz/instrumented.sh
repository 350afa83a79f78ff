#!/bin/sh
# Calls the compiler as cargo wants it called: `instrumented.sh COMPILER ARGUMENT…`. This package's targets and what they try, the
# program and its parser of JSON, are given the fuzzer's instruments; all else is built without them, which is done sooner.
set -eu
compiler=$1
shift
case " $* " in
*' --crate-name scope_storage_probe '* | *' --crate-name scope_storage_probe_fuzz '* | *' --crate-name serde_json '* | *' fuzz_targets/'*)
    # Where a branch was taken is counted in the code itself, and what was compared is told to the fuzzer.
    exec "$compiler" "$@" \
        -Cpasses=sancov-module \
        -Cllvm-args=-sanitizer-coverage-level=3 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
esac
exec "$compiler" "$@"
