#!/bin/sh
# Runs each fuzz target for so many seconds. RUSTC_BOOTSTRAP lets the stable compiler take the
# unstable options that cargo-fuzz gives it.
set -eu

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzzing is skipped: cargo-fuzz is not installed. It takes:"
    echo "    cargo install cargo-fuzz --locked"
    exit 0
fi
for target in parser template http2; do
    mkdir -p "fuzz/corpus/$target"
    seeds=fuzz/seeds
    if [ "$target" = http2 ]; then seeds=fuzz/seeds-http2; fi
    RUSTC_BOOTSTRAP=1 cargo fuzz run "$target" "fuzz/corpus/$target" "$seeds" -- \
        -max_total_time="$1" -max_len=4096
done
