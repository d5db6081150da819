//! Who may see whom. The compiler holds it: a room is a crate, and sees what its manifest names.
//! This file holds the manifests to what ARCHITECTURE.md says of them, and the pure rooms to words
//! that wait for nothing and ask no clock.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Rooms in which time, ids and whatever waits come in as arguments.
const PURE: [&str; 3] = ["domain", "sagas", "projections"];

/// What no pure room may say. The crates that it could wait with are not in its manifest.
const IMPURE: [&str; 8] = [
    "Utc::now",
    "Local::now",
    "SystemTime::now",
    "Instant::now",
    "Uuid::new_v4",
    "Uuid::now_v7",
    "std::fs",
    "std::net",
];

/// Crates from outside that belong to the rooms named.
const OWNED: [(&str, &[&str]); 9] = [
    ("sqlx", &["persistence_sql"]),
    ("actix-web", &["http"]),
    ("actix-http", &["http"]),
    // `http` turns replies into bytes; `bootstrap` is a client of the schema for the demo data.
    ("async-graphql", &["documents", "graphql", "http", "bootstrap"]),
    ("apollo-compiler", &["documents"]),
    ("porcupine-rs", &["load"]),
    ("tantivy", &["search"]),
    ("tonic", &["peers"]),
    ("rcgen", &["peers"]),
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

fn impurities(text: &str) -> Vec<&'static str> {
    let code = code_of(text);
    IMPURE.into_iter().filter(|word| code.contains(word)).collect()
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

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("the sources are UTF-8")
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    name == "tests" || name == "testing" || name.ends_with("_tests")
}

fn table<'a>(manifest: &'a Table, path: &[&str]) -> Option<&'a Table> {
    let (last, before) = path.split_last()?;
    let mut inside = manifest;
    for name in before {
        inside = inside.get(*name)?.as_table()?;
    }
    inside.get(*last)?.as_table()
}

/// The rooms of the workspace: name in code, and folder.
fn rooms() -> Vec<(String, String)> {
    let manifest: Table = read("Cargo.toml").parse().expect("a manifest");
    let dependencies = table(&manifest, &["workspace", "dependencies"]).expect("there are some");
    let inside = |value: &Value| value.get("path").and_then(Value::as_str).map(str::to_owned);
    dependencies.iter().filter_map(|(name, value)| Some((name.clone(), inside(value)?))).collect()
}

/// What a room is built with: the names in its manifest.
fn built_with(folder: &str) -> BTreeSet<String> {
    let manifest: Table = read(Path::new(folder).join("Cargo.toml")).parse().expect("a manifest");
    table(&manifest, &["dependencies"]).into_iter().flat_map(Table::keys).cloned().collect()
}

/// The words between backticks.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What the page says of each room: the table under this heading.
fn told(page: &str) -> Vec<(String, BTreeSet<String>)> {
    let (_, behind) = page.split_once("## Who may see whom").expect("the heading");
    let rows = behind.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    let mut all = Vec::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let mut cells = row.split('|').skip(1);
        let names = quoted(cells.next().expect("a first cell"));
        let sees = quoted(cells.next().expect("a second cell"));
        all.extend(names.into_iter().map(|name| (name, sees.clone())));
    }
    all
}

#[test]
fn rooms_see_what_the_page_says() {
    let rooms = rooms();
    let names: BTreeSet<String> = rooms.iter().map(|(name, _)| name.clone()).collect();
    let told = told(&read("ARCHITECTURE.md"));
    for (name, folder) in &rooms {
        let seen: BTreeSet<String> = built_with(folder).intersection(&names).cloned().collect();
        let row = told.iter().find(|(told, _)| told == name);
        let (_, expected) =
            row.unwrap_or_else(|| panic!("{name} is in no row of \"Who may see whom\""));
        assert_eq!(seen, *expected, "{folder}/Cargo.toml and ARCHITECTURE.md");
    }
    let gone: Vec<_> = told.iter().filter(|(name, _)| !names.contains(name)).collect();
    assert!(gone.is_empty(), "no such room: {gone:?}");
}

#[test]
fn what_belongs_to_a_room_stays_in_it() {
    for (name, folder) in rooms() {
        let with = built_with(&folder);
        for (owned, owners) in OWNED {
            assert!(
                !with.contains(owned) || owners.contains(&name.as_str()),
                "{owned} in {folder}/Cargo.toml belongs to {owners:?}"
            );
        }
        let waits = ["tokio", "futures", "ractor", "async-trait"];
        let waiting: Vec<_> = waits.into_iter().filter(|word| with.contains(*word)).collect();
        assert!(!PURE.contains(&name.as_str()) || waiting.is_empty(), "{name}: {waiting:?}");
    }
}

#[test]
fn pure_rooms_ask_no_clock_and_draw_no_ids() {
    for room in PURE {
        for path in sources(&format!("src/{room}")) {
            let found = if is_test(&path) { Vec::new() } else { impurities(&read(&path)) };
            assert!(
                found.is_empty(),
                "{}: {room} is pure and must not say {found:?}",
                path.display()
            );
        }
    }
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

/// Whether the module of a file is declared where its folder's modules are.
fn is_declared(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
    let folder = path.parent().expect("a file lies in a folder");
    if matches!(name, "lib" | "main") {
        return true;
    }
    let (name, folder) = match name {
        "mod" => (
            folder.file_name().and_then(|name| name.to_str()).expect("a name"),
            folder.parent().expect("a room"),
        ),
        name => (name, folder),
    };
    let declared = format!("mod {name};");
    let by_path = format!("#[path = \"{name}.rs\"]");
    let parents = sources_of(folder).into_iter().chain([folder.with_extension("rs")]);
    parents
        .filter(|parent| parent.exists())
        .map(read)
        .any(|text| text.lines().any(|line| line.ends_with(&declared)) || text.contains(&by_path))
}

/// The sources that lie in this folder itself.
fn sources_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the sources can be read");
    let files = entries.map(|entry| entry.expect("the sources can be read").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn no_file_is_left_out_of_its_room() {
    let lost: Vec<_> = sources("src").into_iter().filter(|path| !is_declared(path)).collect();
    assert!(lost.is_empty(), "nothing says `mod` of {lost:?}");
}

/// Whether a text names a crate.
fn names(text: &str, name: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + name.len()..].starts_with(part))
}

#[test]
fn nothing_is_built_that_no_file_names() {
    let mut unused = Vec::new();
    for (room, folder) in rooms() {
        let files = sources(&folder).into_iter();
        // A room within another has a manifest of its own.
        let own = files
            .filter(|file| room == "persistence_sql" || !file.starts_with("src/persistence/sql"));
        let text: String = own.map(read).collect();
        let with = built_with(&folder).into_iter();
        let idle = with.filter(|name| !names(&text, &name.replace('-', "_")));
        unused.extend(idle.map(|name| format!("{folder}/Cargo.toml: {name}")));
    }
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn planted_violations_are_found() {
    assert!(names("use serde::Serialize;", "serde") && !names("use serde_json::json;", "serde"));
    assert_eq!(impurities("let now = Utc::now();"), ["Utc::now"]);
    assert_eq!(impurities("let id = Uuid::now_v7();"), ["Uuid::now_v7"]);
    assert_eq!(impurities("// Utc::now\nlet s = \"Instant::now\";"), [""; 0]);
    assert_eq!(impurities("#[cfg(test)]\nmod tests {\n Utc::now()\n}"), [""; 0]);
    let page =
        "## Who may see whom\n\n| room | sees |\n|---|---|\n| `a`, `b` | `c`, of `d` all |\n\n";
    let sees: BTreeSet<String> = ["c", "d"].map(str::to_owned).into();
    assert_eq!(told(page), [("a".to_owned(), sees.clone()), ("b".to_owned(), sees)]);
}
