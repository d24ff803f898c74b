//! The arms of a comparison as they are written on the command line.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use duet_model::record;
use duet_model::spec::Toolchain;

/// One side of a comparison, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// The words of the command line.
    pub given: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The server or the set of programs, where the words name one.
    pub name: Option<String>,
    /// The compiler that builds it in the place of the one that its table says.
    pub toolchain: Option<Toolchain>,
}

/// Where an arm comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A server of the definitions as they are.
    Server,
    /// A set of programs of theirs.
    Set,
    /// A commit of the repository, checked out into a folder of its own.
    Git(String),
    /// Another folder with the same layout.
    Folder(PathBuf),
    /// An executable in the place of a server's own.
    Binary(PathBuf),
    /// A run that was saved under a name.
    Baseline(String),
    /// The folder of a run.
    Run(PathBuf),
}

impl FromStr for Arm {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let (kind, rest) = given.split_once(':').unwrap_or(("", given));
        let (origin, name) = match kind {
            "server" => (Origin::Server, Some(rest.to_owned())),
            "set" => (Origin::Set, Some(rest.to_owned())),
            "git" => {
                // A ref of git has no colon.
                let (reference, name) = match rest.split_once(':') {
                    Some((reference, name)) => (reference, Some(name.to_owned())),
                    None => (rest, None),
                };
                (Origin::Git(reference.to_owned()), name)
            }
            "dir" => path_and_name(rest, Origin::Folder),
            "bin" => path_and_name(rest, Origin::Binary),
            "baseline" => (Origin::Baseline(rest.to_owned()), None),
            _ if record::find(Path::new(given)).is_some_and(|file| file.is_file()) => {
                (Origin::Run(given.into()), None)
            }
            _ => return Err(FORMS.to_owned()),
        };
        let (name, toolchain) = match name.as_deref().and_then(|name| name.split_once('@')) {
            Some((name, toolchain)) => (Some(name.to_owned()), Some(toolchain.parse()?)),
            None => (name, None),
        };
        if rest.is_empty() || name.as_deref() == Some("") {
            return Err(FORMS.to_owned());
        }
        if toolchain.is_some() && matches!(origin, Origin::Binary(_)) {
            return Err("an executable is built already: take its toolchain out".to_owned());
        }
        Ok(Self { given: given.to_owned(), origin, name, toolchain })
    }
}

const FORMS: &str = "write server:NAME, set:NAME, git:REF[:NAME], dir:PATH[:NAME], \
                     bin:PATH[:SERVER], baseline:NAME or the folder of a run; behind a NAME that \
                     is built, @TOOLCHAIN, as in server:NAME@go1.27.3";

/// A path, and the name behind its last colon unless that belongs to the path.
fn path_and_name(text: &str, origin: fn(PathBuf) -> Origin) -> (Origin, Option<String>) {
    match text.rsplit_once(':') {
        Some((path, name)) if !Path::new(text).exists() => {
            (origin(path.into()), Some(name.to_owned()))
        }
        _ => (origin(text.into()), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms() {
        let check = |given: &str, want: Option<(Origin, Option<&str>)>| {
            let got = given.parse::<Arm>().ok().map(|arm| (arm.origin, arm.name));
            assert_eq!(got, want.map(|(o, s)| (o, s.map(str::to_owned))), "{given}");
        };
        let folder = |path: &str| Origin::Folder(path.into());
        check("server:mine", Some((Origin::Server, Some("mine"))));
        check("set:mine", Some((Origin::Set, Some("mine"))));
        check("git:origin/main", Some((Origin::Git("origin/main".into()), None)));
        check("git:HEAD~1:mine", Some((Origin::Git("HEAD~1".into()), Some("mine"))));
        check("dir:.", Some((folder("."), None)));
        check("dir:.:mine", Some((folder("."), Some("mine"))));
        check("bin:/no/such:mine", Some((Origin::Binary("/no/such".into()), Some("mine"))));
        check("baseline:v1", Some((Origin::Baseline("v1".into()), None)));
        for wrong in
            ["", "mine", "git:", "server:", "set:", "dir:.:", "svn:trunk", "/no/such/folder"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn toolchains_of_arms() {
        let check = |given: &str, want: Option<(Option<&str>, Option<&str>)>| {
            let arm = given.parse::<Arm>().ok();
            let got = arm
                .as_ref()
                .map(|arm| (arm.name.as_deref(), arm.toolchain.as_ref().map(Toolchain::name)));
            assert_eq!(got, want, "{given}");
        };
        check("server:mine@go1.27.3", Some((Some("mine"), Some("go1.27.3"))));
        check("set:mine@1.95.0", Some((Some("mine"), Some("1.95.0"))));
        check("git:main:mine@go1.27.3", Some((Some("mine"), Some("go1.27.3"))));
        check("git:HEAD@{1}", Some((None, None)));
        check("dir:.:mine@1.95.0", Some((Some("mine"), Some("1.95.0"))));
        for wrong in ["server:@go1.27.3", "server:mine@", "server:mine@..", "bin:/x:mine@1.95.0"] {
            check(wrong, None);
        }
    }
}
