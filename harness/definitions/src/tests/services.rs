//! What the tables of services may say, and what others say of services.

use super::*;
use duet_model::spec::{Listen, ServiceKind, ServicePer};

const SERVICES: &str = r#"[[service]]
name = "db"
kind = "postgres"
listen = "unix"
seed = "data/seed.sql"
rows = { lines = "data/lines.txt" }
[[service]]
name = "calls"
kind = "upstream"
per = "block"
[[service]]
name = "cache"
kind = "command"
run = ["cached", "--port", "{port}"]
ready = "/health"
"#;

/// The folder of tests with services; `from` is replaced by `to` in one of the files.
fn with(file: &str, from: &str, to: &str) -> Folder {
    let mut folder = folder();
    let told = r#"workloads = ["ping", "many"]
[server.services]
db = { args = ["--db", "{service.db}"], env = { POOL = "16" } }
[[server]]"#;
    let servers = SERVERS.replacen("workloads = [\"ping\", \"many\"]\n[[server]]", told, 1);
    let servers = servers.replace(
        "name = \"beta\"\n",
        "name = \"beta\"\nservices = { db = { env = { DB = \"{service.db}\" } } }\n",
    );
    let work = "question = \"How fast?\"\nservices = [\"db\"]\ndatabase = { transactions = 1, \
                rows_read = 2 }\n";
    let workloads = WORKLOADS.replacen("question = \"How fast?\"\n", work, 1);
    for (name, text) in [
        ("services.toml", SERVICES),
        ("servers.toml", &servers),
        ("workloads.toml", &workloads),
        ("data/seed.sql", "SELECT 1;"),
        ("data/lines.txt", "one\n"),
    ] {
        folder.insert(name.to_owned(), text.as_bytes().to_vec());
    }
    let text = String::from_utf8(folder[file].clone()).expect("text");
    assert!(text.contains(from), "no {from:?} in {text}");
    folder.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
    folder
}

#[test]
fn pools() {
    let of = |value: &str| {
        with("servers.toml", "name = \"beta\"\n", &format!("name = \"beta\"\npool = {value}\n"))
    };
    let spec = read(&of("16")).expect("no mistakes");
    assert_eq!(spec.servers.iter().map(|server| server.pool).collect::<Vec<_>>(), [None, Some(16)]);
    for value in ["0", "1025", "\"16\""] {
        let mistakes = read(&of(value)).expect_err("no pool");
        assert!(mistakes.iter().any(|m| m.problem.contains("`pool`")), "{value}: {mistakes:?}");
    }
}

#[test]
fn options() {
    let wanted = "question = \"How fast?\"\noptions = [\"fast\"]\n";
    let mut folder = with("workloads.toml", "question = \"How fast?\"\n", wanted);
    let mistakes = read(&folder).expect_err("nobody has the option");
    let said = "server alpha: its workload `ping` needs the option `fast`";
    assert!(mistakes.iter().any(|mistake| mistake.problem == said), "{mistakes:?}");
    let servers = String::from_utf8(folder["servers.toml"].clone()).expect("text");
    let with_option = |line: &str| match line {
        "[[server]]" => {
            "[[server]]\noptions = { fast = { args = [\"--threads\", \"{threads}\"] } }\n"
                .to_owned()
        }
        line => format!("{line}\n"),
    };
    let servers: String = servers.lines().map(with_option).collect();
    folder.insert("servers.toml".to_owned(), servers.into_bytes());
    let spec = read(&folder).expect("no mistakes");
    assert_eq!(spec.workloads[0].options, ["fast"]);
    assert_eq!(spec.servers[0].options["fast"].args, ["--threads", "{threads}"]);
}

#[test]
fn good_services() {
    let spec = read(&with("services.toml", "", "")).expect("no mistakes");
    let [db, calls, cache] = &spec.services[..] else { panic!("{:?}", spec.services) };
    assert_eq!((db.kind, db.listen), (ServiceKind::Postgres, Some(Listen::Unix)));
    assert_eq!(db.rows["lines"], "data/lines.txt");
    assert_eq!((db.per, calls.per), (ServicePer::Run, ServicePer::Block));
    assert_eq!(cache.ready.as_deref(), Some("/health"));
    let alpha = spec.server("alpha").expect("it is defined");
    assert_eq!(alpha.services["db"].args, ["--db", "{service.db}"]);
    assert_eq!(alpha.services["db"].env["POOL"], "16");
    let ping = spec.workload("ping").expect("it is defined");
    let database = ping.database.as_ref().expect("it says what it does");
    assert_eq!((database.transactions, database.rows_read, database.rows_written), (1, 2, 0));
    let of_ping: Vec<&str> = spec.services_of(ping).map(|s| s.name.as_str()).collect();
    assert_eq!(of_ping, ["db"]);
}

#[test]
fn mistakes_about_services() {
    let wrong = |file: &str, from: &str, to: &str, want: &[&str]| {
        compare(&with(file, from, to), want, &format!("{file}: {from:?} -> {to:?}"));
    };
    let of = "services.toml";
    wrong(
        of,
        "kind = \"postgres\"",
        "kind = \"oracle\"",
        &[
            "services.toml:3: service db: `kind` is `oracle`",
            "workloads.toml:1: workload ping: `database` is counted in a service of the kind \
         `postgres`",
        ],
    );
    wrong(of, "listen = \"unix\"\n", "", &["services.toml:1: service db: `listen` is missing"]);
    wrong(
        of,
        "\"data/seed.sql\"",
        "\"no.sql\"",
        &["services.toml:5: service db: `seed` names `no.sql`: there is no such file"],
    );
    wrong(of, "data/lines.txt", "../x", &["services.toml:6: service db: `rows` names `../x`"]);
    wrong(
        of,
        "{ lines",
        "{ \"a b\"",
        &["services.toml:6: service db: `rows` fills the table \"a b\""],
    );
    wrong(
        of,
        "per = \"block\"",
        "seed = \"data/seed.sql\"",
        &["services.toml:10: service calls: `seed` is only for the kind `postgres`"],
    );
    wrong(
        of,
        "\"{port}\"",
        "\"{socket}\"",
        &[
            "services.toml:14: service cache: `run` has the unknown placeholder `{socket}`",
            "services.toml:14: service cache: `run` has neither {addr} nor {port}",
        ],
    );
    wrong(
        of,
        "\"/health\"",
        "\"health\"",
        &["services.toml:15: service cache: `ready` is `health`"],
    );
    wrong(
        of,
        "name = \"cache\"",
        "name = \"db\"",
        &["services.toml:11: the name of service db is taken by the service in line 1"],
    );
    wrong(
        "servers.toml",
        "\"{service.db}\"",
        "\"{service.cache}\"",
        &[
            "servers.toml:11: server alpha: `services.db` has the unknown placeholder \
         `{service.cache}`",
            "servers.toml:11: server alpha: `services.db` has no {service.db}",
        ],
    );
    wrong(
        "servers.toml",
        "services = { db =",
        "services = { calls =",
        &[
            "servers.toml:12: server beta: its workload `ping` needs the service `db`, of which it \
         has no way to be told",
            "servers.toml:14: server beta: `services.calls` has the unknown \
         placeholder `{service.db}`",
            "servers.toml:14: server beta: `services.calls` has no {service.calls}",
        ],
    );
    wrong(
        "workloads.toml",
        "[\"db\"]",
        "[\"dp\"]",
        &["workloads.toml:4: workload ping: there is no service `dp`"],
    );
    wrong(
        "workloads.toml",
        "[\"db\"]",
        "[]",
        &["workloads.toml:1: workload ping: `database` is counted in a service of the kind \
         `postgres`"],
    );
    wrong(
        "data/many.jsonl",
        "\"path\":\"/a\"",
        "\"path\":\"/a\",\"upstream_calls\":3",
        &["workloads.toml:13: workload many: `upstream_calls` are counted in a service of the \
             kind `upstream`"],
    );
}
