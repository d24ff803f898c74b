#!/bin/sh
# Says what to install where Rust, its linker or Go is missing or too old. The versions are those that
# Cargo.toml and go-server/go.mod ask for.
set -eu

fail() {
    echo "duet: $1" >&2
    exit 1
}

at_least() { # at_least WANTED FOUND
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

[ "$(uname -s)" = Linux ] || fail "Linux is needed: the harness reads /proc and uses epoll"

rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
go=$(sed -n 's/^go \([0-9.]*\)$/\1/p' go-server/go.mod)

command -v cargo >/dev/null || fail "cargo is not installed: install Rust $rust or newer (rustup.rs)"
command -v cc >/dev/null ||
    fail "cc is not installed: Rust links with it (Debian, Ubuntu: apt-get install gcc; Fedora: dnf install gcc)"
command -v go >/dev/null || fail "go is not installed: install Go $go or newer (go.dev/dl)"

found=$(cargo --version | cut -d ' ' -f 2)
at_least "$rust" "$found" || fail "cargo is $found: Rust $rust or newer is needed (rustup update)"
found=$(go env GOVERSION | sed 's/^go//')
at_least "$go" "$found" || fail "go is $found: Go $go or newer is needed (go.dev/dl)"
