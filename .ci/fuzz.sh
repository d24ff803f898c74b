#!/bin/sh
# Runs each fuzz target for so many seconds. They need the unstable compiler and cargo-fuzz.
set -eu

if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "fuzzing is skipped: cargo-fuzz is not installed. It takes:"
    echo "    rustup toolchain install nightly && cargo install cargo-fuzz --locked"
    exit 0
fi
for target in parser template; do
    mkdir -p "fuzz/corpus/$target"
    cargo +nightly fuzz run "$target" "fuzz/corpus/$target" fuzz/seeds -- \
        -max_total_time="$1" -max_len=4096
done
