//! What is read from where, and how mistakes are named.

use std::io::Write;

use super::*;
use telemetry::LogFormat;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("a temporary file can be written");
    file
}

fn read(
    text: &str,
    variables: &[(&str, &str)],
    flags: &[(&'static str, &'static str, &str)],
) -> Result<Loaded, ConfigError> {
    let file = file(text);
    load(&Sources {
        file: Some(file.path().to_owned()),
        variables: variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        flags: flags
            .iter()
            .map(|(name, key, text)| Flag { name, key, text: (*text).to_owned() })
            .collect(),
    })
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let text =
        "listen = '127.0.0.1:1'\n[limits]\nmailbox_max = 1\nlive_max = 1\n[log]\nformat = 'json'";
    let variables = [
        ("EMPORIUM_LISTEN", "127.0.0.1:2"),
        ("EMPORIUM_LIMITS_MAILBOX_MAX", "2"),
        ("EMPORIUM_NODE_NAME", "7"),
        ("EMPORIUM_DATA", ""),
        ("EMPORIUM_TEST_MYSQL_URL", "of no concern"),
        ("OTHER", "of no concern"),
    ];
    let flags = [("--listen", "listen", "127.0.0.1:3"), ("--demo", "demo", "true")];

    let loaded = read(text, &variables, &flags).expect("all of it is right");

    let settings = loaded.settings;
    assert_eq!(settings.general.listen.port(), 3);
    assert!(settings.general.demo);
    assert_eq!(settings.general.data, General::default().data);
    assert_eq!((settings.limits.mailbox_max, settings.limits.live_max), (2, 1));
    assert_eq!(settings.node.name.as_deref(), Some("7"), "a number may be a name");
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(loaded.origins["listen"], "--listen");
    assert_eq!(loaded.origins["limits.mailbox_max"], "EMPORIUM_LIMITS_MAILBOX_MAX");
    assert!(!loaded.origins.contains_key("data"));
}

#[test]
fn mistakes_name_the_key_the_place_and_what_would_be_right() {
    let in_file = [
        ("[limits]\nmailbox = 1", "limits.mailbox", "mailbox_max"),
        ("[limits]\nmailbox_max = 'many'", "limits.mailbox_max", "a whole number"),
        ("[limits]\nmailbox_max = -1", "limits.mailbox_max", "a whole number"),
        ("[limits]\nmailbox_max = 0", "limits.mailbox_max", "from 1"),
        ("[lease]\nseconds = 0", "lease.seconds", "from 1 to 600"),
        ("[lease]\nmargin_ms = 500", "lease.margin_ms", "unknown key"),
        ("[nodes]\nname = 'x'", "nodes.name", "[node]"),
        ("[nodes]", "nodes.", "[node]"),
        ("lanes = 2", "lanes", "listen"),
        ("node = 2", "node", "unknown key"),
        ("listen = 'here'", "listen", "127.0.0.1:8080"),
        ("demo = 'yes'", "demo", "true or false"),
        ("database = 'postgres://u:s3cret@h/d'", "database", "mysql://"),
        ("[log]\nformat = 'xml'", "log.format", "human"),
        ("[log]\nfilter = 'a=b=c'", "log.filter", "info,sqlx=warn"),
        ("[telemetry]\nsample_ratio = 2.0", "telemetry.sample_ratio", "from 0 to 1"),
        ("[telemetry]\notlp_endpoint = 'https://'", "telemetry.otlp_endpoint", "http://"),
        ("[telemetry]\notlp_endpoint = 'c:4317'", "telemetry.otlp_endpoint", "http://"),
        (
            "[telemetry]\notlp_endpoint = 'http://c'\notlp_authorities = 'ca.pem'",
            "telemetry.otlp_authorities",
            "https://",
        ),
        ("[mail]\nsmtp = 'smtp://mail.example'", "mail.smtp", "tls=required"),
        ("[mail]\nfrom = 'nobody'", "mail.from", "no-reply@shop.example"),
        ("[auth]\nlinked_by_email = ['https://x']", "auth.linked_by_email", "auth.issuers"),
        ("[auth]\nroles = ['https://x boss operator']", "auth.roles", "auth.issuers"),
        ("[auth]\nroles = ['https://x boss king']", "auth.roles", "one that ships"),
        ("[node]\nname = ''", "node.name", "1 to 64"),
        ("[cluster]\naddress = '127.0.0.1:1'", "cluster.address", "database"),
        ("[cluster]\nadvertise = 'here:1'", "cluster.advertise", "cluster.address"),
        (
            "database = 'mysql://h/d'\n[node]\nname = 'till_7'\n[cluster]\naddress = '127.0.0.1:1'",
            "node.name",
            "such as node-1",
        ),
        ("[[databases]]\nurl = 'mysql://h/b'\nshards = '8-15'", "databases", "database"),
        (
            "database = 'mysql://h/a'\n[[databases]]\nurl = 'mysql://h/a'\nshards = '8'\n[node]\nshards = 16",
            "databases",
            "one database",
        ),
        (
            "database = 'mysql://h/a'\n[[databases]]\nurl = 'mysql://h/b'\nshards = 'x'\n[node]\nshards = 16",
            "databases",
            "no list of shards",
        ),
        (
            "database = 'mysql://h/a'\n[[databases]]\nurl = 'mysql://h/b'\nshards = '8-16'\n[node]\nshards = 16",
            "databases",
            "0 to 15",
        ),
        (
            "database = 'mysql://h/a'\n[[databases]]\nurl = 'mysql://h/b'\nshards = '8-15'",
            "databases",
            "node.shards",
        ),
        ("[cluster]\nweight = 0", "cluster.weight", "from 1 to 64"),
        ("[auth]\naudience = ''", "auth.audience", "1 to 255"),
        ("[auth]\nurl = 'https://shop.example/'", "auth.url", "without a slash"),
        ("[auth]\napps = ['manager']", "auth.apps", "an address to come back to"),
        ("[auth]\nissuers = ['login.example']", "auth.issuers", "https://"),
        ("[auth]\nissuers = ['http://login.example']", "auth.issuers", "on this machine only"),
        ("[auth]\nissuers = ['https://i.example', 'https://i.example']", "auth.issuers", "twice"),
        ("[auth]\nleeway_seconds = 301", "auth.leeway_seconds", "from 0 to 300"),
        ("listen = ", "syntax", "not TOML"),
    ];
    for (text, key, right) in in_file {
        let error = read(text, &[], &[]).expect_err(text);
        assert_eq!(error.key, key, "{error}");
        assert!(error.problem.contains(right), "{error}");
        assert!(error.origin.contains('/'), "the file is named: {error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    // What is missing stands nowhere.
    let (nameless, anywhere) = (
        "database = 'mysql://h/d'\n[cluster]\naddress = '127.0.0.1:1'",
        "database = 'mysql://h/d'\n[node]\nname = 'n'\n[cluster]\naddress = '0.0.0.0:1'",
    );
    for (text, key, right) in
        [(nameless, "node.name", "such as node-1"), (anywhere, "cluster.advertise", "by which one")]
    {
        let error = read(text, &[], &[]).expect_err(text);
        assert_eq!((error.key.as_str(), error.origin.as_str()), (key, "default"));
        assert!(error.problem.contains(right), "{error}");
    }
    let variable = ("EMPORIUM_LIMITS_MAILBOX_MAX", "many");
    let error = read("", &[variable], &[]).expect_err("not a number");
    assert_eq!(error.origin, "EMPORIUM_LIMITS_MAILBOX_MAX");
    assert!(error.problem.contains("a whole number"), "{error}");
    let error = read("", &[("EMPORIUM_MAIL_BOX", "1")], &[]).expect_err("sets nothing");
    assert!(error.to_string().contains("EMPORIUM_MAIL_BOX"), "{error}");
    let error = read("", &[], &[("--listen", "listen", "x")]).expect_err("not an address");
    assert_eq!((error.key.as_str(), error.origin.as_str()), ("listen", "--listen"));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let sources = Sources { file: Some("/nowhere/cluster.toml".into()), ..Sources::default() };
    let error = load(&sources).expect_err("there is no such file");
    assert_eq!((error.key.as_str(), error.origin.as_str()), ("config", "--config"));
    assert!(error.problem.contains("/nowhere/cluster.toml"), "{error}");
}

#[test]
fn the_sample_file_shows_every_key_at_its_default() {
    let sample = include_str!("../../cluster.toml");
    let is_setting =
        |line: &&str| line.starts_with("#") && line.contains(" = ") && !line.starts_with("# ");
    let uncommented: Vec<&str> = sample
        .lines()
        .map(|line| if is_setting(&line) { &line[1..] } else { line })
        // What has no default would change the rest.
        .filter(|line| {
            ![
                "database",
                "replica",
                "redis",
                "address",
                "advertise",
                "name",
                "shards",
                "lanes",
                "key_file",
                "authorities",
                "smtp",
                "url",
                "metrics_listen",
                "otlp_endpoint",
                "otlp_authorities",
                "webhook_secrets",
                "closed_users_days",
                "guests_days",
            ]
            .iter()
            .any(|key| line.starts_with(key))
        })
        .collect();

    let loaded = read(&uncommented.join("\n"), &[], &[]).expect("the sample is right");

    assert_eq!(loaded.settings, Settings::default());
    let every_key = Table::try_from(Settings::default()).expect("settings are a table");
    for (name, value) in every_key {
        match value {
            Value::Table(section) => section.keys().for_each(|key| {
                let key = format!("{name}.{key}");
                assert!(loaded.origins.contains_key(&key), "{key} is missing in the sample");
            }),
            _ => assert!(loaded.origins.contains_key(&name), "{name} is missing in the sample"),
        }
    }
}
