//! Every scenario against one real server, on SQLite, with few clients and few operations.

use std::io::BufRead as _;

use serde_json::Value;

use super::super::process::{Server, emporium, run};
use super::{failed_checks, good, load};

/// What every report has.
fn assert_shape(report: &Value, scenario: &str) {
    assert_eq!(report["scenario"], scenario);
    for number in ["seed", "clients", "attempted", "succeeded", "refused", "unknown", "failed"] {
        assert!(report[number].is_u64(), "{number} of {report:#}");
    }
    for number in ["seconds", "per_second"] {
        assert!(report[number].is_f64(), "{number} of {report:#}");
    }
    let latency = |name: &str| report["latency_ms"][name].as_f64().expect(name);
    let rising = ["p50", "p90", "p99", "p999", "max"].map(latency);
    assert!(rising[0] > 0.0 && rising.is_sorted(), "{rising:?}");
    let count = |name: &str| report[name].as_u64().expect(name);
    let ended = ["succeeded", "refused", "unknown", "failed"].map(count).iter().sum::<u64>();
    assert_eq!(count("attempted"), ended, "{report:#}");
    let series = report["series"].as_array().expect("a series");
    let in_series: u64 = series.iter().filter_map(|second| second["count"].as_u64()).sum();
    assert_eq!(count("attempted"), in_series, "{report:#}");
    let checks = report["checks"].as_array().expect("checks");
    assert!(!checks.is_empty(), "{report:#}");
    for check in checks {
        assert!(check["name"].is_string() && check["detail"].is_string(), "{check}");
        assert_eq!(check["ok"], true, "{check}");
    }
}

#[test]
fn every_scenario_is_run_and_checked() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    let pid = server.id().to_string();
    std::fs::write(directory.path().join("w.toml"), "browse = 2\nhot-stock = 1\n")
        .expect("it can be written");
    let cases: [(&[&str], u64); 9] = [
        (&["hot-stock", "--count", "200", "--clients", "8", "--seed", "7"], 200),
        (&["hot-stock", "--count", "100", "--rate", "400"], 100),
        (&["flash-sale", "--units", "30", "--count", "100"], 30),
        (&["checkout", "--count", "12", "--clients", "4"], 12),
        (&["checkout", "--count", "12", "--spread", "3"], 12),
        (&["browse", "--count", "150"], 150),
        (&["calendar-rush", "--slots", "25"], 25),
        (&["mixed", "--count", "120", "--weights", "w.toml"], 120),
        (&["soak", "--count", "60", "--pid", &pid], 20),
    ];
    for (arguments, succeeded) in cases {
        let report = good(directory.path(), &[arguments, &["--url", &server.url]].concat());
        assert_shape(&report, arguments[0]);
        let found = report["succeeded"].as_u64().expect("a count");
        let (least, most) =
            if arguments[0] == "soak" { (succeeded, 60) } else { (succeeded, succeeded) };
        assert!((least..=most).contains(&found), "{arguments:?}: {report:#}");
    }
    let report = good(directory.path(), &["flash-sale", "--units", "5", "--url", &server.url]);
    assert_eq!((&report["succeeded"], &report["refused"]), (&5.into(), &15.into()));
    assert_eq!(report["errors"]["STOCK_INSUFFICIENT"], 15);
}

#[test]
fn what_is_recorded_is_proved_and_drawn() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    for arguments in [
        ["hot-stock", "--count", "300"],
        ["flash-sale", "--units", "40"],
        ["calendar-rush", "--slots", "20"],
    ] {
        let files = ["--record", "h.jsonl", "--html", "r.html", "--json", "r.json"];
        let arguments = [&["load"][..], &arguments, &files, &["--url", &server.url]].concat();
        let (status, out, errors) = run(directory.path(), &arguments);
        assert_eq!(status, 0, "{out}{errors}");
        assert!(out.contains("succeeded") && out.contains("p99"), "{out}");

        let (status, out, errors) = run(directory.path(), &["load", "check", "h.jsonl"]);
        assert_eq!(status, 0, "{out}{errors}");
        assert!(out.contains("operations, linearizable"), "{out}");

        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).expect(name);
        assert_eq!(read("r.html").matches("<svg").count(), 2);
        let report: Value = serde_json::from_str(&read("r.json")).expect("JSON");
        assert_eq!(report["scenario"], arguments[1]);

        // One unit, or one booking, that nobody acknowledged: the history does not add up.
        let history = read("h.jsonl");
        let acknowledged = |line: &&str| {
            line.contains("\"ok\"") && (line.contains("\"sell\"") || line.contains("\"book\""))
        };
        let lost = history.lines().filter(acknowledged).nth(5).expect("some succeeded");
        let without: String =
            history.lines().filter(|line| *line != lost).flat_map(|line| [line, "\n"]).collect();
        std::fs::write(directory.path().join("h.jsonl"), without).expect("it can be written");
        let (status, out, _) = run(directory.path(), &["load", "check", "h.jsonl"]);
        assert_eq!(status, 1, "{out}");
        assert!(out.contains("NOT linearizable"), "{out}");
    }
}

#[test]
fn twice_what_it_can_do_is_turned_away_at_once() {
    // So few places that some are turned away however slow the machine is.
    let few = "[limits]\nmailbox_max = 2\n";
    for (of, limits, told) in [("hot-stock", few, 1), ("checkout", "", 0)] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("cluster.toml");
        std::fs::write(path, limits).expect("it can be written");
        let server = Server::start(directory.path(), &["--demo"]);
        let pid = server.id().to_string();
        let arguments = ["overload", "--of", of, "--seconds", "3", "--clients", "200"];
        let arguments = [&arguments[..], &["--pid", &pid, "--url", &server.url]].concat();

        let (_, report, errors) = load(directory.path(), &arguments);

        // How much gets through where others compute at the same time is not for a test to say,
        // nor how a server grows in its first seconds.
        let timing = [
            "under twice the load",
            "the excess is turned away within",
            "twice as much was really",
            "the memory of the server",
            "the open files of the server",
        ];
        let checks = report["checks"].as_array().expect("a list");
        let named = |timing: &&str| {
            checks
                .iter()
                .any(|check| check["name"].as_str().is_some_and(|n| n.starts_with(*timing)))
        };
        assert!(timing.iter().all(named), "{report:#}");
        let failed = failed_checks(&report);
        let timed = |name: &&str| timing.iter().any(|timing| name.starts_with(timing));
        assert!(failed.iter().all(timed), "{report:#}\n{errors}");
        assert!(report["rate_target"].as_f64().is_some_and(|rate| rate > 10.0), "{report:#}");
        let turned_away = report["errors"]["OVERLOADED"].as_u64().unwrap_or(0);
        assert!(turned_away >= told, "{report:#}");
    }
}

#[test]
fn an_interrupted_run_is_checked_and_reported() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(directory.path(), &["--demo"]);
    let mut child = emporium(directory.path())
        .args(["load", "hot-stock", "--seconds", "600", "--json", "-", "--url", &server.url])
        .args(["--record", "h.jsonl"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program can be started");
    // It logs its beginning, and records once it goes on.
    let errors = child.stderr.take().expect("it is piped");
    let mut errors = std::io::BufReader::new(errors).lines();
    assert!(errors.any(|line| line.is_ok_and(|line| line.contains("begun"))), "it says so");
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.expect("kill is a program everywhere").success());

    let rest = std::thread::spawn(move || errors.map_while(Result::ok).collect::<Vec<_>>());
    let output = child.wait_with_output().expect("it is our child");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");

    assert_eq!(failed_checks(&report), Vec::<&str>::new(), "{:?}", rest.join());
    assert!(report["seconds"].as_f64().is_some_and(|seconds| seconds < 300.0), "{report:#}");
}
