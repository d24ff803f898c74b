//! What is compared: the servers and programs of two versions as pairs, and these as definitions.

use anyhow::{Result, bail};

use super::exit::UsageError;
use duet_measure::versions::Checkout;
use duet_model::record::Absence;
use duet_model::spec::{
    Case, CellId, ExpectedResponse, Gate, GateScope, Lane, Matchup, ProgramSet, Server, Spec,
    Workload,
};

/// The two versions of a server or of a set of programs, each under a name of its own, or two
/// servers or sets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair {
    /// What cells call it.
    pub(super) name: String,
    pub(super) base: Side,
    pub(super) head: Side,
}

/// One side of a pair.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Side {
    Server(Box<Server>),
    /// A set of programs, and behind it those that it falls back on.
    Programs(Vec<ProgramSet>),
}

impl Side {
    /// What a checkout has under a name.
    fn of(checkout: &Checkout, name: &str) -> Option<Self> {
        if let Some(server) = checkout.servers.iter().find(|server| server.name == name) {
            return Some(Self::Server(Box::new(server.clone())));
        }
        let find = |name: &str| checkout.sets.iter().find(|set| set.name == name);
        let next = |set: &&ProgramSet| find(set.rest.as_deref()?);
        let sets = std::iter::successors(find(name), next).take(checkout.sets.len());
        let sets: Vec<ProgramSet> = sets.cloned().collect();
        (!sets.is_empty()).then_some(Self::Programs(sets))
    }

    fn name(&self) -> &str {
        match self {
            Self::Server(server) => &server.name,
            Self::Programs(sets) => sets.first().map_or("", |set| &set.name),
        }
    }

    fn lane(&self) -> Lane {
        let lanes = match self {
            Self::Server(server) => &server.lanes[..],
            Self::Programs(sets) => sets.first().map_or(&[][..], |set| &set.lanes),
        };
        lanes.first().copied().unwrap_or(Lane::Std)
    }

    /// Whether it serves a workload, or solves a problem.
    fn has(&self, workload: &str) -> bool {
        match self {
            Self::Server(server) => server.workloads.iter().any(|own| own == workload),
            Self::Programs(sets) => sets.iter().any(|set| set.builds(workload)),
        }
    }
}

impl Pair {
    pub(super) fn is_of_programs(&self) -> bool {
        matches!(self.base, Side::Programs(_))
    }

    /// Whether both sides serve a workload, or solve a problem.
    pub(super) fn has(&self, workload: &str) -> bool {
        self.base.has(workload) && self.head.has(workload)
    }
}

/// The servers or sets of two checkouts as a pair; absent where one has none of the name. Two
/// versions get names that tell them apart; one server against itself keeps its own, and so does
/// the one that is given by nothing but its name.
///
/// # Errors
/// When a server would be compared with programs.
pub(super) fn pair(base: (&Checkout, &str), head: (&Checkout, &str)) -> Result<Option<Pair>> {
    let sides = Side::of(base.0, base.1).zip(Side::of(head.0, head.1));
    let Some((mut first, mut second)) = sides else { return Ok(None) };
    let name = match first.name() == second.name() {
        true => first.name().to_owned(),
        false => format!("{}-{}", first.name(), second.name()),
    };
    let (mut old, mut new) = (base.0.version.label.as_str(), head.0.version.label.as_str());
    if old == new {
        (old, new) = ("base", "head");
    }
    match (&mut first, &mut second) {
        (Side::Server(one), Side::Server(other)) => {
            if one.name == other.name && one != other {
                one.name = versioned(&one.name, old);
                other.name = versioned(&other.name, new);
            }
        }
        (Side::Programs(ones), Side::Programs(others)) => {
            let differs = |one: &ProgramSet| others.iter().any(|o| o.name == one.name && o != one);
            if ones.iter().any(differs) {
                rename(ones, old);
                rename(others, new);
            }
        }
        (first, second) => bail!(UsageError(format!(
            "`{}` and `{}` are a server and a set of programs: compare servers with servers and \
             programs with programs",
            first.name(),
            second.name()
        ))),
    }
    Ok(Some(Pair { name, base: first, head: second }))
}

/// The name of a version's server.
fn versioned(name: &str, label: &str) -> String {
    if name == label { name.to_owned() } else { format!("{name}@{label}") }
}

/// Names sets as those of one version, each falling back on that version's.
fn rename(sets: &mut [ProgramSet], label: &str) {
    if sets.first().is_some_and(|set| set.name == label) {
        return;
    }
    for set in sets {
        set.name = format!("{}@{label}", set.name);
        set.rest = set.rest.as_ref().map(|rest| format!("{rest}@{label}"));
    }
}

/// Definitions that hold these pairs as matchups, and of the given ones the workloads and loads.
pub(super) fn definitions(given: &Spec, pairs: &[Pair]) -> Spec {
    let mut spec = Spec {
        services: given.services.clone(),
        workloads: given.workloads.clone(),
        loads: given.loads.clone(),
        gates: given.gates.clone(),
        ..Spec::default()
    };
    for pair in pairs {
        for side in [&pair.base, &pair.head] {
            match side {
                Side::Server(server) => add_server(&mut spec, server),
                Side::Programs(sets) => add_sets(&mut spec, sets),
            }
        }
        spec.matchups.push(Matchup {
            name: pair.name.clone(),
            lane: pair.base.lane(),
            arms: vec![pair.base.name().to_owned(), pair.head.name().to_owned()],
        });
    }
    if !spec.sets.is_empty() {
        spec.problems.clone_from(&given.problems);
        // An input is made by any set that has a program for it.
        let inputs = || given.problems.iter().filter_map(|problem| problem.input.as_ref());
        let makers = given.sets.iter().filter(|set| inputs().any(|input| set.builds(input)));
        add_sets(&mut spec, &makers.cloned().collect::<Vec<_>>());
    }
    spec
}

fn add_server(spec: &mut Spec, server: &Server) {
    if spec.server(&server.name).is_none() {
        spec.servers.push(server.clone());
    }
    // Responses that are a server's own belong to all of its versions.
    let original = server.name.split('@').next().unwrap_or_default();
    for workload in &mut spec.workloads {
        if let Some(response) = workload.responses.get(original).cloned() {
            workload.responses.insert(server.name.clone(), response);
        }
    }
}

fn add_sets(spec: &mut Spec, sets: &[ProgramSet]) {
    for set in sets {
        if spec.set(&set.name).is_none() {
            spec.sets.push(set.clone());
        }
    }
}

/// The server or set that an arm means: the one it names, the one given for both, or the only one.
pub(super) fn name_of<'a>(
    named: Option<&'a str>,
    given: Option<&'a str>,
    spec: &'a Spec,
) -> Result<&'a str> {
    if let Some(name) = named.or(given) {
        return Ok(name);
    }
    let names: Vec<&str> = known(&spec.servers, &spec.sets).collect();
    match &names[..] {
        [only] => Ok(only),
        names => bail!(UsageError(format!(
            "which server? Name it behind the version, as in git:main:{}, or with --server; there \
             are {}",
            names.first().copied().unwrap_or("NAME"),
            names.join(", ")
        ))),
    }
}

/// The names of servers and sets.
pub(super) fn known<'a>(
    servers: &'a [Server],
    sets: &'a [ProgramSet],
) -> impl Iterator<Item = &'a str> {
    let sets = sets.iter().map(|set| set.name.as_str());
    servers.iter().map(|server| server.name.as_str()).chain(sets)
}

/// How two versions define a workload or a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Definitions {
    Same,
    /// One request, of which each version promises another response.
    Responses,
    /// Other requests, or responses that cannot be told apart by server.
    Other,
}

/// How two versions define a workload or a problem. What only one of them defines is the same.
fn definitions_of(name: &str, base: &Spec, head: &Spec) -> Definitions {
    if let Some((one, other)) = base.problem(name).zip(head.problem(name)) {
        return if one == other { Definitions::Same } else { Definitions::Other };
    }
    let both = base.workload(name).zip(head.workload(name));
    let Some((one, other)) = both else { return Definitions::Same };
    if one.cases == other.cases && one.churn == other.churn && one.responses == other.responses {
        return Definitions::Same;
    }
    let request = |case: &Case| Case { expect: ExpectedResponse::default(), ..case.clone() };
    match (&one.cases[..], &other.cases[..]) {
        ([a], [b]) if request(a) == request(b) && one.churn == other.churn => {
            Definitions::Responses
        }
        _ => Definitions::Other,
    }
}

/// The definitions that two versions are compared by: the present ones, workloads as the head has
/// them, loads as the base has them. Where each promises another response, each is held to its own.
pub(super) fn of_both(given: &Spec, base: &Checkout, head: &Checkout, pairs: &[Pair]) -> Spec {
    let mut spec = given.clone();
    let (base, head) = (base.definitions(given), head.definitions(given));
    for workload in &mut spec.workloads {
        if let Some(own) = head.workload(&workload.name) {
            workload.clone_from(own);
        }
        let (Some(one), [case]) = (base.workload(&workload.name), &workload.cases[..]) else {
            continue;
        };
        if definitions_of(&workload.name, base, head) == Definitions::Responses {
            let expected = |workload: &Workload, case: &Case, side: &Side| {
                let original = side.name().split('@').next().unwrap_or_default();
                workload.answer(case, original).clone()
            };
            let promises: Vec<(String, ExpectedResponse)> = pairs
                .iter()
                .flat_map(|pair| {
                    [
                        (pair.base.name().to_owned(), expected(one, &one.cases[0], &pair.base)),
                        (pair.head.name().to_owned(), expected(workload, case, &pair.head)),
                    ]
                })
                .collect();
            workload.responses.extend(promises);
        }
    }
    for load in &mut spec.loads {
        if let Some(own) = base.load(&load.name) {
            load.clone_from(own);
        }
    }
    spec
}

/// What a gate guards of two versions.
#[derive(Debug, Default)]
pub(super) struct GatedCells {
    pub(super) pairs: Vec<Pair>,
    /// The cells that both versions have.
    pub(super) cells: Vec<CellId>,
    /// Those that only one has.
    pub(super) absent: Vec<Absence>,
    /// Those that each defines in its own way.
    pub(super) changed: Vec<CellId>,
}

/// The guarded servers and sets of two versions. Versions that name one, as `git:main:mine` does,
/// stand for that one alone.
pub(super) fn guarded(
    policy: &Gate,
    given: &Spec,
    (base, base_name): (&Checkout, Option<&str>),
    (head, head_name): (&Checkout, Option<&str>),
) -> Result<GatedCells> {
    let named = base_name.or(head_name).zip(head_name.or(base_name));
    let mut found = GatedCells::default();
    for guard in policy.guards() {
        let names: Vec<(&str, &str)> = match named {
            None => guard.arms.iter().map(|name| (&**name, &**name)).collect(),
            Some(names) => vec![names],
        };
        for (old, new) in names {
            guard_pair(guard, (base, old), (head, new), &mut found)?;
        }
    }
    let (of_base, of_head) = (base.definitions(given), head.definitions(given));
    found.cells.retain(|cell| {
        let compared = match definitions_of(&cell.workload, of_base, of_head) {
            Definitions::Same => true,
            Definitions::Responses => policy.compare_changed,
            Definitions::Other => false,
        };
        if !compared {
            found.changed.push(cell.clone());
        }
        compared
    });
    if let Some((old, new)) = named
        && found.cells.is_empty()
        && found.absent.is_empty()
        && found.changed.is_empty()
    {
        let word = if old == new { old.to_owned() } else { format!("{old} or {new}") };
        bail!(UsageError(format!("the gate `{}` measures nothing of {word}", policy.name)));
    }
    Ok(found)
}

/// What a guard measures of two servers or sets, unless it is of the other kind.
fn guard_pair(
    guard: GateScope<'_>,
    (base, old): (&Checkout, &str),
    (head, new): (&Checkout, &str),
    found: &mut GatedCells,
) -> Result<()> {
    let sides = (Side::of(base, old), Side::of(head, new));
    let of_programs = |side: &Side| matches!(side, Side::Programs(_));
    match (&sides.0, &sides.1) {
        (None, None) => {
            bail!(UsageError(format!("neither version has a server or set of programs `{old}`")))
        }
        (Some(side), _) | (None, Some(side)) if of_programs(side) != guard.programs => {
            return Ok(());
        }
        _ => {}
    }
    let pair = pair((base, old), (head, new))?;
    let lone = if sides.0.is_some() { old } else { new };
    let name = pair.as_ref().map_or_else(|| lone.to_owned(), |pair| pair.name.clone());
    for cell in (GateScope { arms: &[name], ..guard }).cells() {
        let has = |side: &Option<Side>| side.as_ref().is_some_and(|s| s.has(&cell.workload));
        match (has(&sides.0), has(&sides.1)) {
            (true, true) if !found.cells.contains(&cell) => found.cells.push(cell),
            (true, true) | (false, false) => {}
            (in_head, _) => {
                let absence = Absence { cell, in_head };
                if !found.absent.contains(&absence) {
                    found.absent.push(absence);
                }
            }
        }
    }
    if let Some(pair) = pair.filter(|pair| !found.pairs.contains(pair)) {
        found.pairs.push(pair);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_model::record::Version;
    use duet_model::testing::{programs, set};

    /// A version in a folder of its own: `two`, which has its `y` from `base`.
    fn checkout(label: &str) -> Checkout {
        let rooted = |set: ProgramSet| ProgramSet { root: Some(label.into()), ..set };
        let version = Version {
            given: format!("git:{label}"),
            label: label.to_owned(),
            ..Version::default()
        };
        Checkout {
            version,
            root: label.into(),
            servers: vec![],
            sets: vec![
                rooted(set("base", "Go", &["y"], None)),
                rooted(set("two", "Go", &["x"], Some("base"))),
            ],
            spec: None,
            notes: vec![],
        }
    }

    #[test]
    fn a_name_alone_stays_as_it_is_beside_its_versions() {
        let check = |old: &str, new: &str, want: [&str; 2]| {
            let (base, head) = (checkout(old), checkout(new));
            let pair = pair((&base, "base"), (&head, "base")).expect("both are sets");
            let pair = pair.expect("both have it");
            assert_eq!([pair.base.name(), pair.head.name()], want, "{old} {new}");
        };
        check("base", "go1.27.3", ["base", "base@go1.27.3"]);
        check("go1.26.8", "go1.27.3", ["base@go1.26.8", "base@go1.27.3"]);
        check("go1.27.3", "base", ["base@go1.27.3", "base"]);
    }

    #[test]
    fn versions_of_sets_fall_back_on_sets_of_their_own() {
        let mut given = programs(1, 1.0).header.spec;
        given.problems[1].input = Some("x".to_owned());
        let check = |old: &str, new: &str, want: &[&str]| {
            let (base, head) = (checkout(old), checkout(new));
            let pair = pair((&base, "two"), (&head, "two")).expect("both are sets");
            let pair = pair.expect("both have it");
            let spec = definitions(&given, std::slice::from_ref(&pair));
            let words = |set: &ProgramSet| format!("{} > {:?}", set.name, set.rest.as_deref());
            let sets: Vec<String> = spec.sets.iter().map(words).collect();
            assert_eq!(sets, want, "{old} {new}");
            assert_eq!((pair.name.as_str(), pair.has("y"), pair.has("z")), ("two", true, false));
            spec
        };
        // Whoever compares has two sets that make an input: `one` and `two`.
        let own = ["one > None", "two > Some(\"base\")"];
        let versions = [
            "two@old > Some(\"base@old\")",
            "base@old > None",
            "two@new > Some(\"base@new\")",
            "base@new > None",
        ];
        let spec = check("old", "new", &[&versions[..], &own].concat());
        let origin = spec.origin("two@new", "y").expect("a set");
        assert_eq!(
            (origin.name.as_str(), origin.root.as_deref()),
            ("base@new", Some("new".as_ref()))
        );
        assert_eq!(spec.matchups[0].arms, ["two@old", "two@new"]);
        // A version against itself is one set.
        let spec = check("old", "old", &[own[1], "base > None", own[0]]);
        assert_eq!(spec.matchups[0].arms, ["two", "two"]);
    }
}
