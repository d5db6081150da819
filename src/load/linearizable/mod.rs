//! `emporium load check`: whether a recorded history is linearizable, aggregate by aggregate: there
//! is one order of everything that was asked, in which each answer is right and nothing stands
//! before what had ended when it began (Herlihy and Wing 1990). The search is `porcupine-rs`'s.
//!
//! Its memory grows with the square of a history's length (n² / 8 bytes for n operations), so long
//! histories are cut where that changes nothing; see `cuts`. What cannot be cut is searched whole
//! up to `WHOLE_MAX` operations, and beyond it the answer is that nothing is known.

mod cuts;
mod model;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use porcupine_rs::CheckResult;

use super::LoadError;
use super::history::{Ended, Line, Op};
use super::options::CheckArguments;
use cuts::{Cut, cut};
use model::{Done, Rules, State};

/// Operations of a piece: 2 MB of memory to search it.
const PIECE: usize = 4_000;
/// Operations that are searched in one piece where there is no certain cut: 200 MB.
const WHOLE_MAX: usize = 40_000;

/// One operation of one aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub client: u32,
    /// Its idempotency key, or that it read.
    pub label: Arc<str>,
    /// Microseconds.
    pub invoked_us: i64,
    /// `i64::MAX` if it never ended.
    pub returned_us: i64,
    pub done: Done,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, label, invoked_us, done, .. } = self;
        write!(formatter, "{label} of client {client} (asked at {invoked_us} µs: ")?;
        match done {
            Done::Begin(_) => write!(formatter, "the beginning)"),
            Done::Sold { units, version } => {
                write!(formatter, "{units} sold, version {version})")
            }
            Done::NotEnough { available: Some(left), .. } => {
                write!(formatter, "refused, {left} left)")
            }
            Done::NotEnough { .. } => write!(formatter, "refused, not enough left)"),
            Done::PerhapsSold { units } => write!(formatter, "{units} perhaps sold)"),
            Done::StockRead { on_hand, version } => {
                write!(formatter, "read {on_hand} on hand, version {version})")
            }
            Done::Booked { slot, version, .. } => {
                write!(formatter, "slot {slot} booked, version {version})")
            }
            Done::Taken { slot, .. } => write!(formatter, "slot {slot} taken)"),
            Done::PerhapsBooked { slot } => write!(formatter, "slot {slot} perhaps booked)"),
            Done::CalendarRead { events, version } => {
                write!(formatter, "read {events} bookings, version {version})")
            }
        }
    }
}

/// The history of one aggregate.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub begin: Option<State>,
    pub operations: Vec<Operation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Linearizable,
    /// It is not, and what shows it.
    Broken(String),
    /// It could not be decided, and why.
    Unknown(String),
}

/// Reads a file, decides on each aggregate of it, and prints that. Whether all is proved.
pub fn check(arguments: &CheckArguments) -> Result<bool, LoadError> {
    let histories = read(&arguments.history)?;
    if histories.is_empty() {
        let path = arguments.history.display();
        return Err(LoadError::Failed(format!("{path} holds no operation")));
    }
    let until = Instant::now() + Duration::from_secs(arguments.timeout);
    let mut proved = true;
    for (aggregate, history) in histories {
        let count = history.operations.len();
        let verdict = decide(history, until, PIECE);
        proved &= verdict == Verdict::Linearizable;
        let told = match verdict {
            Verdict::Linearizable => "linearizable".to_owned(),
            Verdict::Broken(why) => format!("NOT linearizable: {why}"),
            Verdict::Unknown(why) => format!("unknown: {why}"),
        };
        super::say(&format!("{aggregate}: {count} operations, {told}"));
    }
    Ok(proved)
}

/// Decides on one aggregate; pieces have at most about `piece` operations.
pub fn decide(history: History, until: Instant, piece: usize) -> Verdict {
    let begin = history.begin.unwrap_or_default();
    let operations = history.operations;
    if operations.len() <= piece {
        return search(&begin, &operations, until);
    }
    // Kept for the case that there is no cut.
    let whole = (operations.len() <= WHOLE_MAX).then(|| operations.clone());
    match (cut(&begin, operations, piece), whole) {
        (Cut::Contradiction(why), _) => Verdict::Broken(why),
        (Cut::Pieces(pieces), _) => {
            let verdicts = pieces.iter().map(|piece| search(&piece.from, &piece.operations, until));
            let mut verdicts = verdicts.filter(|verdict| *verdict != Verdict::Linearizable);
            verdicts.next().unwrap_or(Verdict::Linearizable)
        }
        (Cut::Uncertain(_), Some(whole)) => search(&begin, &whole, until),
        (Cut::Uncertain(why), None) => Verdict::Unknown(format!(
            "{why} leave no certain place to cut, and more than {WHOLE_MAX} operations are too \
             many to search whole; record a shorter run"
        )),
    }
}

/// The search, from a state, bounded in time.
fn search(from: &State, operations: &[Operation], until: Instant) -> Verdict {
    let left = until.saturating_duration_since(Instant::now());
    let first = operations.iter().map(|operation| operation.invoked_us).min().unwrap_or(0);
    let beginning = porcupine_rs::Operation::<Rules> {
        client_id: None,
        call_time: first - 2,
        return_time: first - 1,
        op: Done::Begin(from.clone()),
        metadata: None,
    };
    let others = operations.iter().map(|operation| porcupine_rs::Operation::<Rules> {
        client_id: Some(operation.client),
        call_time: operation.invoked_us,
        return_time: operation.returned_us,
        op: operation.done.clone(),
        metadata: None,
    });
    let all: Vec<_> = std::iter::once(beginning).chain(others).collect();
    match porcupine_rs::check_operations_timeout::<Rules>(&all, left) {
        CheckResult::Ok => Verdict::Linearizable,
        CheckResult::Illegal => Verdict::Broken(format!(
            "no order explains the {} operations from {}",
            operations.len(),
            operations.first().map_or_else(String::new, Operation::to_string)
        )),
        CheckResult::Unknown => {
            let hint = "the time was over before the search was; give it more with --timeout";
            Verdict::Unknown(hint.to_owned())
        }
    }
}

/// The histories of a file, by aggregate.
fn read(path: &Path) -> Result<BTreeMap<String, History>, LoadError> {
    let name = path.display();
    let failed = |error: std::io::Error| LoadError::Failed(format!("reading {name}: {error}"));
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let mut histories: BTreeMap<String, History> = BTreeMap::new();
    let (mut text, mut number) = (String::new(), 0_u64);
    loop {
        text.clear();
        number += 1;
        if reader.read_line(&mut text).map_err(failed)? == 0 {
            let headless = histories.iter().find(|(_, history)| history.begin.is_none());
            return match headless {
                Some((aggregate, _)) => Err(LoadError::Failed(format!(
                    "{name}: how {aggregate} stood at the beginning is not in it; give the whole \
                     file that `emporium load --record` wrote"
                ))),
                None => Ok(histories),
            };
        }
        if text.trim().is_empty() {
            continue;
        }
        let wrong = |why: String| {
            let hint = "expected what `emporium load --record` writes";
            LoadError::Failed(format!("{name}, line {number}: {why}; {hint}"))
        };
        let line: Line<'_> =
            serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if !histories.contains_key(&*line.aggregate) {
            histories.insert(line.aggregate.clone().into_owned(), History::default());
        }
        let history = histories.get_mut(&*line.aggregate).expect("it was just put there");
        match meaning(&line).map_err(wrong)? {
            Done::Begin(state) if history.begin.is_none() => history.begin = Some(state),
            Done::Begin(_) => return Err(wrong("it begins twice".to_owned())),
            done => history.operations.push(operation(&line, done)),
        }
    }
}

fn operation(line: &Line<'_>, done: Done) -> Operation {
    let time = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
    Operation {
        client: line.client,
        label: line.key.as_deref().unwrap_or("a read").into(),
        invoked_us: time(line.invoke_us),
        returned_us: line.return_us.map_or(i64::MAX, time),
        done,
    }
}

/// What a line says happened.
fn meaning(line: &Line<'_>) -> Result<Done, String> {
    let version = || line.version.ok_or_else(|| "it has no version".to_owned());
    let units = || {
        let units = line.input.units.and_then(|units| i64::try_from(units).ok());
        units.filter(|units| *units > 0).ok_or_else(|| "it has no units".to_owned())
    };
    let slot = || line.input.slot.ok_or_else(|| "it has no slot".to_owned());
    let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(Arc::from);
    Ok(match (line.op, line.outcome) {
        (Op::Begin, _) => Done::Begin(State {
            version: version()?,
            on_hand: line.on_hand.unwrap_or(0),
            ..State::default()
        }),
        (Op::Sell, Ended::Ok) => Done::Sold { units: units()?, version: version()? },
        (Op::Sell, Ended::Fail) => Done::NotEnough { units: units()?, available: line.available },
        (Op::Sell, Ended::Info) => Done::PerhapsSold { units: units()? },
        (Op::Book, Ended::Ok) => Done::Booked {
            slot: slot()?,
            event: text(&line.event).ok_or("it has no event")?,
            version: version()?,
        },
        (Op::Book, Ended::Fail) => Done::Taken { slot: slot()?, by: text(&line.by) },
        (Op::Book, Ended::Info) => Done::PerhapsBooked { slot: slot()? },
        (Op::Read, Ended::Ok) => match (line.on_hand, line.events) {
            (Some(on_hand), None) => Done::StockRead { on_hand, version: version()? },
            (None, Some(events)) => Done::CalendarRead { events, version: version()? },
            _ => return Err("a read of what?".to_owned()),
        },
        (Op::Read, _) => return Err("a read that was not answered says nothing".to_owned()),
    })
}
