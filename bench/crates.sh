#!/bin/sh
# Prints the folders of the crates that a package is built from beside those of this repository, a
# line each: for `dependencies` in servers.toml. The arguments are those of `cargo tree` that say
# which package, and with which features. Crates are where cargo unpacks what a registry sends.
set -eu
cargo tree --locked --edges normal,build --prefix none --format '{p}' "$@" |
    awk '$3 !~ /^\(\// && NF { print $1 "-" substr($2, 2) }' |
    sort -u |
    while read -r crate; do
        ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$crate"
    done
