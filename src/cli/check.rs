//! `emporium check`: the configuration that holds, with the place of each value. Passwords are
//! masked by the types that hold them.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::{Failure, output::Output};
use config::Loaded;

/// Prints it all.
pub fn print(loaded: &Loaded, json: bool) -> Result<(), Failure> {
    let mut output = Output::default();
    if json {
        output.json(&serde_json::json!({
            "settings": loaded.settings,
            "lanes": loaded.settings.lanes(),
            "origins": loaded.origins,
        }))?;
    } else {
        output.line(text(loaded).trim_end())?;
    }
    output.flush()
}

fn text(loaded: &Loaded) -> String {
    let table = Table::try_from(&loaded.settings).expect("settings are a table of tables");
    let mut text = String::new();
    let (sections, general): (Vec<_>, Vec<_>) =
        table.into_iter().partition(|(_, value)| value.is_table());
    for (key, value) in general {
        line(&mut text, loaded, &key, &key, &value);
    }
    for (section, fields) in sections {
        writeln!(text, "\n[{section}]").expect("writing to memory");
        for (key, value) in fields.as_table().into_iter().flatten() {
            line(&mut text, loaded, &format!("{section}.{key}"), key, value);
        }
    }
    text
}

fn line(text: &mut String, loaded: &Loaded, full: &str, key: &str, value: &Value) {
    let setting = format!("{key} = {value}");
    let origin = loaded.origins.get(full).map_or("default", String::as_str);
    writeln!(text, "{setting:<40} # {origin}").expect("writing to memory");
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{Flag, Sources, load};

    #[test]
    fn what_is_printed_is_a_configuration_without_passwords() {
        let flag = Flag {
            name: "--database",
            key: "database",
            text: "mysql://shop:s3cret@db/emporium".to_owned(),
        };
        // A file of its own, so that the one of the project is not read.
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let file = Some(file.path().to_owned());
        let sources = Sources { file, variables: Vec::new(), flags: vec![flag] };

        let printed = text(&load(&sources).expect("all of it is right"));

        assert!(printed.contains("mysql://shop:***@db/emporium"), "{printed}");
        assert!(printed.contains("# --database") && printed.contains("# default"), "{printed}");
        assert!(!printed.contains("s3cret"), "{printed}");
        printed.parse::<Table>().expect("it can be read again");
    }
}
