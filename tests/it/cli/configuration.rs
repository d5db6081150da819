//! Mistakes in the configuration and on the command line: named, and status 2.

use serde_json::Value;

use super::process::{emporium, finished, run};

/// A file, variables and arguments, and words that the answer must hold.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
    &'static [&'static str],
);

#[test]
fn mistakes_name_the_key_and_end_with_status_2() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let cases: [Case; 7] = [
        (
            "[limits]\nmailbox = 1",
            &[],
            &["serve"],
            &["limits.mailbox", "cluster.toml", "mailbox_max"],
        ),
        ("[node]\nshards = 0", &[], &["check"], &["node.shards", "cluster.toml", "from 1 to 1024"]),
        (
            "",
            &[("EMPORIUM_LISTEN", "here")],
            &["serve"],
            &["listen", "EMPORIUM_LISTEN", "127.0.0.1:8080"],
        ),
        ("", &[("EMPORIUM_LIMIT_MAILBOX", "1")], &["serve"], &["EMPORIUM_LIMIT_MAILBOX"]),
        ("", &[], &["serve", "--database", "sqlite://x"], &["database", "--database", "mysql://"]),
        ("", &[], &["serve", "--config", "none.toml"], &["none.toml", "--config"]),
        ("", &[], &["journal", "read", "--aggregate", "cart/1"], &["--aggregate", "TYPE/ID"]),
    ];
    for (file, variables, arguments, expected) in cases {
        std::fs::write(directory.path().join("cluster.toml"), file).expect("it can be written");
        let mut command = emporium(directory.path());
        command.args(arguments).envs(variables.iter().copied());

        let (status, out, errors) = finished(command.output().expect("it can be started"));

        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?} with {file:?}: {errors}");
        for word in expected {
            assert!(errors.contains(word), "{word} is not in {errors}");
        }
    }
    assert!(!directory.path().join("data").exists(), "nothing was made");
}

#[test]
fn check_prints_what_holds_without_passwords() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("cluster.toml"), "[limits]\nlive_max = 7")
        .expect("written");
    let arguments = ["check", "--json", "--database", "mysql://shop:s3cret@db/emporium"];

    let (status, out, errors) = run(directory.path(), &arguments);

    assert_eq!((status, errors.as_str()), (0, ""));
    assert!(!out.contains("s3cret"), "{out}");
    let printed: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!(printed["settings"]["limits"]["live_max"], 7);
    assert_eq!(printed["lanes"], 4);
    assert_eq!(printed["origins"]["limits.live_max"], "cluster.toml");
    assert_eq!(printed["origins"]["database"], "--database");
}

#[test]
fn the_schema_is_printed_whole_and_by_context() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (status, whole, _) = run(directory.path(), &["schema"]);
    assert_eq!(status, 0);
    for (context, mutation) in [
        ("access", "registerUser("),
        ("products", "receiveStock("),
        ("commerce", "placeOrder("),
        ("scheduling", "scheduleEvent("),
        ("operations", "quarantineActor("),
    ] {
        let (status, part, _) = run(directory.path(), &["schema", "--context", context]);
        assert_eq!(status, 0, "{context}");
        assert!(part.contains(mutation) && whole.contains(mutation), "{context}");
        assert!(part.len() < whole.len(), "{context}");
    }
}
