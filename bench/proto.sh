#!/bin/sh
# Makes the sources of proto/shop.proto anew: Go's by protoc of PyPI's grpcio-tools and its plug-ins,
# Rust's by tonic's.
set -eu
cd "$(dirname "$0")/.."
tools=target/proto
[ -x $tools/bin/python ] || python3 -m venv $tools
$tools/bin/pip install --quiet grpcio-tools==1.85.1
export GOBIN="$PWD/$tools/bin"
go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
PATH="$GOBIN:$PATH" $tools/bin/python -m grpc_tools.protoc --proto_path=proto \
    --go_out=go-server --go_opt=module=duet/go-server \
    --go-grpc_out=go-server --go-grpc_opt=module=duet/go-server shop.proto
mkdir -p rust-server/src/grpc
CARGO_TARGET_DIR=$tools/rust cargo run --quiet --locked --manifest-path proto/Cargo.toml
rustfmt --edition 2024 --config-path . rust-server/src/grpc/shop.rs
