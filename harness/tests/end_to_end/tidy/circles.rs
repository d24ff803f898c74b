//! Circles of imports within a crate: modules of which each needs the others cannot be read one
//! after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{crates, files, none};

/// A module's path within its crate; the crate's root is empty.
type Module = Vec<String>;

#[test]
fn no_circle_of_imports() {
    let mut complaints = vec![];
    let mut seen = 0;
    for folder in crates() {
        let texts = modules(&folder.join("src"));
        let imports: BTreeMap<&Module, BTreeSet<Module>> =
            texts.iter().map(|(module, text)| (module, imports(module, text, &texts))).collect();
        seen += imports.values().map(BTreeSet::len).sum::<usize>();
        for module in texts.keys() {
            if reachable(module, &imports).contains(module) {
                complaints.push(format!("{}: {}", folder.display(), module.join("::")));
            }
        }
    }
    assert!(seen > 500, "imports were not read: {seen}");
    none(&complaints);
}

#[test]
fn circles_are_found() {
    let check = |files: &[(&str, &str)], want: bool| {
        let split = |path: &str| path.split("::").map(str::to_owned).collect::<Module>();
        let texts: BTreeMap<Module, String> =
            files.iter().map(|(path, text)| (split(path), without_tests(text))).collect();
        let imports: BTreeMap<&Module, BTreeSet<Module>> =
            texts.iter().map(|(module, text)| (module, imports(module, text, &texts))).collect();
        let found = texts.keys().any(|module| reachable(module, &imports).contains(module));
        assert_eq!(found, want, "{files:?}");
    };
    check(&[("a", "use crate::b::B;"), ("b", "")], false);
    check(&[("a", "use crate::b::B;"), ("b", "use super::a::{self, A};")], true);
    check(&[("a", "use crate::{c, b::{B, D}};"), ("b", "use crate::c::C;"), ("c", "")], false);
    check(&[("a", "use crate::{c, b::{B, D}};"), ("b", ""), ("c", "use super::a;")], true);
    check(&[("a", "mod b;\nuse b::B;"), ("a::b", "use super::A;")], true);
    check(&[("a", "mod b;\npub use b::B;"), ("a::b", "")], false);
    check(&[("a", "fn f() { crate::b::g() }"), ("b", "fn g() { crate::a::f() }")], true);
    check(&[("a", "#[cfg(test)]\nmod tests;\nuse crate::b;"), ("b", "use crate::a::A;")], true);
    check(&[("a", "#[cfg(test)]\nmod tests {\nuse crate::b;"), ("b", "use crate::a::A;")], false);
    check(&[("a", "mod b;\npub use b::B;"), ("a::b", "use super::{c};"), ("a::c", "")], false);
    check(&[("a", "// use crate::b;"), ("b", "use crate::a::A;")], false);
}

/// The modules below `src` with their code, without tests and comments.
fn modules(src: &Path) -> BTreeMap<Module, String> {
    let module = |path: &Path| {
        let inner = path.strip_prefix(src).expect("it was found below").with_extension("");
        let mut parts: Module =
            inner.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
        if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            parts.pop();
        }
        parts
    };
    let text = |path: &Path| fs::read_to_string(path).expect("a source is text");
    let all = files(src, "rs").into_iter().map(|path| (module(&path), text(&path)));
    all.filter(|(module, _)| !module.iter().any(|part| part == "tests"))
        .map(|(module, text)| (module, without_tests(&text)))
        .collect()
}

/// A source up to its tests, and without those of which it only says that they are elsewhere.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    for (i, part) in text.split("#[cfg(test)]\nmod ").enumerate() {
        match part.split_once([';', '{']) {
            Some((name, rest)) if i > 0 => match part.as_bytes()[name.len()] {
                b';' => kept += rest,
                _ => break,
            },
            _ => kept += part,
        }
    }
    kept
}

/// The modules that a module names: by `crate::` and `super::` wherever, by a child's name in
/// `use`.
fn imports(module: &Module, text: &str, all: &BTreeMap<Module, String>) -> BTreeSet<Module> {
    let code: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join(" ");
    let mut paths = vec![];
    for (i, _) in code.match_indices("use ").filter(|(i, _)| starts_word(&code, *i)) {
        let tree = code[i + 4..].split(';').next().unwrap_or_default();
        expand("", tree, &mut paths);
    }
    for start in ["crate::", "super::"] {
        for (i, _) in code.match_indices(start).filter(|(i, _)| starts_word(&code, *i)) {
            let end = code[i..].find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
            let path = &code[i..end.map_or(code.len(), |end| i + end)];
            if !path.ends_with("::") {
                paths.push(path.to_owned()); // else a tree, which is read above
            }
        }
    }
    let found = paths.iter().filter_map(|path| resolve(module, path, all));
    found.filter(|target| target != module).collect()
}

fn starts_word(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
}

/// Writes the paths of a tree of `use` out: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let Some((before, rest)) = tree.split_once('{') else {
        paths.push(format!("{prefix}{}", tree.trim()));
        return;
    };
    let prefix = format!("{prefix}{}", before.trim());
    let inner = rest.rfind('}').map_or(rest, |end| &rest[..end]);
    let (mut depth, mut from) = (0, 0);
    for (i, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[from..i].trim().is_empty() {
                    expand(&prefix, &inner[from..i], paths);
                }
                from = i + 1;
            }
            _ => {}
        }
    }
}

/// The module that a path leads to, as seen from `module`; absent for other crates and for items of
/// the module itself.
fn resolve(module: &Module, path: &str, all: &BTreeMap<Module, String>) -> Option<Module> {
    let mut parts = path.split("::").map(str::trim).peekable();
    let mut at: Module = match parts.peek()? {
        &"crate" => {
            parts.next();
            vec![]
        }
        &"super" | &"self" => module.clone(),
        child => {
            let child = [&module[..], &[(*child).to_owned()]].concat();
            all.contains_key(&child).then(|| module.clone())?
        }
    };
    for part in parts {
        match part {
            "super" => drop(at.pop()?),
            "self" => {}
            name => {
                let next = [&at[..], &[name.to_owned()]].concat();
                if !all.contains_key(&next) {
                    break;
                }
                at = next;
            }
        }
    }
    Some(at)
}

/// The modules that a module's imports lead to, over however many others.
fn reachable(from: &Module, imports: &BTreeMap<&Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&Module> = imports[from].iter().collect();
    while let Some(module) = open.pop() {
        if seen.insert(module.clone()) {
            open.extend(imports.get(module).into_iter().flatten());
        }
    }
    seen
}
