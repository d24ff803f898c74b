//! The state of the machine around a block: what a few operations took that no server is part of.

use serde::{Deserialize, Serialize};

/// The gauges of a block, read on the first of the servers' CPUs while servers are idle and before
/// or after programs run: never while anything is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BlockGauges {
    /// Before the first window, or the first program.
    pub before: GaugeReading,
    /// After the last one.
    pub after: GaugeReading,
}

/// What each gauge said, in nanoseconds per operation: the median of five repeats of 0.4 ms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GaugeReading {
    /// [`Gauge::Alu`].
    pub alu_ns: f64,
    /// [`Gauge::ChaseNear`].
    pub chase_near_ns: f64,
    /// [`Gauge::ChaseFar`].
    pub chase_far_ns: f64,
    /// [`Gauge::SystemCall`].
    pub system_call_ns: f64,
    /// [`Gauge::Echo`].
    pub echo_ns: f64,
}

/// What a gauge repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Gauge {
    /// A step of a generator of random numbers, each from the one before: registers alone.
    Alu,
    /// A step from one cache line to another, at random, in 0.5 MiB: a core's own caches.
    ChaseNear,
    /// The same in 64 MiB: caches that cores share, memory, and translations of addresses.
    ChaseFar,
    /// A call of the kernel that does next to nothing, getppid.
    SystemCall,
    /// A byte to the other end of a TCP connection over the loopback interface, and back.
    Echo,
}

impl Gauge {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Alu, Self::ChaseNear, Self::ChaseFar, Self::SystemCall, Self::Echo];

    /// The gauge in words.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Alu => "arithmetic",
            Self::ChaseNear => "memory in 0.5 MiB",
            Self::ChaseFar => "memory in 64 MiB",
            Self::SystemCall => "system call",
            Self::Echo => "loopback echo",
        }
    }
}

impl GaugeReading {
    /// What a gauge said, in nanoseconds per operation.
    #[must_use]
    pub fn of(&self, gauge: Gauge) -> f64 {
        match gauge {
            Gauge::Alu => self.alu_ns,
            Gauge::ChaseNear => self.chase_near_ns,
            Gauge::ChaseFar => self.chase_far_ns,
            Gauge::SystemCall => self.system_call_ns,
            Gauge::Echo => self.echo_ns,
        }
    }

    /// A reading, gauge by gauge; absent where one has no value.
    #[must_use]
    pub fn each(of: impl Fn(Gauge) -> Option<f64>) -> Option<Self> {
        Some(Self {
            alu_ns: of(Gauge::Alu)?,
            chase_near_ns: of(Gauge::ChaseNear)?,
            chase_far_ns: of(Gauge::ChaseFar)?,
            system_call_ns: of(Gauge::SystemCall)?,
            echo_ns: of(Gauge::Echo)?,
        })
    }
}
