//! The schema is committed as `schema.graphql`; a change of it is seen.

use emporium::graphql::guard::{TABLES, needs};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");

#[test]
fn the_committed_schema_is_the_one_that_is_served() {
    let served = emporium::graphql::sdl();
    if std::env::var_os("EMPORIUM_BLESS").is_some() {
        std::fs::write(PATH, &served).expect("schema.graphql can be written");
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(committed == served, "schema.graphql is stale: run the tests with EMPORIUM_BLESS=1");
}

/// The names of the fields of a type, as the schema's text has them.
fn fields_of(sdl: &str, name: &str) -> Vec<String> {
    let from = sdl.find(&format!("type {name} {{")).expect("the type is there");
    let body = sdl[from..].lines().skip(1).take_while(|line| *line != "}");
    let mut in_text = false;
    let names = body.filter_map(|line| {
        let rest = line.strip_prefix('\t')?;
        if rest.starts_with("\"\"\"") {
            in_text = !in_text;
            return None;
        }
        let end = rest.find(|character: char| !character.is_ascii_alphanumeric())?;
        (end > 0 && !in_text).then(|| rest[..end].to_owned())
    });
    names.collect()
}

#[test]
fn every_root_field_has_its_guard_and_no_guard_lacks_its_field() {
    let sdl = emporium::graphql::sdl();
    let roots = ["Query", "Mutation", "Subscription"];
    let fields = roots.map(|root| fields_of(&sdl, root)).concat();
    let guarded: Vec<String> = needs(&TABLES).map(|(_, field)| field).collect();
    let open: Vec<_> = fields.iter().filter(|field| !guarded.contains(field)).collect();
    assert!(open.is_empty(), "nobody may use {open:?}: add them to the NEEDS of their context");
    let twice: Vec<_> = guarded
        .iter()
        .filter(|field| guarded.iter().filter(|other| other == field).count() > 1)
        .collect();
    assert!(twice.is_empty(), "more than one table speaks of {twice:?}: nobody may use them");
    let gone: Vec<_> = guarded
        .iter()
        .filter(|guarded| {
            !guarded.starts_with("__") && !fields.iter().any(|field| field == *guarded)
        })
        .collect();
    assert!(gone.is_empty(), "the guard names {gone:?}, which the schema has not");
}
