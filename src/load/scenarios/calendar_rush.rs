//! `calendar-rush`: everyone wants the same slots of one exclusive calendar at the same time, and
//! exactly one gets each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use bytes::BytesMut;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta};
use parking_lot::Mutex;
use serde::Deserialize;

use super::catalogue::mutate;
use crate::LoadError;
use crate::checks::{Check, distinct_versions, sample};
use crate::client::{Data, Template, Told, UserError};
use crate::history::{Event, Seen};
use crate::meter::Outcome;
use crate::options::WANTED_TIMES;
use crate::run::{Run, Scenario, Turn};

/// The length of a slot, in minutes.
const SLOT_MINUTES: i64 = 30;
/// Occurrences that one question lists: the longest page that the server gives by default.
const PAGE: i64 = 100;
/// Bookings that are asked for again at the end.
const REPEATED_MAX: usize = 100;
/// Of 100 operations of a recorded run, those that read.
const READS_PERCENT: u64 = 10;
const TAKEN: &str = "SLOT_TAKEN";

/// See the module.
pub struct Rush {
    slots: u64,
    calendar: String,
    name: String,
    before: u64,
    book: Template,
    read: Template,
    /// Slots that were wanted so far. Not the number of the operation: in a mix the numbers of
    /// two that meet lie far apart.
    asked: AtomicU64,
    booked: Mutex<Vec<Booking>>,
    unknown: AtomicU64,
    /// Refusals for other reasons than that the slot is taken.
    odd: AtomicU64,
}

#[derive(Clone)]
struct Booking {
    number: u64,
    slot: u64,
    event: String,
    version: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Booked {
    event_id: Option<String>,
    version: Option<u64>,
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    version: u64,
    event_count: u64,
}

#[derive(Deserialize)]
struct Created {
    calendar: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    has_more: bool,
    occurrences: Vec<Occurrence>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Occurrence {
    event_id: String,
    start: String,
}

/// When the first slot begins, in UTC.
fn first_slot() -> NaiveDateTime {
    let day = NaiveDate::from_ymd_opt(2040, 1, 2).expect("a date");
    day.and_hms_opt(0, 0, 0).expect("a time")
}

fn start_of(slot: u64) -> NaiveDateTime {
    first_slot() + TimeDelta::minutes(SLOT_MINUTES * slot as i64)
}

/// The slot that begins then, if one does.
fn slot_at(start: &str) -> Option<u64> {
    let start = DateTime::parse_from_rfc3339(start).ok()?.naive_utc();
    let minutes = (start - first_slot()).num_minutes();
    let slot = u64::try_from(minutes / SLOT_MINUTES).ok()?;
    (start_of(slot) == start).then_some(slot)
}

impl Rush {
    pub async fn prepare(run: &Run) -> Result<Self, LoadError> {
        let input = format!(
            r#""name":"Load {0}","timeZone":"UTC","availability":{{"kind":"EXCLUSIVE"}},"idempotencyKey":"{0}-calendar""#,
            run.id
        );
        let made: Created =
            mutate(run, "createCalendar", "CreateCalendarInput", "calendar { id }", &input).await?;
        let refused = || LoadError::Failed("preparing the calendar was refused".to_owned());
        let calendar = made.calendar.ok_or_else(refused)?.id;
        let seen = run.recorder.as_ref().map_or("", |_| " ... on SlotTaken { by }");
        let book = format!(
            "mutation Book($input: ScheduleEventInput!) {{ payload: scheduleEvent(input: $input) \
             {{ eventId version userErrors {{ code{seen} }} }} }}"
        );
        let variables = format!(
            r#"{{"input":{{"calendarId":"{calendar}","title":"Rush","timing":{{"start":"$","length":{{"duration":"PT{SLOT_MINUTES}M"}}}},"idempotencyKey":"{}-$"}}}}"#,
            run.id
        );
        let read = "query Calendar($id: ID!) { payload: calendar(id: $id) { version eventCount } }";
        let read = Template::new(read, &format!(r#"{{"id":"{calendar}"}}"#));
        let standing = standing(run, &read).await?;
        let name = format!("calendar/{calendar}");
        if let Some(recorder) = &run.recorder {
            recorder.begin(&name, Seen::Begin { on_hand: 0, version: standing.version });
        }
        Ok(Self {
            slots: run.plan.slots,
            calendar,
            name,
            before: standing.version,
            book: Template::new(&book, &variables),
            read,
            asked: AtomicU64::new(0),
            booked: Mutex::default(),
            unknown: AtomicU64::new(0),
            odd: AtomicU64::new(0),
        })
    }

    /// Those who come one after the other want the same slot; some come late for one before.
    fn wanted(&self, turn: &mut Turn<'_>) -> u64 {
        let now = self.asked.fetch_add(1, Ordering::Relaxed) / WANTED_TIMES;
        let late = if turn.choices.below(16) == 0 { turn.choices.below(now + 1) } else { 0 };
        (now - late) % self.slots
    }

    fn body(&self, buffer: &mut BytesMut, slot: u64, number: u64) -> bytes::Bytes {
        let start = start_of(slot).format("%Y-%m-%dT%H:%M:%S");
        self.book.fill(buffer, &[&start, &number])
    }

    async fn book(&self, turn: &mut Turn<'_>) -> Outcome {
        let slot = self.wanted(turn);
        let body = self.body(turn.buffer, slot, turn.number);
        let invoked = Instant::now();
        let told: Told<Data<Booked>> = turn.run.api.tell(body, turn.patience, turn.meter).await;
        let (outcome, seen) = match told {
            Told::Answer(Data { payload: Booked { event_id, version, user_errors } }) => {
                match (user_errors.into_iter().next(), event_id, version) {
                    (None, Some(event), Some(version)) => {
                        let number = turn.number;
                        let booking = Booking { number, slot, event: event.clone(), version };
                        self.booked.lock().push(booking);
                        (Outcome::Succeeded, Some(Seen::Done { version, event: Some(event) }))
                    }
                    (None, ..) => (turn.wrong("a booking without an event or a version"), None),
                    (Some(error), ..) if error.code == TAKEN => {
                        let seen = Seen::Refused { available: None, by: error.by };
                        (Outcome::Refused(error.code), Some(seen))
                    }
                    (Some(error), ..) => {
                        self.odd.fetch_add(1, Ordering::Relaxed);
                        (Outcome::Refused(error.code), None)
                    }
                }
            }
            Told::Unknown => {
                self.unknown.fetch_add(1, Ordering::Relaxed);
                (Outcome::Unknown, Some(Seen::Unknown))
            }
            Told::Failed { code, .. } => (Outcome::Failed(code), None),
        };
        if let Some(seen) = seen {
            turn.note(&self.name, invoked, Event::Book { slot }, seen);
        }
        outcome
    }

    async fn look(&self, turn: &mut Turn<'_>) -> Outcome {
        let body = self.read.fill(turn.buffer, &[]);
        let invoked = Instant::now();
        let told: Told<Data<Standing>> = turn.run.api.tell(body, turn.patience, turn.meter).await;
        match told {
            Told::Answer(Data { payload: Standing { version, event_count } }) => {
                let seen = Seen::Calendar { events: event_count, version };
                turn.note(&self.name, invoked, Event::Read, seen);
                Outcome::Succeeded
            }
            Told::Unknown => Outcome::Unknown,
            Told::Failed { code, .. } => Outcome::Failed(code),
        }
    }

    /// All occurrences of the calendar, page by page.
    async fn listed(&self, run: &Run) -> Result<Vec<Occurrence>, LoadError> {
        let document = "query Events($id: ID!, $start: DateTime!, $end: DateTime!, $first: Int!) { \
                        payload: calendarEvents(calendarId: $id, start: $start, end: $end, first: \
                        $first) { hasMore occurrences { eventId start } } }";
        let variables =
            format!(r#"{{"id":"{}","start":"$","end":"$","first":{PAGE}}}"#, self.calendar);
        let template = Template::new(document, &variables);
        let (mut all, mut buffer) = (Vec::new(), BytesMut::new());
        // Ranges that hold a page of slots if each is booked once, as it should be; if one is
        // booked twice there is more, and the server says so.
        for from in (0..self.slots).step_by(PAGE as usize) {
            let format = |slot| start_of(slot).format("%Y-%m-%dT%H:%M:%SZ").to_string();
            let (start, end) = (format(from), format(from + PAGE as u64));
            let body = template.fill(&mut buffer, &[&start, &end]);
            let page: Data<Option<Listed>> = run.api.need("reading the calendar", body).await?;
            let gone = || LoadError::Failed("the calendar is gone".to_owned());
            let page = page.payload.ok_or_else(gone)?;
            if page.has_more {
                let why = format!("more than {PAGE} bookings in {PAGE} slots from {start} on");
                return Err(LoadError::Failed(why));
            }
            all.extend(page.occurrences);
        }
        Ok(all)
    }

    fn one_a_slot(&self, listed: &[Occurrence]) -> Check {
        let name = "no slot is booked twice";
        let mut taken = HashMap::new();
        for occurrence in listed {
            let Some(slot) = slot_at(&occurrence.start) else {
                let detail = format!("{} begins at {}", occurrence.event_id, occurrence.start);
                return Check::new(name, false, detail);
            };
            if let Some(other) = taken.insert(slot, &occurrence.event_id) {
                let both = format!("{other} and {}", occurrence.event_id);
                return Check::new(name, false, format!("slot {slot} has {both}"));
            }
        }
        Check::new(name, true, format!("{} slots of {} are booked", taken.len(), self.slots))
    }

    /// That each acknowledged booking stands in the calendar, at its slot.
    fn all_there(&self, listed: &[Occurrence], booked: &[Booking]) -> Check {
        let name = "every acknowledged booking stands";
        let slots: HashMap<&str, Option<u64>> = listed
            .iter()
            .map(|occurrence| (occurrence.event_id.as_str(), slot_at(&occurrence.start)))
            .collect();
        let lost = booked
            .iter()
            .find(|booking| slots.get(booking.event.as_str()) != Some(&Some(booking.slot)));
        match lost {
            Some(booking) => {
                let detail = format!("{} of slot {} is not there", booking.event, booking.slot);
                Check::new(name, false, detail)
            }
            None => Check::new(name, true, format!("{} of {0}", booked.len())),
        }
    }

    async fn repeat(&self, run: &Run, booked: &[Booking]) -> Result<Check, LoadError> {
        let name = "no key is applied twice";
        let stood = standing(run, &self.read).await?;
        let (some, mut buffer) = (sample(booked, REPEATED_MAX), BytesMut::new());
        for booking in &some {
            let body = self.body(&mut buffer, booking.slot, booking.number);
            let again: Data<Booked> = run.api.need("asking again with the same key", body).await?;
            let Booked { event_id, version, .. } = again.payload;
            if version != Some(booking.version) || event_id.as_deref() != Some(&booking.event) {
                let detail = format!(
                    "key {}-{} led to version {}; asked again, to {version:?}",
                    run.id, booking.number, booking.version
                );
                return Ok(Check::new(name, false, detail));
            }
        }
        let stands = standing(run, &self.read).await?;
        let detail = format!("{} keys of {} asked again", some.len(), booked.len());
        Ok(Check::new(name, stands.version == stood.version, detail))
    }
}

async fn standing(run: &Run, read: &Template) -> Result<Standing, LoadError> {
    let body = read.fill(&mut BytesMut::new(), &[]);
    let read: Data<Option<Standing>> = run.api.need("reading the calendar", body).await?;
    read.payload.ok_or_else(|| LoadError::Failed("the calendar is gone".to_owned()))
}

#[async_trait]
impl Scenario for Rush {
    async fn step(&self, turn: &mut Turn<'_>) -> Outcome {
        if turn.run.recorder.is_some() && turn.choices.below(100) < READS_PERCENT {
            return self.look(turn).await;
        }
        self.book(turn).await
    }

    async fn verify(&self, run: &Run) -> Result<Vec<Check>, LoadError> {
        let booked = self.booked.lock().clone();
        let (count, unknown) = (booked.len() as u64, self.unknown.load(Ordering::Relaxed));
        let after = standing(run, &self.read).await?;
        let listed = self.listed(run).await?;
        let odd = self.odd.load(Ordering::Relaxed);
        Ok(vec![
            self.one_a_slot(&listed),
            Check::counted("bookings are successes", listed.len() as i128, count, unknown),
            Check::counted(
                "events are successes",
                i128::from(after.version) - i128::from(self.before),
                count,
                unknown,
            ),
            self.all_there(&listed, &booked),
            distinct_versions(booked.iter().map(|booking| booking.version).collect()),
            Check::new(
                "whoever is refused is told that the slot is taken",
                odd == 0,
                format!("{odd} refused for another reason"),
            ),
            self.repeat(run, &booked).await?,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_found_by_their_start() {
        for slot in [0, 1, 47, 48, 49_999] {
            let start = start_of(slot).format("%Y-%m-%dT%H:%M:%SZ").to_string();
            assert_eq!(slot_at(&start), Some(slot), "{start}");
        }
        assert_eq!(slot_at("2040-01-02T00:10:00Z"), None);
        assert_eq!(slot_at("2039-12-31T00:00:00Z"), None);
    }
}
