//! Whether the documents are true where that can be told: links lead somewhere, every code is
//! described, every test that is named exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory of the project") {
        let path = entry.expect("a directory of the project").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

fn documents() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].iter().map(PathBuf::from).collect();
    all.extend(files(Path::new("docs"), "md"));
    all
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The targets of the links of a text that lead to files.
fn links(text: &str) -> Vec<&str> {
    let targets = text.match_indices("](").filter_map(|(at, _)| {
        let rest = &text[at + 2..];
        rest.find(')').map(|end| &rest[..end])
    });
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap_or(target))
        .collect()
}

/// The words in upper snake case that stand between `before` and `after` in a text.
fn codes<'a>(text: &'a str, before: &str, after: &str) -> BTreeSet<&'a str> {
    let pieces = text.match_indices(before).filter_map(|(at, _)| {
        let rest = &text[at + before.len()..];
        rest.find(after).map(|end| &rest[..end])
    });
    let is_code = |word: &&str| {
        word.len() > 4
            && word.starts_with(|letter: char| letter.is_ascii_uppercase())
            && word
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    pieces.filter(is_code).collect()
}

/// Texts in upper case that are no codes: words of other standards, and variables.
const OTHER_WORDS: [&str; 55] = [
    // What the audit calls what has no other name.
    "NOT_OPEN",
    "UNNAMED",
    "UNREADABLE",
    // How sagas stand.
    "APPLIED",
    "APPLYING",
    "QUEUED",
    "UNDOING",
    "WORKING",
    "DROPPED",
    "AUTHORIZING",
    "CANCELLED",
    "CANCELLING",
    "COMMITTING_STOCK",
    "COMPENSATED",
    "COMPLETED",
    "COMPLETING",
    "CONFIRMING_ORDER",
    "HOLDING_STOCK",
    "NOT_STARTED",
    "RECEIVING",
    "REFUSED",
    "REFUSING",
    "RELEASING",
    "SENDING",
    "VOIDING",
    // Others.
    "INTERFACE",
    "CARGO_MANIFEST_DIR",
    "CARGO_PKG_VERSION",
    "EMPORIUM_BLESS",
    "MONDAY",
    "TUESDAY",
    "WEDNESDAY",
    "THURSDAY",
    "FRIDAY",
    "SATURDAY",
    "SUNDAY",
    "YEARLY",
    "MONTHLY",
    "WEEKLY",
    "DAILY",
    "SECONDLY",
    "HOURLY",
    "MINUTELY",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "BYDAY",
    "BYMONTH",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYHOUR",
    "BYMINUTE",
    "BYSECOND",
    "BYSETPOS",
];

/// What is said of the server or the caller as a whole, without a noun.
const WHOLE: [&str; 6] =
    ["FORBIDDEN", "OVERLOADED", "QUARANTINED", "STALE", "UNAUTHENTICATED", "UNAVAILABLE"];

/// The states that a noun of a code may be in: a new code takes one of these where one fits.
const STATES: [&str; 52] = [
    "ABORTED",
    "ARRIVED",
    "CLOSED",
    "CONFLICT",
    "DECLINED",
    "DISSOLVED",
    "EMPTY",
    "ENDED",
    "EXISTS",
    "EXPIRED",
    "FAILED",
    "FULL",
    "GIVEN_UP",
    "INSUFFICIENT",
    "IN_USE",
    "LAPSED",
    "LIMITED",
    "MISMATCH",
    "NONEXISTENT",
    "NOT_ACCEPTABLE",
    "NOT_ALLOWED",
    "NOT_ASSIGNED",
    "NOT_FOR_SALE",
    "NOT_FOUND",
    "NOT_OPEN",
    "NOT_QUARANTINED",
    "NOT_SHIPPED",
    "NOT_SUPPORTED",
    "OF_ORDER",
    "OUTSIDE_OPENING_HOURS",
    "OUT_OF_RANGE",
    "OVERDUE",
    "REACHED",
    "REFUSED",
    "REGRESSED",
    "REMOVED",
    "REQUIRED",
    "RETIRED",
    "REUSED",
    "STALE",
    "TAKEN",
    "TIMED_OUT",
    "TOO_COMPLEX",
    "TOO_DEEP",
    "TOO_LARGE",
    "TOO_LONG",
    "TOO_MANY",
    "UNDERWAY",
    "UNKNOWN",
    "UNREADABLE",
    "UNSUPPORTED",
    "VOIDED",
];

/// Whether a code is `INVALID_` and a noun, or a noun and a state.
fn follows_the_scheme(code: &str) -> bool {
    let noun = |noun: &str| {
        let words = ["INVALID", "UNKNOWN", "WRONG", "TOO", "NO", "NOT", "ILLEGAL", "ALREADY"];
        !noun.is_empty() && noun.split('_').all(|word| !word.is_empty() && !words.contains(&word))
    };
    if let Some(what) = code.strip_prefix("INVALID_") {
        return noun(what);
    }
    let ends = |state: &&str| {
        code.strip_suffix(*state).and_then(|before| before.strip_suffix('_')).is_some_and(noun)
    };
    WHOLE.contains(&code) || STATES.iter().any(ends)
}

/// Codes that the sources give to clients: every text in upper snake case, tests aside.
fn codes_in_sources() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for room in
        ["domain", "sagas", "actors", "application", "documents", "graphql", "http", "payments"]
            .map(|room| format!("src/{room}"))
    {
        for path in files(Path::new(&room), "rs") {
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let is_test = path.components().any(|part| part.as_os_str() == "tests");
            if is_test || name == "tests" || name.ends_with("_tests") {
                continue;
            }
            let text = read(&path);
            let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            found.extend(codes(shipped, "\"", "\"").into_iter().map(str::to_owned));
        }
    }
    found.retain(|code| !OTHER_WORDS.contains(&code.as_str()));
    found
}

#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for document in documents() {
        let text = read(&document);
        let folder = document.parent().expect("a document is in a folder");
        let lost = links(&text).into_iter().filter(|target| !folder.join(target).exists());
        dead.extend(lost.map(|target| format!("{}: {target}", document.display())));
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn every_code_is_described_and_no_other() {
    let text = read(Path::new("docs/errors.md"));
    let described: BTreeSet<String> =
        codes(&text, "**`", "`**").into_iter().map(str::to_owned).collect();
    let given = codes_in_sources();
    assert!(given.len() > 100 && given.contains("OVERLOADED"), "the sources were read: {given:?}");
    let missing: Vec<_> = given.difference(&described).collect();
    assert!(missing.is_empty(), "not described: {missing:?}");
    let stale: Vec<_> = described.difference(&given).collect();
    assert!(stale.is_empty(), "described and given nowhere: {stale:?}");
}

#[test]
fn every_code_is_spelled_by_the_scheme() {
    let strange: Vec<_> =
        codes_in_sources().into_iter().filter(|code| !follows_the_scheme(code)).collect();
    assert!(strange.is_empty(), "neither INVALID_NOUN nor NOUN_STATE: {strange:?}");
}

#[test]
fn the_tests_that_prove_a_promise_exist() {
    let pages = ["docs/semantics.md", "docs/faults.md"].map(|page| read(Path::new(page)));
    let text = pages.concat();
    let mut sources = String::new();
    for room in ["src", "tests"] {
        files(Path::new(room), "rs").iter().for_each(|path| sources.push_str(&read(path)));
    }
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| {
            word.matches('_').count() >= 2
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
        })
        .collect();
    assert!(named.len() > 80, "the promises were read: {named:?}");
    let missing: Vec<_> =
        named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_checks_find_what_is_planted() {
    assert_eq!(links("[a](x.md#y) [b](https://z) [c](#d)"), ["x.md"]);
    assert_eq!(codes("A => \"NEW_CODE\", B => \"abc\"", "\"", "\""), BTreeSet::from(["NEW_CODE"]));
    for code in ["INVALID_SKU", "SKU_TAKEN", "PRODUCT_NOT_FOR_SALE", "STALE"] {
        assert!(follows_the_scheme(code), "{code}");
    }
    for code in ["SKU_INVALID", "INVALID_", "TOO_MANY_ROLES", "TAKEN", "NOT_FOUND", "SKU_GONE"] {
        assert!(!follows_the_scheme(code), "{code}");
    }
}

/// The rows of the tables of the page of bounds: setting, default, and where it is held.
fn bounds(text: &str) -> Vec<(String, String, String)> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [setting, default, _, place] = cells[..] else { panic!("four cells: {line}") };
        let plain = |cell: &str| cell.trim_matches('`').to_owned();
        (plain(setting), plain(default), plain(place))
    };
    rows.map(row).collect()
}

#[test]
fn every_bound_is_on_its_page_with_its_default() {
    let listed = bounds(&read(Path::new("docs/bounds.md")));
    let settings = toml::Table::try_from(emporium::config::Settings::default());
    let settings = settings.expect("settings are a table");
    for (setting, default, place) in &listed {
        let (section, key) = setting.split_once('.').expect("a section and a key");
        let set = settings.get(section).and_then(|section| section.get(key));
        let set = set.unwrap_or_else(|| panic!("{setting} is nowhere in the configuration"));
        assert_eq!(set.to_string(), *default, "{setting}");
        assert!(Path::new(place).exists(), "{setting}: {place}");
    }
    let is_listed = |name: &str| listed.iter().any(|(setting, ..)| setting == name);
    let is_bound = |key: &str| ["_max", "_ms"].iter().any(|unit| key.ends_with(unit));
    for (section, keys) in &settings {
        let Some(keys) = keys.as_table() else { continue };
        for key in keys.keys().filter(|key| is_bound(key)) {
            let name = format!("{section}.{key}");
            assert!(is_listed(&name), "docs/bounds.md does not list {name}");
        }
    }
    assert!(listed.len() > 35, "the page was read: {listed:?}");
}
