//! Where values come from: a file, the environment, flags. Turns each into a flat list of keys with
//! their places; decides nothing about what a value means.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{ConfigError, SECTIONS};

/// The file that is read where none is named; it may be absent.
pub const DEFAULT_FILE: &str = "cluster.toml";
const PREFIX: &str = "EMPORIUM_";
const FILE_VARIABLE: &str = "EMPORIUM_CONFIG";
/// Variables that mean something to other parts of the program or to its tests.
const FOREIGN: [&str; 7] = [
    "EMPORIUM_URL",
    "EMPORIUM_TOKEN",
    "EMPORIUM_BLESS",
    "EMPORIUM_TEST_",
    "EMPORIUM_SEED",
    "EMPORIUM_SHORTCUT",
    "EMPORIUM_REGRESS",
];

/// A value from the command line.
#[derive(Clone, Debug, PartialEq)]
pub struct Flag {
    /// As it is typed: `--listen`.
    pub name: &'static str,
    /// As it is called in the file.
    pub key: &'static str,
    pub text: String,
}

/// What [`load`](super::load) reads.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file named on the command line; must exist.
    pub file: Option<PathBuf>,
    pub variables: Vec<(String, String)>,
    pub flags: Vec<Flag>,
}

/// One value, not yet understood.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given {
    pub(super) key: String,
    pub(super) origin: String,
    raw: Raw,
}

#[derive(Clone, Debug, PartialEq)]
enum Raw {
    Typed(Value),
    /// From where everything is text: a variable or a flag.
    Text(String),
}

impl Given {
    /// What the value may be: text as it stands, or what it would be in a file.
    pub(super) fn candidates(&self) -> Vec<Value> {
        match &self.raw {
            Raw::Typed(value) => vec![value.clone()],
            Raw::Text(text) => {
                let mut all = vec![Value::String(text.clone())];
                if let Ok(mut table) = format!("value = {text}").parse::<Table>()
                    && table.len() == 1
                {
                    all.extend(table.remove("value"));
                }
                all
            }
        }
    }
}

impl Sources {
    /// With the variables of this process.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { file, variables: std::env::vars_os().filter_map(text).collect(), flags }
    }

    /// Every value, the weakest source first.
    pub(super) fn collect(&self) -> Result<Vec<Given>, ConfigError> {
        let mut all = self.read_file()?;
        let mut variables: Vec<_> =
            self.variables.iter().filter(|(name, _)| is_ours(name)).collect();
        variables.sort();
        for (name, value) in variables {
            // An empty variable is how a script says "not set".
            if !value.is_empty() {
                let key = key_of_variable(name)?;
                all.push(Given { key, origin: name.clone(), raw: Raw::Text(value.clone()) });
            }
        }
        all.extend(self.flags.iter().map(|flag| Given {
            key: flag.key.to_owned(),
            origin: flag.name.to_owned(),
            raw: Raw::Text(flag.text.clone()),
        }));
        Ok(all)
    }

    fn read_file(&self) -> Result<Vec<Given>, ConfigError> {
        let (path, origin) = match (&self.file, self.file_variable()) {
            (Some(path), _) => (path.clone(), "--config"),
            (None, Some(path)) => (path, FILE_VARIABLE),
            (None, None) if Path::new(DEFAULT_FILE).exists() => (DEFAULT_FILE.into(), "default"),
            (None, None) => return Ok(Vec::new()),
        };
        let text = std::fs::read_to_string(&path).map_err(|error| ConfigError {
            key: "config".to_owned(),
            origin: origin.to_owned(),
            problem: format!("{} cannot be read: {error}", path.display()),
        })?;
        parse(&path.display().to_string(), &text)
    }

    fn file_variable(&self) -> Option<PathBuf> {
        let found =
            self.variables.iter().find(|(name, value)| name == FILE_VARIABLE && !value.is_empty());
        found.map(|(_, value)| value.into())
    }
}

fn parse(origin: &str, text: &str) -> Result<Vec<Given>, ConfigError> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        ConfigError {
            key: "syntax".to_owned(),
            origin: format!("{origin}, line {line}"),
            problem: format!("not TOML: {}", error.message()),
        }
    })?;
    let given =
        |key: String, value| Given { key, origin: origin.to_owned(), raw: Raw::Typed(value) };
    let mut all = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(section) => {
                if section.is_empty() && !SECTIONS.contains(&name.as_str()) {
                    all.push(given(format!("{name}."), Value::Table(section)));
                    continue;
                }
                for (field, value) in section {
                    all.push(given(format!("{name}.{field}"), value));
                }
            }
            value => all.push(given(name, value)),
        }
    }
    Ok(all)
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
        && name != FILE_VARIABLE
        && !FOREIGN.iter().any(|foreign| name.starts_with(foreign))
}

/// `EMPORIUM_LISTEN` is `listen`, `EMPORIUM_NODE_NAME` is `node.name`.
fn key_of_variable(name: &str) -> Result<String, ConfigError> {
    let rest = name.strip_prefix(PREFIX).expect("only ours come here").to_ascii_lowercase();
    match rest.split_once('_') {
        None => Ok(rest),
        Some((section, field)) if SECTIONS.contains(&section) => Ok(format!("{section}.{field}")),
        Some(_) => Err(ConfigError {
            key: rest,
            origin: name.to_owned(),
            problem: format!(
                "this variable sets nothing; they are called {PREFIX}KEY or {PREFIX}SECTION_KEY, \
                 as in {PREFIX}LISTEN and {PREFIX}LIMITS_DEADLINE_MS"
            ),
        }),
    }
}
