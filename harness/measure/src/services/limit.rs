//! How long a service may take to start.

use duet_model::spec::Service;

/// Why a service is given up that was not ready in time.
pub(super) fn late(what: &str, service: &Service) -> String {
    let limit = service.start_limit().as_secs();
    format!("{what} was not ready within {limit} s (`start_limit_s` in services.toml)")
}
