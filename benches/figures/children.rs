//! What is measured in a process of its own, so that the allocator is clean or the process may end
//! badly. A child writes lines `name=value` to its output and ends.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;

use crate::place::Place;
use crate::settings::Settings;
use crate::{activation, baseline, gate, lists, memory};

/// What a child does.
#[derive(Clone, Copy)]
pub enum Child {
    Live,
    Bound,
    Crash,
    Orders,
    Gate,
}

impl Child {
    fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Bound => "bound",
            Self::Crash => "crash",
            Self::Orders => "orders",
            Self::Gate => "gate",
        }
    }
}

/// Runs a child on a database and returns what it said.
pub async fn spawn(child: Child, place: &Place, settings: &Settings) -> BTreeMap<String, String> {
    let program = std::env::current_exe().expect("a program knows where it is");
    let mut command = std::process::Command::new(program);
    command.args(["--child", child.name(), "--address", &place.address()]);
    if settings.quick {
        command.arg("--quick");
    }
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.expect("waiting does not fail").expect("this program can be run");
    assert!(output.status.success(), "the child {} failed", child.name());
    let said = String::from_utf8(output.stdout).expect("a child writes text");
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.into(), value.into()));
    said.lines().filter_map(pair).collect()
}

/// Does what the child of this name does, then ends the process: nothing is tidied up.
pub async fn run(name: &str, settings: &Settings) -> bool {
    let place = Place::at(settings.address.as_deref().expect("a child is given an address"));
    let said = match name {
        "live" => memory::live(&place, settings).await,
        "bound" => memory::bound(&place, settings).await,
        "crash" => activation::sell_and_crash(&place).await,
        "orders" => lists::orders(&place, settings).await,
        "gate" => gate::compare(&place, settings).await,
        "baseline" => {
            baseline::serve(&place, settings.connections).await;
            return false;
        }
        other => {
            eprintln!("figures: no child does {other}");
            return false;
        }
    };
    let mut output = std::io::stdout().lock();
    for (name, value) in said {
        writeln!(output, "{name}={value}").expect("the parent reads");
    }
    output.flush().expect("the parent reads");
    std::process::exit(0)
}
