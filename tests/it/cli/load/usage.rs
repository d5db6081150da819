//! What does not go together is said before anything is sent, with status 2; a server that is not
//! there is status 1.

use super::super::process::run;

#[test]
fn mistakes_are_named_and_end_with_status_2() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("w.toml"), "soak = 1").expect("it can be written");
    let cases: [(&[&str], &[&str]); 17] = [
        (&["nonsense"], &["hot-stock", "flash-sale", "overload"]),
        (&[], &["SCENARIO"]),
        (&["hot-stock", "--seconds", "1", "--count", "1"], &["--seconds", "--count"]),
        (&["hot-stock", "--clients", "0"], &["--clients 0", "1 to"]),
        (&["hot-stock", "--clients", "9999999"], &["--clients", "20000"]),
        (&["hot-stock", "--rate", "0"], &["--rate"]),
        (&["hot-stock", "--rate", "NaN"], &["--rate"]),
        (&["hot-stock", "--count", "0"], &["begin at 1"]),
        (&["hot-stock", "--url", "ftp://x"], &["--url", "http://"]),
        (&["hot-stock", "--weights", "w.toml"], &["--weights", "mixed"]),
        (&["mixed", "--record", "h"], &["--record", "hot-stock"]),
        (&["hot-stock", "--html", "none/r.html"], &["none/r.html", "cannot be written"]),
        (&["overload", "--rate", "5"], &["overload", "--rate"]),
        (&["hot-stock", "--of", "browse"], &["--of", "overload"]),
        (&["overload", "--of", "soak"], &["--of", "checkout"]),
        (&["hot-stock", "--pid", "1"], &["--pid", "soak"]),
        (&["calendar-rush", "--slots", "0"], &["--slots 0", "1 to"]),
    ];
    for (arguments, expected) in cases {
        let (status, out, errors) = run(directory.path(), &[&["load"], arguments].concat());
        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?}: {errors}");
        for word in expected {
            assert!(errors.contains(word), "{arguments:?}: {word} is not in {errors}");
        }
    }
}

#[test]
fn a_server_that_is_not_there_is_said() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Nobody listens on a port that was just given back.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let url = format!("http://{address}/graphql");

    let (status, out, errors) = run(directory.path(), &["load", "browse", "--url", &url]);

    assert_eq!((status, out.as_str()), (1, ""), "{errors}");
    assert!(errors.contains("cannot reach") && errors.contains("--demo"), "{errors}");
}

#[test]
fn histories_that_cannot_be_read_are_said() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).expect("it can be written");
    };
    write("empty", "");
    write("odd", "{\"op\": \"eat\"}\n");
    for (name, hint) in [("none", "none"), ("empty", "no operation"), ("odd", "line 1")] {
        let (status, out, errors) = run(directory.path(), &["load", "check", name]);
        assert_eq!((status, out.as_str()), (1, ""), "{name}: {errors}");
        assert!(errors.contains(hint), "{name}: {errors}");
    }
    assert_eq!(run(directory.path(), &["load", "check"]).0, 2);
}
