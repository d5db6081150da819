//! What can be asked of `emporium load`: the flags, what they default to, and what does not go
//! together. Reads no file and asks no server.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::LoadError;
use super::pool::Target;

/// The most clients of one run.
pub const CLIENTS_MAX: usize = 20_000;
/// The most items that checkouts are spread over, and slots of a calendar.
pub const SPREAD_MAX: usize = 1_000;
pub const SLOTS_MAX: u64 = 50_000;
/// The most units of a flash sale.
pub const UNITS_MAX: u64 = 10_000_000;
/// Starts a second, at most.
pub const RATE_MAX: f64 = 1_000_000.0;
/// How long a run lasts unless told otherwise, in seconds.
const SECONDS_DEFAULT: u64 = 10;
const SOAK_SECONDS_DEFAULT: u64 = 600;
/// Buyers for each unit, and for each slot, unless told otherwise.
pub const WANTED_TIMES: u64 = 4;

/// Load a running server through its public API, and check that it answered rightly.
///
/// Each run makes items, orders and calendars of its own, so that several may run at once. At the
/// end it reads back what it did: exit status 1 if a check fails or nothing succeeded.
///
/// The closed loop (the default) has each client send one operation after another. With --rate the
/// loop is open: operations start at a fixed pace whether or not earlier ones were answered, and
/// their latency counts from the time at which they should have started.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct LoadArguments {
    #[command(subcommand)]
    pub command: Option<LoadCommand>,
    /// What to do.
    #[arg(value_enum, required = true)]
    pub scenario: Option<ScenarioName>,
    /// The GraphQL address of the running server.
    #[arg(
        long,
        value_name = "URL",
        env = "EMPORIUM_URL",
        default_value = "http://127.0.0.1:8080/graphql"
    )]
    pub url: String,
    /// An access token, as `emporium user token` prints one.
    #[arg(long, value_name = "TOKEN", env = "EMPORIUM_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Operations in flight at one time, each on a connection of its own. [default: 16; overload 6000]
    #[arg(long, value_name = "N")]
    pub clients: Option<usize>,
    /// How long to start operations. [default: 10; soak 600]
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
    /// How many operations to start, in place of a time.
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    pub count: Option<u64>,
    /// Start so many operations a second, whatever was answered: an open loop.
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// Fixes what is chosen at random; a random seed, which is reported, unless given.
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Write the report as JSON; `-` prints it alone on standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report as one HTML page that needs no network.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write what each client did and saw, for `emporium load check`; hot-stock, flash-sale and
    /// calendar-rush.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// How often each scenario is chosen, `hot-stock = 15` a line; mixed and soak.
    #[arg(long, value_name = "FILE.toml")]
    pub weights: Option<PathBuf>,
    /// What is offered too much of, hot-stock, checkout or browse; overload. [default: checkout]
    #[arg(long, value_enum, value_name = "SCENARIO", hide_possible_values = true)]
    pub of: Option<ScenarioName>,
    /// The stock items that orders are spread over; checkout.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub spread: usize,
    /// The units that are for sale; flash-sale. [default: 1000]
    #[arg(long, value_name = "N")]
    pub units: Option<u64>,
    /// The slots that everyone wants; calendar-rush. [default: 200]
    #[arg(long, value_name = "N")]
    pub slots: Option<u64>,
    /// The process of the server, if it runs on this machine (Linux): its growth is reported; soak
    /// and overload.
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum LoadCommand {
    /// Prove that a recorded history is linearizable, aggregate by aggregate.
    Check(CheckArguments),
}

#[derive(Args, Clone, Debug)]
pub struct CheckArguments {
    /// What `emporium load … --record` wrote.
    #[arg(value_name = "HISTORY")]
    pub history: PathBuf,
    /// How long to search; what is not decided by then is unknown, status 1.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum ScenarioName {
    /// Everyone buys one unit of the same item, of which there is plenty.
    HotStock,
    /// Few units, many buyers: exactly as many succeed as there are units.
    FlashSale,
    /// Whole checkouts: draft, line, place, wait until the order is confirmed.
    Checkout,
    /// Reads: lists of products, products, stock; some far more often than others.
    Browse,
    /// Everyone wants the same slots of one calendar: exactly one gets each.
    CalendarRush,
    /// All of these by weight.
    Mixed,
    /// Mixed for long; with --pid the server's memory and open files must not grow.
    Soak,
    /// Finds what the server can do, then offers twice as much.
    Overload,
}

impl ScenarioName {
    /// As it is written on the command line.
    pub fn text(self) -> String {
        self.to_possible_value().expect("no scenario is hidden").get_name().to_owned()
    }

    /// Whether any number of its operations may be started.
    fn is_offered(self) -> bool {
        matches!(self, Self::HotStock | Self::Checkout | Self::Browse)
    }

    fn records(self) -> bool {
        matches!(self, Self::HotStock | Self::FlashSale | Self::CalendarRush)
    }
}

/// When no more operations are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Seconds(u64),
    Count(u64),
}

/// A run as it was asked for, defaults filled in.
#[derive(Clone, Debug)]
pub struct Plan {
    pub scenario: ScenarioName,
    /// Whose operations are started: its own, or what overload offers.
    pub operations: ScenarioName,
    pub target: Target,
    pub clients: usize,
    pub length: Length,
    /// Starts a second; `None` for the closed loop.
    pub rate: Option<f64>,
    pub seed: u64,
    pub record: Option<PathBuf>,
    pub weights: Option<PathBuf>,
    pub spread: usize,
    pub units: u64,
    pub slots: u64,
    pub pid: Option<u32>,
}

impl LoadArguments {
    /// What is to be done, or why that cannot work. `seed` is taken where none was given.
    pub fn plan(&self, seed: u64) -> Result<Plan, LoadError> {
        let usage = |problem: String| Err(LoadError::Usage(problem));
        let Some(scenario) = self.scenario else {
            return usage("a scenario is missing; see `emporium load --help`".to_owned());
        };
        let Some(target) = Target::parse(&self.url) else {
            return usage(format!("--url {}: expected http://HOST:PORT/graphql", self.url));
        };
        let target = match &self.token {
            None => target,
            Some(token) => match target.bearing(token) {
                Some(target) => target,
                None => return usage("--token: expected an access token on one line".to_owned()),
            },
        };
        let heavy = scenario == ScenarioName::Overload;
        let operations = match (heavy, self.of) {
            (false, None) => scenario,
            (false, Some(_)) => return usage("--of: only overload takes it".to_owned()),
            (true, of) => of.unwrap_or(ScenarioName::Checkout),
        };
        if heavy && !operations.is_offered() {
            return usage("--of: expected hot-stock, checkout or browse".to_owned());
        }
        let clients = self.clients.unwrap_or(if heavy { 6_000 } else { 16 });
        if !(1..=CLIENTS_MAX).contains(&clients) {
            return usage(format!("--clients {clients}: expected 1 to {CLIENTS_MAX}"));
        }
        bounded("--spread", self.spread as u64, SPREAD_MAX as u64)?;
        let units = self.units.unwrap_or(1_000);
        bounded("--units", units, UNITS_MAX)?;
        let slots = self.slots.unwrap_or(200);
        bounded("--slots", slots, SLOTS_MAX)?;
        if self.rate.is_some_and(|rate| !(rate > 0.0 && rate <= RATE_MAX)) {
            return usage(format!("--rate: expected more than 0 and at most {RATE_MAX} a second"));
        }
        if heavy && (self.rate.is_some() || self.count.is_some()) {
            let why = "finds its rate itself and runs for a time";
            return usage(format!("overload {why}: leave --rate and --count out"));
        }
        if self.record.is_some() && !scenario.records() {
            let known = "hot-stock, flash-sale and calendar-rush";
            return usage(format!("--record: only {known} can be recorded"));
        }
        let by_weight = matches!(scenario, ScenarioName::Mixed | ScenarioName::Soak);
        if self.weights.is_some() && !by_weight {
            return usage("--weights: only mixed and soak choose by weight".to_owned());
        }
        if self.pid.is_some() && !heavy && scenario != ScenarioName::Soak {
            return usage("--pid: only soak and overload look at the server's process".to_owned());
        }
        let length = match (self.seconds, self.count) {
            (Some(0), _) | (_, Some(0)) => {
                return usage("--seconds and --count begin at 1".to_owned());
            }
            (Some(seconds), _) => Length::Seconds(seconds),
            (None, Some(count)) => Length::Count(count),
            (None, None) => match scenario {
                ScenarioName::FlashSale => Length::Count(units * WANTED_TIMES),
                ScenarioName::CalendarRush => Length::Count(slots * WANTED_TIMES),
                ScenarioName::Soak => Length::Seconds(SOAK_SECONDS_DEFAULT),
                _ => Length::Seconds(SECONDS_DEFAULT),
            },
        };
        Ok(Plan {
            scenario,
            operations,
            target,
            clients,
            length,
            rate: self.rate,
            seed: self.seed.unwrap_or(seed),
            record: self.record.clone(),
            weights: self.weights.clone(),
            spread: self.spread,
            units,
            slots,
            pid: self.pid,
        })
    }
}

fn bounded(flag: &str, value: u64, max: u64) -> Result<(), LoadError> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(LoadError::Usage(format!("{flag} {value}: expected 1 to {max}")))
}
