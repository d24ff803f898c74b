//! Duet.

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("generator") => duet::load::run(std::io::stdin().lock(), std::io::stdout().lock()),
        _ => Ok(()),
    }
}
