//! Cuts a long history into pieces that can be proved one by one. Nothing is assumed: where this
//! is not certain to be right, there is no cut.
//!
//! What the search of a whole history costs in memory grows with the square of its length. But
//! most operations say at which version they stand, and then their place is known:
//!
//! - A success led to version `v`: it is the write from `v − 1` to `v`. Two with the same version
//!   contradict each other.
//! - A read, and a refusal for want of stock that says how much was left, saw the state of exactly
//!   one version, since every sale is of the same number of units.
//! - A refused booking may stand anywhere after the booking that was in its way. If there is any
//!   order that explains the history, there is one in which it stands as early as it can: nothing
//!   that stands before it is harmed by that, and what comes after it in time only gains. So its
//!   place is the later of that booking and of everything that had ended when it began.
//! - A sale that nobody learnt about can only be a write whose version nobody was given. Which one
//!   takes which version does not matter if the earliest asked takes the lowest: each must be asked
//!   before anything that saw its version, or a later one, had ended, and that time grows with the
//!   version. Sales that are left over never happened, or happened when nobody looked any more.
//!
//! So the history is linearizable exactly if (1) no operation began after one had ended that
//! stands behind it, and (2) each run of operations between two versions is explained by the rules
//! from the state that the writes before it led to. (1) is checked here, in one pass through time;
//! (2) is what the pieces are for. Operations that write nothing at one version do not see each
//! other, so they may be cut apart as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Operation;
use super::model::{Done, State};

/// A piece: the state that it begins with, and its operations.
pub struct Piece {
    pub from: State,
    pub operations: Vec<Operation>,
}

pub enum Cut {
    Pieces(Vec<Piece>),
    /// It is not linearizable, and why.
    Contradiction(String),
    /// There is no certain place for something.
    Uncertain(&'static str),
}

/// Where an operation stands.
#[derive(Clone, Copy)]
enum Place {
    /// The write that led to this version.
    Writes(u64),
    /// It saw this version.
    At(u64),
    /// It saw this version or a later one.
    From(u64),
}

/// Cuts into pieces of at most about `length` operations.
pub fn cut(begin: &State, operations: Vec<Operation>, length: usize) -> Cut {
    let mut units = None;
    let (mut placed, mut unsure) = (Vec::with_capacity(operations.len()), Vec::new());
    let mut bookings = BTreeMap::new();
    for operation in &operations {
        if let Done::Booked { event, version, .. } = &operation.done {
            bookings.insert(Arc::clone(event), *version);
        }
    }
    for operation in operations {
        let sold = match &operation.done {
            Done::Sold { units, .. }
            | Done::NotEnough { units, .. }
            | Done::PerhapsSold { units } => Some(*units),
            _ => None,
        };
        if let Some(sold) = sold
            && *units.get_or_insert(sold) != sold
        {
            return Cut::Uncertain("sales of different numbers of units");
        }
        let place = match &operation.done {
            Done::Begin(_) => return Cut::Uncertain("more than one beginning"),
            Done::Sold { version, .. } | Done::Booked { version, .. } => Place::Writes(*version),
            Done::StockRead { version, .. } | Done::CalendarRead { version, .. } => {
                Place::At(*version)
            }
            Done::NotEnough { units, available: Some(available) } => {
                match version_with(begin, *available, *units) {
                    Some(version) => Place::At(version),
                    None => {
                        let told = format!("a refusal said that {available} are left");
                        return Cut::Contradiction(format!("{told}, which was never so"));
                    }
                }
            }
            Done::NotEnough { available: None, .. } => {
                return Cut::Uncertain("refusals that do not say what is left");
            }
            Done::Taken { by: Some(by), .. } => match bookings.get(by) {
                Some(version) => Place::From(*version),
                None => return Cut::Uncertain("a slot taken by a booking that is not recorded"),
            },
            Done::Taken { by: None, .. } => {
                return Cut::Uncertain("refusals that do not say what is in the way");
            }
            Done::PerhapsSold { .. } => {
                unsure.push(operation);
                continue;
            }
            Done::PerhapsBooked { .. } => return Cut::Uncertain("bookings of unknown outcome"),
        };
        placed.push((place, operation));
    }
    if let Err(contradiction) = fill_gaps(begin, &mut placed, unsure) {
        return Cut::Contradiction(contradiction);
    }
    match in_time(placed) {
        Ok(ordered) => pieces(begin, ordered, length),
        Err(contradiction) => Cut::Contradiction(contradiction),
    }
}

/// The version at which so much was left, if every write takes `units`.
fn version_with(begin: &State, available: i64, units: i64) -> Option<u64> {
    let gone = begin.on_hand.checked_sub(available)?;
    let writes = u64::try_from(gone).ok()?;
    let units = u64::try_from(units).ok().filter(|units| *units > 0)?;
    (writes % units == 0).then(|| begin.version + writes / units)
}

/// Gives each version that nobody was given to a sale of unknown outcome. What is left over is
/// dropped: it may be put at the very end.
fn fill_gaps(
    begin: &State,
    placed: &mut Vec<(Place, Operation)>,
    mut unsure: Vec<Operation>,
) -> Result<(), String> {
    let mut writes = BTreeMap::new();
    // The earliest end of what stands at a version.
    let mut ends: BTreeMap<u64, i64> = BTreeMap::new();
    for (place, operation) in placed.iter() {
        let (Place::Writes(version) | Place::At(version) | Place::From(version)) = *place;
        if version < begin.version
            || (matches!(place, Place::Writes(_)) && version == begin.version)
        {
            return Err(format!("version {version} is before the beginning: {operation}"));
        }
        if matches!(place, Place::Writes(_))
            && let Some(other) = writes.insert(version, operation.to_string())
        {
            return Err(format!("version {version} was given twice: {other}, and {operation}"));
        }
        let end = ends.entry(version).or_insert(i64::MAX);
        *end = (*end).min(operation.returned_us);
    }
    let Some(last) = ends.keys().next_back().copied() else { return Ok(()) };
    // By version downwards: the earliest end at it or behind it.
    let mut earliest = i64::MAX;
    for end in ends.values_mut().rev() {
        earliest = earliest.min(*end);
        *end = earliest;
    }
    unsure.sort_by_key(|operation| operation.invoked_us);
    let mut unsure = unsure.into_iter();
    let mut expected = begin.version + 1;
    while expected <= last {
        if writes.contains_key(&expected) {
            expected += 1;
            continue;
        }
        let Some(operation) = unsure.next() else {
            return Err(format!("nothing that was asked can have led to version {expected}"));
        };
        let by = ends.range(expected..).next().map_or(i64::MAX, |(_, end)| *end);
        if operation.invoked_us > by {
            return Err(format!("version {expected} was seen before anything asked for it"));
        }
        placed.push((Place::Writes(expected), operation));
        expected += 1;
    }
    Ok(())
}

/// Every operation with its version, in the order of versions, a write before what saw it; or two
/// that stand in the wrong order.
fn in_time(placed: Vec<(Place, Operation)>) -> Result<Vec<(u64, bool, Operation)>, String> {
    let mut moments: Vec<(i64, bool, usize)> = Vec::with_capacity(placed.len() * 2);
    for (index, (_, operation)) in placed.iter().enumerate() {
        moments.push((operation.invoked_us, false, index));
        moments.push((operation.returned_us, true, index));
    }
    // At the same microsecond, what begins comes first: such operations count as concurrent.
    moments.sort_unstable();
    let mut versions = vec![0_u64; placed.len()];
    // The furthest that has ended, and which operation it was.
    let mut behind: Option<(u64, usize)> = None;
    for (_, ends, index) in moments {
        if ends {
            if behind.is_none_or(|(version, _)| versions[index] > version) {
                behind = Some((versions[index], index));
            }
            continue;
        }
        let furthest = behind.map_or(0, |(version, _)| version);
        let (version, in_order) = match placed[index].0 {
            Place::Writes(version) => (version, furthest < version),
            Place::At(version) => (version, furthest <= version),
            Place::From(version) => (version.max(furthest), true),
        };
        versions[index] = version;
        if let (false, Some((_, earlier))) = (in_order, behind) {
            let (earlier, later) = (&placed[earlier].1, &placed[index].1);
            return Err(format!("{earlier} had ended before {later} began, yet stands behind it"));
        }
    }
    let mut ordered: Vec<_> = placed
        .into_iter()
        .zip(versions)
        .map(|((place, operation), version)| {
            (version, !matches!(place, Place::Writes(_)), operation)
        })
        .collect();
    ordered.sort_by_key(|(version, reads, operation)| (*version, *reads, operation.invoked_us));
    Ok(ordered)
}

fn pieces(begin: &State, ordered: Vec<(u64, bool, Operation)>, length: usize) -> Cut {
    let mut pieces = Vec::new();
    let mut state = begin.clone();
    let mut piece = Piece { from: begin.clone(), operations: Vec::new() };
    for (_, _, operation) in ordered {
        if piece.operations.len() >= length {
            pieces.push(std::mem::replace(
                &mut piece,
                Piece { from: state.clone(), operations: Vec::new() },
            ));
        }
        // Where the rules do not allow it, its piece will say so; what follows is judged by what
        // was answered.
        state = match state.after(&operation.done) {
            Some(next) => next,
            None => return whole_answer(operation),
        };
        piece.operations.push(operation);
    }
    pieces.push(piece);
    Cut::Pieces(pieces)
}

/// In the one order that is possible, the rules do not allow this answer.
fn whole_answer(operation: Operation) -> Cut {
    Cut::Contradiction(format!("the rules do not allow {operation} where it stands"))
}
