//! That a version starts its own executable, written by its own build: otherwise both versions run
//! the same one, and nothing is compared.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::Recipe;
use crate::copy;
use crate::server::resolve;

/// Removes the executable that an earlier build left in the version's place, so that one that is
/// there after the build is that build's. Sources stay.
///
/// # Errors
/// When it cannot be removed.
pub(super) fn forget_executable(recipe: &Recipe<'_>, root: &Path, place: &Path) -> Result<()> {
    let Some(binary) = recipe.binary.filter(|binary| binary.contains('/')) else { return Ok(()) };
    let path = resolve(root, binary);
    let built = !recipe.build.is_empty() && path.is_file() && path.starts_with(place);
    if built && !copy::is_source(place, &path) {
        fs::remove_file(&path).with_context(|| format!("failed to remove {}", path.display()))?;
    }
    Ok(())
}

/// Makes sure that what a version starts lies in its place, or is an interpreter that is started
/// with a file that does.
///
/// # Errors
/// When it is another file, or the build has not written it.
pub(super) fn check(recipe: &Recipe<'_>, root: &Path, place: &Path) -> Result<()> {
    let Some(binary) = recipe.binary else { return Ok(()) };
    let (started, path) = match binary.contains('/') {
        true => (binary, resolve(root, binary)),
        // A bare name is found on the PATH; what it runs is its first argument.
        false => match recipe.arguments.first() {
            Some(script) if Path::new(script).is_absolute() && Path::new(script).is_file() => {
                (script.as_str(), script.into())
            }
            _ => return Ok(()),
        },
    };
    ensure!(
        path.exists(),
        "there is no `{started}`{}",
        match recipe.build.is_empty() {
            true => ": if git ignores it, name it in `carry`, or build it by `build`".to_owned(),
            false => format!(
                " after `{}`: its build writes another file, by a setting of the compiler's \
                 perhaps, such as a target folder elsewhere",
                recipe.build.join(" ")
            ),
        }
    );
    let path = path.canonicalize().with_context(|| format!("failed to find {started}"))?;
    let interprets = recipe
        .arguments
        .first()
        .is_some_and(|script| Path::new(script).is_relative() && root.join(script).is_file());
    let own = interprets
        || is_of_environment(&resolve(root, started), place)
        || place.canonicalize().is_ok_and(|place| path.starts_with(place));
    ensure!(
        own,
        "`{started}` is {}, which is not in this version's folder: both versions would run the \
         same file. Let `build` write it, and `run` start it, by a path relative to the folder \
         above the definitions",
        path.display()
    );
    Ok(())
}

/// Whether a program in a place is the interpreter of a virtual environment there, a link to that
/// of the system (PEP 405): what it runs shows when it does ([`crate::elsewhere`]).
fn is_of_environment(program: &Path, place: &Path) -> bool {
    let environment = program.parent().and_then(Path::parent);
    let found = environment.filter(|folder| folder.join("pyvenv.cfg").is_file());
    let found = found.and_then(|folder| folder.canonicalize().ok());
    found.is_some_and(|folder| place.canonicalize().is_ok_and(|place| folder.starts_with(place)))
}
