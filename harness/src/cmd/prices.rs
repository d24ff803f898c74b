//! Prices of what the report's costs are made of.

use clap::Args;

use duet_analysis::Prices;

/// What CPU time and work cost.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct PriceArgs {
    /// US dollars for a vCPU-hour, of which the report makes costs per request and month. The
    /// default is half of what an m7g.large, of two vCPUs, cost on demand in us-east-1 in June
    /// 2026.
    #[arg(long, value_name = "PRICE", value_parser = price,
          default_value_t = Prices::default().vcpu_hour)]
    vcpu_hour: f64,

    /// US dollars for a day of work, to say from which rate on a difference pays one a month.
    #[arg(long, value_name = "PRICE", value_parser = price,
          default_value_t = Prices::default().day)]
    day: f64,
}

impl PriceArgs {
    pub(super) fn prices(self) -> Prices {
        Prices { vcpu_hour: self.vcpu_hour, day: self.day }
    }
}

impl Default for PriceArgs {
    fn default() -> Self {
        let Prices { vcpu_hour, day } = Prices::default();
        Self { vcpu_hour, day }
    }
}

fn price(text: &str) -> Result<f64, String> {
    let price = text.parse::<f64>().ok().filter(|price| price.is_finite() && *price > 0.0);
    price.ok_or_else(|| "write a number above 0, such as 0.05".to_owned())
}
