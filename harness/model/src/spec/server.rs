//! Servers: how each is built and started, and what it may be asked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::service::ServiceArgs;
use super::toolchain::Toolchain;
use duet_protocol::Transport;

/// A program under test.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its name, unique among servers.
    pub name: String,
    /// The language it is written in, as people write it: `Rust`, `Go`.
    pub language: String,
    /// The lanes it may be ranked in.
    pub lanes: Vec<Lane>,
    /// One sentence for reports.
    pub summary: String,
    /// Programs that must be on the PATH before it can be built, such as `cargo`.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The compiler that builds it; absent: the one that is installed.
    #[serde(default)]
    pub toolchain: Option<Toolchain>,
    /// The command that builds it, run in the folder above the definitions. Empty: nothing to
    /// build.
    #[serde(default)]
    pub build: Vec<String>,
    /// Environment variables that tell the build where to keep its intermediate files, each with a
    /// folder relative to the folder above the definitions. The harness passes the absolute path.
    /// A clean build is timed after deleting these folders.
    #[serde(default)]
    pub build_cache: BTreeMap<String, String>,
    /// The same for builds that nobody times, until one was timed: folders that several servers may
    /// share. Empty: such builds use the caches above.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shared_cache: BTreeMap<String, String>,
    /// The command that compiles the standard library into an empty build cache, for `duet builds`.
    /// Empty: it comes compiled, or nobody knows.
    #[serde(default)]
    pub std_build: Vec<String>,
    /// The command that prints, for `duet builds`, the folders of the sources that it is built from
    /// beside its own and the standard library's: a line each, in any order, more than once or not.
    /// Empty: nobody knows.
    #[serde(default)]
    pub dependencies: Vec<String>,
    /// The change of a handler that `duet builds` times.
    #[serde(default)]
    pub edit: Option<Edit>,
    /// The command that starts it; see [`PLACEHOLDERS`]. Its first word is the binary.
    pub run: Vec<String>,
    /// Arguments added to [`Self::run`] when a load comes over TLS; see [`TLS_PLACEHOLDERS`].
    /// Empty: it does not speak TLS.
    #[serde(default)]
    pub tls_args: Vec<String>,
    /// Arguments added to [`Self::run`] when a load comes over HTTP/2 without TLS. Empty: it does
    /// not speak that.
    #[serde(default)]
    pub h2c_args: Vec<String>,
    /// How it is told of the services that a workload needs, by service: arguments and variables
    /// that may use [`PLACEHOLDERS`] and the service's own `{service.NAME}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, ServiceArgs>,
    /// What is added to its command for workloads that name an option, by option.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, ServiceArgs>,
    /// Connections to a database that it keeps at most, as its command says it: a block in which it
    /// has more is a failed one. Absent: nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<u32>,
    /// The command that prints its version line. Empty: it has none, as only an external one may.
    pub version: Vec<String>,
    /// Environment variables it is started with, beside the harness's own; see [`PLACEHOLDERS`].
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether it prints while it serves. Its output is then read and thrown away.
    #[serde(default)]
    pub prints: bool,
    /// Whether it knows nothing of the contract (CONTRACT.md, 5): the harness chooses its port, and
    /// asks of it right answers and nothing else.
    #[serde(default)]
    pub external: bool,
    /// Files and folders, relative to the folder above the definitions, that git ignores and the
    /// server needs: where versions are compared, both get them as they are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carry: Vec<String>,
    /// How long it may take until it listens and, where it is external, gives its first valid
    /// response, in seconds; absent: [`Self::START_LIMIT_S`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_limit_s: Option<u32>,
    /// The workloads it implements.
    pub workloads: Vec<String>,
    /// The folder that its commands run in and its paths are relative to, where that is not the one
    /// above the definitions: of a version of its own in a comparison. No definition says this, and
    /// no record keeps it.
    #[serde(skip)]
    pub root: Option<PathBuf>,
}

/// A change of a source: small, in a handler, and such that the server must be compiled again and
/// still gives the right responses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, relative to the folder above the definitions.
    pub file: String,
    /// The text that is replaced. It is in the file once.
    pub replace: String,
    /// The text in its place. [`Self::NUMBER`] in it is another number each time, so that no cache
    /// knows the source from an earlier change.
    pub with: String,
}

impl Edit {
    /// The placeholder of [`Self::with`].
    pub const NUMBER: &str = "{n}";
}

/// What a server may use. Only servers of one lane are ranked against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Behaves as the article's code.
    Article,
    /// Standard library only.
    Std,
    /// What the language's documentation teaches.
    Idiomatic,
    /// Anything safe.
    Tuned,
}

impl Lane {
    /// Its name in definitions and reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Article => "article",
            Self::Std => "std",
            Self::Idiomatic => "idiomatic",
            Self::Tuned => "tuned",
        }
    }
}

/// What stands for a layout in build commands: a word that holds it is for builds that have one.
pub const LAYOUT: &str = "{layout}";

/// A build command in a layout: each word as it is with the number of it. Without one, words that
/// would tell it are left out, so that the command is that of any build.
#[must_use]
pub fn laid_out(build: &[String], layout: Option<u32>) -> Vec<String> {
    let word = |word: &String| match layout {
        _ if !word.contains(LAYOUT) => Some(word.clone()),
        Some(number) => Some(word.replace(LAYOUT, &number.to_string())),
        None => None,
    };
    build.iter().filter_map(word).collect()
}

/// The placeholders that `run`, `env`, `tls_args` and `h2c_args` may use. A server that is told a
/// `{socket}` listens on that Unix socket, which is in a folder of the run.
pub const PLACEHOLDERS: [&str; 5] = ["{addr}", "{host}", "{port}", "{socket}", "{threads}"];

/// The placeholders that `tls_args` may use besides, and has to: the files of the certificate and
/// its private key, in PEM form.
pub const TLS_PLACEHOLDERS: [&str; 2] = ["{tls_cert}", "{tls_key}"];

impl Server {
    /// How long a server may take to start, in seconds, where its definition does not say.
    pub const START_LIMIT_S: u32 = 10;

    /// How long it may take to start.
    #[must_use]
    pub fn start_limit(&self) -> Duration {
        Duration::from_secs(self.start_limit_s.unwrap_or(Self::START_LIMIT_S).into())
    }

    /// Whether it listens on a Unix socket.
    #[must_use]
    pub fn listens_on_socket(&self) -> bool {
        self.run.iter().chain(self.env.values()).any(|word| word.contains("{socket}"))
    }

    /// The arguments added to [`Self::run`] for a transport; absent where it does not speak that.
    #[must_use]
    pub fn arguments(&self, transport: Transport) -> Option<&[String]> {
        let arguments = match transport {
            Transport::Http => return Some(&[]),
            Transport::Https | Transport::H2 => &self.tls_args,
            Transport::H2c => &self.h2c_args,
        };
        (!arguments.is_empty()).then_some(arguments)
    }

    /// The transports it speaks.
    pub fn transports(&self) -> impl Iterator<Item = Transport> {
        Transport::ALL.into_iter().filter(|transport| self.arguments(*transport).is_some())
    }
}
