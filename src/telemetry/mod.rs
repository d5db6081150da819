//! Logs: to standard error, for people on a terminal and as JSON elsewhere. The hot path opens no
//! span; whoever serves a request writes its correlation id into each line that is about it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::sections::{LogFormat, LogSection};

/// Sets up logging for the life of the process. Called once, before anything that may log; a
/// second call changes nothing.
pub fn start(settings: &LogSection) {
    let filter = EnvFilter::new(&settings.filter);
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let human = match settings.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let started = if human {
        builder.with_ansi(terminal).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    // Somebody else set it up: their lines are as good.
    drop(started);
}
