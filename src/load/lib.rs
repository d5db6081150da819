//! `emporium load`: loads a running server through its public API like any other client, and
//! proves while it does that the answers were right. Sees no other room: what it knows of the
//! server is the schema that every client sees.

pub mod options;

pub mod linearizable;

mod checks;
mod client;
mod growth;
mod history;
mod live;
mod meter;
mod overload;
mod pace;
mod pool;
mod report;
mod report_html;
mod run;
mod scenarios;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::BytesMut;
use futures::future::LocalBoxFuture;
use serde::Deserialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use uuid::Uuid;

use checks::Check;
use client::{Api, Data, Patience, Template};
use growth::Growth;
use history::Recorder;
use live::Live;
use meter::Meter;
use options::{Length, LoadArguments, LoadCommand, Plan, ScenarioName};
use pace::Pace;
use report::Report;
use run::{Run, Scenario, drive};

/// Open files that are not connections.
const OTHER_FILES: usize = 32;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It was asked in a way that cannot work.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
}

/// Runs a scenario and reports, or checks a history. Whether all was well; if it was not, what was
/// printed says why. Boxed, so that this room is compiled here and not where it is called.
pub fn run(arguments: &LoadArguments) -> LocalBoxFuture<'_, Result<bool, LoadError>> {
    Box::pin(run_or_check(arguments))
}

async fn run_or_check(arguments: &LoadArguments) -> Result<bool, LoadError> {
    if let Some(LoadCommand::Check(arguments)) = &arguments.command {
        return linearizable::check(arguments);
    }
    let drawn = Uuid::new_v4().as_u64_pair().0;
    // JSON numbers of other programs end at 2^53.
    let plan = arguments.plan(drawn >> 11)?;
    room_for(plan.clients)?;
    let alone = arguments.json.as_deref() == Some(Path::new("-"));
    let files = arguments.json.iter().filter(|_| !alone).chain(&arguments.html);
    // Not after a long run.
    for path in files {
        writable(path)?;
    }
    let report = perform(plan).await?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report).expect("a report has text keys");
        if alone {
            say(&text);
        } else {
            write(path, &text)?;
        }
    }
    if let Some(path) = &arguments.html {
        write(path, &report_html::page(&report)?)?;
    }
    if alone {
        eprintln!("{}", report.text());
    } else {
        say(&report.text());
    }
    Ok(report.is_good())
}

async fn perform(plan: Plan) -> Result<Report, LoadError> {
    let id = Uuid::new_v4().simple().to_string()[..12].to_owned();
    let recorder = plan.record.as_deref().map(|path| Recorder::create(path, &id)).transpose()?;
    let api = Api::new(plan.target.clone());
    let run = Arc::new(Run { api, plan, id, used: AtomicU64::new(0), recorder });
    greet(&run).await?;
    let scenario = scenarios::prepare(run.plan.operations, &run).await?;
    let report = match run.plan.scenario {
        ScenarioName::Overload => overload::perform(&run, &scenario).await?,
        _ => plain(&run, &scenario).await?,
    };
    if let Some(recorder) = &run.recorder {
        recorder.finish()?;
    }
    Ok(report)
}

/// The one phase of a scenario that has only one.
async fn plain(run: &Arc<Run>, scenario: &Arc<dyn Scenario>) -> Result<Report, LoadError> {
    let plan = &run.plan;
    let growth = plan.pid.map(Growth::of).transpose()?;
    let phase = phase(run, scenario, plan.length, plan.rate, plan.clients).await?;
    let mut checks = growth.map_or_else(Vec::new, |growth| growth.checks());
    checks.extend(verified(run, scenario).await?);
    Ok(phase.report(run, checks))
}

/// What was measured while operations were started.
struct Phase {
    meter: Arc<Meter>,
    seconds: f64,
    clients: usize,
    rate_target: Option<f64>,
}

/// Starts operations until the length is reached or somebody presses Ctrl-C, and waits for them.
async fn phase(
    run: &Arc<Run>,
    scenario: &Arc<dyn Scenario>,
    length: Length,
    rate: Option<f64>,
    clients: usize,
) -> Result<Phase, LoadError> {
    let mut interrupts = interrupts()?;
    let pace = Pace::begin(length, rate);
    let meter = Arc::new(Meter::begin(pace.begun()));
    let patience = if rate.is_some() { Patience::GivesUp } else { Patience::ComesBack };
    tracing::info!(clients, rate, "begun");
    let live = Live::show(&run.plan.scenario.text(), &pace, &meter);
    {
        let driven = drive(run, scenario, &pace, &meter, clients, patience);
        let mut driven = std::pin::pin!(driven);
        tokio::select! {
            () = &mut driven => {}
            _ = interrupts.recv() => {
                pace.stop();
                tokio::select! {
                    () = &mut driven => {}
                    _ = interrupts.recv() => return Err(interrupted()),
                }
            }
        }
    }
    drop(live);
    let seconds = pace.begun().elapsed().as_secs_f64();
    Ok(Phase { meter, seconds, clients, rate_target: rate })
}

impl Phase {
    /// Operations that succeeded, a second.
    fn goodput(&self) -> f64 {
        self.meter.counts().succeeded as f64 / self.seconds.max(0.001)
    }

    fn report(&self, run: &Run, checks: Vec<Check>) -> Report {
        Report {
            scenario: run.plan.scenario.text(),
            seed: run.plan.seed,
            run: run.id.clone(),
            seconds: self.seconds,
            clients: self.clients,
            rate_target: self.rate_target,
            counts: self.meter.counts(),
            per_second: self.goodput(),
            latency_ms: self.meter.quantiles(),
            errors: self.meter.codes(),
            checks,
            series: self.meter.series(),
        }
    }
}

/// What a scenario finds; that it cannot look is a finding too.
async fn verified(run: &Run, scenario: &Arc<dyn Scenario>) -> Result<Vec<Check>, LoadError> {
    let mut interrupts = interrupts()?;
    let verified = tokio::select! {
        verified = scenario.verify(run) => verified,
        _ = interrupts.recv() => return Err(interrupted()),
    };
    Ok(verified.unwrap_or_else(|error| {
        vec![Check::new("the server can be asked at the end", false, error.to_string())]
    }))
}

/// Ctrl-C, from now on.
fn interrupts() -> Result<Signal, LoadError> {
    signal(SignalKind::interrupt())
        .map_err(|error| LoadError::Failed(format!("listening for Ctrl-C: {error}")))
}

fn interrupted() -> LoadError {
    LoadError::Failed("interrupted before everything was checked; nothing is proved".to_owned())
}

/// Whether anybody answers, before anything is made.
async fn greet(run: &Run) -> Result<(), LoadError> {
    #[derive(Deserialize)]
    struct Info {
        name: String,
        version: String,
    }
    let body = Template::new("query Info { payload: serverInfo { name version } }", "{}")
        .fill(&mut BytesMut::new(), &[]);
    let info: Data<Info> = run.api.need("asking who answers", body).await?;
    let Info { name, version } = info.payload;
    tracing::info!(url = run.api.url(), name, version, seed = run.plan.seed, "loading");
    Ok(())
}

/// Each client has a connection, and a connection is an open file.
fn room_for(clients: usize) -> Result<(), LoadError> {
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else { return Ok(()) };
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok());
    match soft {
        Some(soft) if soft < clients + OTHER_FILES => Err(LoadError::Usage(format!(
            "--clients {clients} needs more open files than the {soft} that are allowed; run \
             `ulimit -n {}` first, or take fewer clients",
            clients + OTHER_FILES
        ))),
        _ => Ok(()),
    }
}

fn writable(path: &Path) -> Result<(), LoadError> {
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let wrong = |error: std::io::Error| {
        LoadError::Usage(format!("{} cannot be written: {error}", path.display()))
    };
    opened.map(drop).map_err(wrong)
}

fn write(path: &Path, text: &str) -> Result<(), LoadError> {
    std::fs::write(path, text)
        .map_err(|error| LoadError::Failed(format!("writing {}: {error}", path.display())))
}

/// To standard output; a reader that went away is no failure of the run.
fn say(text: &str) {
    use std::io::Write;
    _ = writeln!(std::io::stdout(), "{text}");
}
