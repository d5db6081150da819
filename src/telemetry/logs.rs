//! Logs: to standard error, for people on a terminal and as JSON elsewhere. The hot path opens no
//! span; whoever serves a request writes its correlation id into each line that is about it.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::folding::Folding;

/// What a client sends that is no HTTP is no error of ours, and answered with 400: the library writes
/// an ERROR for each. A filter that names it hears it again.
const UNHEARD: &str = "actix_http=off";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    #[default]
    Auto,
    Human,
    Json,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogOptions {
    /// What is logged, as `tracing` has it: `info,emporium_cluster=debug`.
    pub filter: String,
    pub format: LogFormat,
    /// The part of requests that have a line of their own: 0 none, 1 all.
    pub access_ratio: f64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            filter: "info,sqlx=warn,actix_server=warn".to_owned(),
            format: LogFormat::default(),
            access_ratio: 0.01,
        }
    }
}

impl LogOptions {
    /// The first key whose value is of no use, with what would be right.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        if !(0.0..=1.0).contains(&self.access_ratio) {
            return Some(("log.access_ratio", format!("{} is not from 0 to 1", self.access_ratio)));
        }
        let error = EnvFilter::try_new(&self.filter).err()?;
        Some(("log.filter", format!("expected a list such as info,sqlx=warn: {error}")))
    }
}

/// Sets up logging for the life of the process. Called once, before anything that may log; a
/// second call changes nothing.
pub fn start(settings: &LogOptions) {
    let filter = EnvFilter::new(format!("{UNHEARD},{}", settings.filter));
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let human = match settings.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let folding = Folding::default();
    let started = if human {
        builder.with_ansi(terminal).finish().with(folding.clone()).try_init()
    } else {
        let builder = builder.json().flatten_event(true);
        let builder = builder.with_current_span(false).with_span_list(false);
        builder.finish().with(folding.clone()).try_init()
    };
    // Where somebody else set it up, their lines are as good.
    if started.is_ok() {
        let telling = std::thread::Builder::new().name("log".to_owned());
        if let Err(error) = telling.spawn(move || folding.tell()) {
            tracing::warn!(%error, "of lines that are left out is not told");
        }
    }
}
