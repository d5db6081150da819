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

/// What is wrong with a folder of golden files: one for each kind, and these besides.
fn faults_of_golden_files(
    folder: &str,
    besides: &[&str],
    is_whole: impl Fn(&serde_json::Value) -> bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for kind in KINDS {
        let path = format!("tests/golden/{folder}/{}.json", kind.name);
        match fs::read_to_string(&path) {
            Ok(golden) => {
                if !is_whole(&serde_json::from_str(&golden).expect("golden files are JSON")) {
                    wrong.push(format!("{path} holds nothing"));
                }
            }
            Err(error) => wrong.push(format!("{path}: {error}")),
        }
    }
    let names = KINDS.iter().map(|kind| kind.name).chain(besides.iter().copied());
    let known: BTreeSet<String> =
        names.map(|name| format!("tests/golden/{folder}/{name}.json")).collect();
    let there = fs::read_dir(format!("tests/golden/{folder}")).expect("the golden files");
    for file in there.map(|entry| entry.expect("a golden file").path().display().to_string()) {
        if !known.contains(&file) {
            wrong.push(format!("{file}: no such kind"));
        }
    }
    wrong
}

fn is_filled(value: &serde_json::Value) -> bool {
    value.as_array().is_some_and(|samples| !samples.is_empty())
}

#[test]
fn every_kind_has_a_golden_file_of_its_events() {
    let wrong = faults_of_golden_files("events", &[], is_filled);
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Commands and refusals; `answers` has what is the same for all kinds.
#[test]
fn every_kind_has_a_golden_file_of_what_crosses_between_nodes() {
    let wrong = faults_of_golden_files("wire", &["answers"], |golden| {
        is_filled(&golden["commands"]) && is_filled(&golden["refusals"])
    });
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
