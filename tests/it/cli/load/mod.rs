//! `emporium load` against a real server, against servers that lie, and on bad input.

mod liar;
mod lies;
mod scenarios;
mod usage;

use std::path::Path;

use serde_json::Value;

use super::process::run;

/// Runs a scenario that must be good; its report.
fn good(directory: &Path, arguments: &[&str]) -> Value {
    let (status, report, errors) = load(directory, arguments);
    assert_eq!(status, 0, "{arguments:?}: {report:#}\n{errors}");
    report
}

/// Runs a scenario: status, report, standard error.
fn load(directory: &Path, arguments: &[&str]) -> (i32, Value, String) {
    let (status, out, errors) = run(directory, &[&["load", "--json", "-"], arguments].concat());
    let report = serde_json::from_str(&out)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error} in {out:?}; {errors}"));
    (status, report, errors)
}

/// The names of the checks that failed.
fn failed_checks(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().expect("a list of checks");
    let failed = checks.iter().filter(|check| check["ok"] == false);
    failed.filter_map(|check| check["name"].as_str()).collect()
}
