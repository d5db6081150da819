//! The table of kinds (`src/sagas/kinds.rs`) is whole: every aggregate of the sources is in it, and
//! each row has what belongs to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use emporium::actors::facts::KINDS;
use emporium::domain::aggregate::Aggregate;
use emporium::{domain, graphql, sagas};

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the sources can be read") {
        let path = entry.expect("the sources can be read").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The stored names of the aggregates that a text implements.
fn stored_names(text: &str) -> Vec<String> {
    text.match_indices("impl Aggregate for ")
        .filter_map(|(at, _)| {
            let (_, behind) = text[at..].split_once("const TYPE: &'static str = \"")?;
            Some(behind.split('"').next()?.to_owned())
        })
        .collect()
}

macro_rules! rows {
    ($($kind:ident = $aggregate:ty,
        public($($id:ident $prefix:literal $node:ident)?), fact($($fact:ident)?);)+) => {
        /// Kind, stored name, prefix of its ids and the node in the API where it has them.
        fn rows() -> Vec<(&'static str, &'static str, Option<(&'static str, &'static str)>)> {
            vec![$((
                stringify!($kind),
                <$aggregate as Aggregate>::TYPE,
                [$(($prefix, stringify!($node)))?].first().copied(),
            ),)+]
        }
    };
}

sagas::kinds!(rows);

#[test]
fn every_aggregate_of_the_sources_is_in_the_table() {
    let listed: BTreeSet<String> = rows().iter().map(|row| row.1.to_owned()).collect();
    assert_eq!(listed.len(), rows().len(), "two kinds have one stored name");
    let files = ["src/domain", "src/sagas"].into_iter().flat_map(|room| sources(Path::new(room)));
    let mut there = BTreeSet::new();
    for file in files.filter(|file| !file.ends_with("testing.rs")) {
        for name in stored_names(&fs::read_to_string(&file).expect("the sources are UTF-8")) {
            assert!(listed.contains(&name), "{}: {name} is not in sagas/kinds.rs", file.display());
            there.insert(name);
        }
    }
    assert_eq!(there, listed, "the sources and sagas/kinds.rs");
    assert_eq!(stored_names("impl Aggregate for X {\n const TYPE: &'static str = \"x\";"), ["x"]);
}

#[test]
fn every_kind_has_a_golden_file_that_it_can_read() {
    let mut wrong = Vec::new();
    for kind in KINDS {
        let path = format!("tests/golden/events/{}.json", kind.name);
        match fs::read_to_string(&path) {
            Ok(golden) => {
                let events: Vec<serde_json::Value> =
                    serde_json::from_str(&golden).expect("a list of stored events");
                assert!(!events.is_empty(), "{path} is empty");
            }
            Err(error) => wrong.push(format!("{path}: {error}")),
        }
    }
    let known: BTreeSet<String> =
        KINDS.iter().map(|kind| format!("tests/golden/events/{}.json", kind.name)).collect();
    let gone = fs::read_dir("tests/golden/events").expect("the golden files");
    for file in gone.map(|entry| entry.expect("a golden file").path().display().to_string()) {
        if !known.contains(&file) {
            wrong.push(format!("{file}: no such kind"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn public_ids_and_operators_names_lead_to_one_kind() {
    let schema = graphql::sdl();
    let mut prefixes = BTreeSet::new();
    for (kind, stored, public) in rows() {
        if let Some((prefix, node)) = public {
            assert!(prefixes.insert(prefix), "two kinds have ids that begin with {prefix}");
            assert_eq!(node, format!("{kind}Node"), "the node of {kind}");
            let implements = format!("type {kind} implements Node {{");
            assert!(schema.contains(&implements), "{kind} is no node of the schema");
        }
        // What `emporium actor` makes of a stored name.
        let operators = stored.to_uppercase();
        let values =
            schema.split("enum ActorKind {").nth(1).and_then(|rest| rest.split('}').next());
        let values: BTreeSet<&str> = values.expect("the enum").lines().map(str::trim).collect();
        assert!(values.contains(operators.as_str()), "{kind}: {operators} is not among {values:?}");
    }
}
