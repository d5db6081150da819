//! Who may see whom: reads the sources and holds the rooms to what ARCHITECTURE.md says of them.
//! Looks at words, not at meaning: a name that is only re-exported elsewhere would pass.

use std::fs;
use std::path::{Path, PathBuf};

/// A room of `src` and the rooms whose names may stand in it, its own aside.
struct Room {
    name: &'static str,
    sees: &'static [&'static str],
    /// Time, ids and whatever waits come in as arguments.
    pure: bool,
}

const fn room(name: &'static str, sees: &'static [&'static str], pure: bool) -> Room {
    Room { name, sees, pure }
}

const ROOMS: [Room; 16] = [
    room("domain", &[], true),
    room("sagas", &["domain"], true),
    room("projections", &["domain", "sagas"], true),
    room("payments", &["domain", "sagas"], false),
    room("persistence", &["domain"], false),
    room("actors", &["domain", "sagas", "projections", "payments", "persistence"], false),
    room("cluster", &["persistence"], false),
    room("supervisors", &["actors", "cluster", "payments", "persistence", "projections"], false),
    room("auth", &["domain"], false),
    room("graphql", &["actors", "auth", "domain", "sagas", "projections", "supervisors"], false),
    room("http", &["auth", "domain", "graphql"], false),
    room("telemetry", &["config"], false),
    room("config", &["actors", "cluster", "graphql", "http"], false),
    // A client of the public API, like any other program.
    room("load", &[], false),
    room("cli", &["actors", "config", "domain", "load", "persistence"], false),
    // The composition root and the program; the simulator, which is a test.
    room("app", ALL, false),
];
const ALL: &[&str] = &["*"];
/// Rooms and files that exist for tests alone.
const TESTS: [&str; 1] = ["simulator"];

/// What no pure room may say.
const IMPURE: [&str; 9] = [
    "Utc::now",
    "Local::now",
    "SystemTime::now",
    "Instant::now",
    "Uuid::new_v4",
    "Uuid::now_v7",
    "tokio::",
    "std::fs",
    "std::net",
];

/// Words that belong to one room, and to the composition root.
const OWNED: [(&str, &str); 5] = [
    ("sqlx", "persistence"),
    ("persistence::sqlite", "persistence"),
    ("persistence::mysql", "persistence"),
    ("actix_web", "http"),
    ("async_graphql", "graphql"),
];
/// Rooms that may use a word of another's all the same, each with its reason.
const EXCEPTIONS: [(&str, &str); 2] = [
    // Turns replies of the schema into bytes.
    ("async_graphql", "http"),
    // Is a client of the schema for the demo data.
    ("async_graphql", "app"),
];

/// The code of a file without comments, texts and the tests at its end.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]"
            && lines.peek().is_some_and(|next| next.starts_with("mod tests {"))
        {
            break;
        }
        // Every second piece stands between quotation marks.
        let outside: Vec<&str> = line.split('"').step_by(2).collect();
        let outside = outside.join("\"\"");
        code.push_str(outside.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

/// The rooms that a piece of code names: after `crate::`, within `crate::{…}`, or after enough
/// `super::` to arrive at the root. `depth` is how many modules lie between the root and the file.
fn rooms_named(code: &str, depth: usize) -> Vec<String> {
    let mut named = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$') {
            continue;
        }
        collect(&code[at + "crate::".len()..], &mut named);
    }
    let supers = "super::".repeat(depth);
    if depth > 0 {
        for (at, _) in code.match_indices(&supers) {
            let preceded = code[..at].ends_with("super::");
            let rest = &code[at + supers.len()..];
            if !preceded && !rest.starts_with("super::") {
                collect(rest, &mut named);
            }
        }
    }
    named
}

/// The first name of a path, or of each path of a group.
fn collect(rest: &str, named: &mut Vec<String>) {
    let word = |text: &str| {
        text.trim_start()
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect::<String>()
    };
    let Some(group) = rest.strip_prefix('{') else {
        named.push(word(rest));
        return;
    };
    let mut level = 0;
    let mut start = true;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => level += 1,
            '}' if level == 0 => break,
            '}' => level -= 1,
            ',' if level == 0 => start = true,
            letter if start && !letter.is_whitespace() => {
                named.push(word(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
}

/// What is wrong with one file of a room.
fn violations(room: &Room, path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let code = code_of(text);
    let depth = module_depth(path);
    for named in rooms_named(&code, depth) {
        let known = ROOMS.iter().any(|room| room.name == named);
        let allowed = named == room.name || room.sees == ALL || room.sees.contains(&named.as_str());
        if known && !allowed {
            wrong.push(format!("{path}: {} must not see {named}", room.name));
        }
    }
    if room.pure {
        for word in IMPURE {
            if code.contains(word) {
                wrong.push(format!("{path}: {} is pure and must not say {word}", room.name));
            }
        }
    }
    for (word, owner) in OWNED {
        let excepted = EXCEPTIONS.contains(&(word, room.name));
        let of_root = room.name == "app" && word.starts_with("persistence::");
        if room.name != owner && !excepted && !of_root && contains_word(&code, word) {
            wrong.push(format!("{path}: {word} belongs to {owner}"));
        }
    }
    wrong
}

fn contains_word(code: &str, word: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].chars().next_back().is_some_and(part)
            && !code[at + word.len()..].chars().next().is_some_and(part)
    })
}

/// `src/a.rs` and `src/a/mod.rs` are one module deep, `src/a/b.rs` two.
fn module_depth(path: &str) -> usize {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    inside.trim_end_matches("/mod").split('/').count()
}

fn sources(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![PathBuf::from(directory)];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).expect("the sources can be read") {
            let path = entry.expect("the sources can be read").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the sources are UTF-8")
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    name == "tests" || name == "testing" || name.ends_with("_tests")
}

#[test]
fn rooms_see_only_what_they_may() {
    let mut wrong = Vec::new();
    for path in sources("src") {
        let name = path.display().to_string();
        let inside = name.trim_start_matches("src/");
        let first = inside.split(['/', '.']).next().unwrap_or_default();
        if ["lib", "main"].contains(&first) || TESTS.contains(&first) || is_test(&path) {
            continue;
        }
        match ROOMS.iter().find(|room| room.name == first) {
            Some(room) => wrong.extend(violations(room, &name, &read(&path))),
            None => wrong.push(format!("{name}: no room is called {first}")),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    let mut silent = Vec::new();
    for directory in ["src", "tests", "benches"] {
        silent
            .extend(sources(directory).into_iter().filter(|path| !read(path).starts_with("//! ")));
    }
    assert!(silent.is_empty(), "no //! at the top of {silent:?}");
}

#[test]
fn planted_violations_are_found() {
    let of = |name: &str| ROOMS.iter().find(|room| room.name == name).expect("a room");
    let planted = [
        ("domain", "src/domain/a.rs", "use crate::persistence::journal::Entry;", "see persistence"),
        ("domain", "src/domain/a.rs", "fn f() { crate::actors::view::go() }", "see actors"),
        ("domain", "src/domain/mod.rs", "use super::actors;", "see actors"),
        ("domain", "src/domain/b/a.rs", "use super::super::super::graphql;", "see graphql"),
        ("domain", "src/domain/a.rs", "let now = Utc::now();", "Utc::now"),
        ("sagas", "src/sagas/a.rs", "tokio::spawn(x);", "tokio::"),
        ("projections", "src/projections/a.rs", "let id = Uuid::now_v7();", "Uuid::now_v7"),
        (
            "graphql",
            "src/graphql/a.rs",
            "use crate::{domain, persistence::journal};",
            "persistence",
        ),
        ("graphql", "src/graphql/a.rs", "sqlx::query(x)", "sqlx belongs"),
        (
            "actors",
            "src/actors/a.rs",
            "use crate::persistence::sqlite::Database;",
            "sqlite belongs",
        ),
        ("cluster", "src/cluster/a.rs", "use crate::domain::id::AggregateId;", "see domain"),
        ("cli", "src/cli/a.rs", "use crate::persistence::mysql;", "mysql belongs"),
    ];
    for (room, path, text, expected) in planted {
        let found = violations(of(room), path, text);
        assert!(found.iter().any(|found| found.contains(expected)), "{text}: {found:?}");
    }
    let harmless = [
        ("domain", "src/domain/a.rs", "// use crate::actors;\nlet s = \"tokio::spawn\";"),
        ("domain", "src/domain/b/a.rs", "use super::super::money;\nuse super::mod_of_b;"),
        ("domain", "src/domain/a.rs", "#[cfg(test)]\nmod tests {\n use crate::actors;\n}"),
        ("graphql", "src/graphql/a.rs", "$crate::graphql::context::load(x)"),
        ("app", "src/app/a.rs", "use crate::persistence::{mysql, sqlite};"),
    ];
    for (room, path, text) in harmless {
        assert_eq!(violations(of(room), path, text), Vec::<String>::new(), "{text}");
    }
}
