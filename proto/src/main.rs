//! Makes `rust-server/src/grpc/shop.rs` of `shop.proto`.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR"));
    let to = proto.join("../rust-server/src/grpc");
    let files = protox::compile(["shop.proto"], [proto])?;
    tonic_prost_build::configure().build_client(false).out_dir(&to).compile_fds(files)?;
    std::fs::rename(to.join("duet.v1.rs"), to.join("shop.rs"))?;
    Ok(())
}
