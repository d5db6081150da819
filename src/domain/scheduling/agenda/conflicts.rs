//! Whether there is room for what is asked for, at every one of its times, for ever.
//!
//! A single occurrence is compared with all that is near it. A series cannot be: one without an end
//! has some ten thousand occurrences until the calendar ends. So it is looked at only where it can
//! meet something:
//!
//! - at its extra dates, and where it touches what stands in the index, going from one to the other;
//! - where its rule touches another rule, over one period after which both repeat themselves, or to
//!   the end where they have none;
//! - around every jump of the clocks. There alone something overlaps that is apart on the clock on
//!   the wall: hours are exact, and what starts in the gap takes place behind it. Where clocks are
//!   set back, things only move apart.
//!
//! What is met there is then compared instant by instant. Every step is counted, and what takes more
//! than [`STEPS_MAX`] is refused.

use jiff::civil::DateTime;
use uuid::Uuid;

use super::{Agenda, Entry, EventId, Occurrence, Series};
use crate::scheduling::free_busy::{Interval, most_at_once};
use crate::scheduling::local_time::{self, MINUTES_OF_DAY, Minute};
use crate::scheduling::opening_hours::OpeningHours;
use crate::scheduling::recurrence::{Pattern, least_common_multiple};
use crate::scheduling::zone::Zone;

/// The most steps of one comparison; each is a day looked at or two occurrences compared. All of
/// them take some ten milliseconds.
pub const STEPS_MAX: u64 = 400_000;

/// What there must be room for, and by which rules.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub zone: &'a Zone,
    /// How many bookings may hold at once; `None` for any number.
    pub limit: Option<usize>,
    /// `None`: whether it is open does not matter.
    pub hours: Option<&'a OpeningHours>,
}

/// Why there is no room. `at` names the occurrence of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// It never takes place.
    Never,
    Closed {
        at: Option<DateTime>,
    },
    Taken {
        at: Option<DateTime>,
        by: EventId,
    },
    Full {
        at: Option<DateTime>,
    },
    /// Two of its own occurrences overlap.
    Itself {
        at: DateTime,
        with: DateTime,
    },
    /// To find out takes too many steps.
    TooMuch,
}

/// Whether there is room for one occurrence beside all that is booked.
pub fn require_room(
    agenda: &Agenda,
    wanted: &Wanted<'_>,
    occurrence: &Occurrence,
) -> Result<(), Clash> {
    Check { agenda, wanted, own: None, steps: 0 }.at(occurrence)
}

impl Agenda {
    /// Whether there is room for an event, which must not be booked yet.
    pub fn require_room_for(
        &self,
        wanted: &Wanted<'_>,
        id: EventId,
        entry: &Entry,
    ) -> Result<(), Clash> {
        let Some(series) = &entry.series else {
            let start = Minute::of(entry.start);
            let occurrence = entry.occurrence(wanted.zone, id, start).ok_or(Clash::Never)?;
            return require_room(self, wanted, &Occurrence { recurrence_id: None, ..occurrence });
        };
        let mut with_it = self.clone();
        with_it.insert(id, entry.clone());
        let mut check = Check { agenda: &with_it, wanted, own: Some(id), steps: 0 };
        check.series(&Candidate { id, entry, series })
    }
}

/// A series that is asked for.
struct Candidate<'a> {
    id: EventId,
    entry: &'a Entry,
    series: &'a Series,
}

/// A rule and how long each of its occurrences lasts on the clock on the wall.
#[derive(Clone, Copy)]
struct Line<'a> {
    id: EventId,
    pattern: &'a Pattern,
    length: i64,
    end: Minute,
}

impl<'a> Line<'a> {
    fn of(id: EventId, entry: &'a Entry, series: &'a Series) -> Option<Self> {
        let pattern = series.pattern(entry.start)?;
        Some(Self { id, pattern, length: entry.length.local_minutes(), end: series.end() })
    }

    /// How many of its own occurrences hold at once, at most.
    fn at_once_max(&self) -> usize {
        usize::try_from(1 + (self.length - 1) / self.pattern.apart_min().max(1)).unwrap_or(1)
    }
}

struct Check<'a> {
    /// What is booked, a series that is asked for included.
    agenda: &'a Agenda,
    wanted: &'a Wanted<'a>,
    own: Option<EventId>,
    steps: u64,
}

impl Check<'_> {
    fn step(&mut self, steps: u64) -> Result<(), Clash> {
        self.steps += steps;
        if self.steps > STEPS_MAX { Err(Clash::TooMuch) } else { Ok(()) }
    }

    /// Compares one occurrence with all that is near it, by instants.
    fn at(&mut self, occurrence: &Occurrence) -> Result<(), Clash> {
        let (zone, range) = (self.wanted.zone, occurrence.interval);
        let at = occurrence.recurrence_id;
        self.step(1)?;
        if self.wanted.hours.is_some_and(|hours| !hours.covers(zone, &range)) {
            return Err(Clash::Closed { at });
        }
        let Some(limit) = self.wanted.limit else { return Ok(()) };
        let name = |other: &Occurrence| (other.event, other.recurrence_id);
        let is_other =
            |other: &Occurrence| self.own != Some(other.event) || name(other) != name(occurrence);
        let mut others: Vec<Occurrence> =
            self.agenda.overlapping(zone, range).filter(is_other).collect();
        self.step((others.len() + 5 * self.agenda.series_count()) as u64)?;
        if others.len() < limit {
            return Ok(());
        }
        let intervals: Vec<Interval> = others.iter().map(|other| other.interval).collect();
        if most_at_once(&intervals, &range) < limit {
            return Ok(());
        }
        others.sort_unstable_by_key(|other| (self.own == Some(other.event), *other));
        let by = others.first().expect("a limit is at least one");
        Err(match (at, by.recurrence_id) {
            (Some(at), Some(with)) if self.own == Some(by.event) && limit == 1 => {
                Clash::Itself { at: at.max(with), with: at.min(with) }
            }
            _ if limit == 1 => Clash::Taken { at, by: by.event },
            _ => Clash::Full { at },
        })
    }

    /// The same at a start that the rule gives, if it takes place then.
    fn at_start(&mut self, wanted: &Candidate<'_>, start: Minute) -> Result<(), Clash> {
        if !wanted.series.is_regular(&start.local()) {
            return self.step(1);
        }
        match wanted.entry.occurrence(self.wanted.zone, wanted.id, start) {
            Some(occurrence) => self.at(&occurrence),
            None => Ok(()),
        }
    }

    fn series(&mut self, wanted: &Candidate<'_>) -> Result<(), Clash> {
        let Candidate { id, entry, series } = *wanted;
        let zone = self.wanted.zone;
        let mut takes_place = false;
        for date in series.dates(entry.start) {
            if let Some(occurrence) = entry.occurrence(zone, id, Minute::of(date)) {
                takes_place = true;
                self.at(&occurrence)?;
            }
        }
        let Some(line) = Line::of(id, entry, series) else {
            return if takes_place { Ok(()) } else { Err(Clash::Never) };
        };
        let mut regular = series.regular(entry.start, line.pattern.start(), line.end);
        let first = regular.find_map(|start| entry.occurrence(zone, id, start));
        match first {
            Some(first) => self.at(&first)?,
            None if takes_place => {}
            None => return Err(Clash::Never),
        }
        self.rules(wanted, &line)?;
        self.slots(wanted, &line)?;
        self.opening_hours(wanted, &line)?;
        self.gaps(wanted, &line)
    }

    /// Looks around every jump of the clocks.
    fn gaps(&mut self, wanted: &Candidate<'_>, line: &Line<'_>) -> Result<(), Clash> {
        let of_series = self.agenda.all_series().map(|(_, entry, _)| entry.length.minutes.into());
        let longest = of_series.chain([self.agenda.longest_slot()]).max().unwrap_or(0);
        for gap in local_time::gaps(self.wanted.zone, line.pattern.start(), line.end) {
            self.step(1)?;
            let from = gap.end.plus(-line.length - gap.minutes);
            let to = gap.end.plus(longest + gap.minutes).min(line.end);
            for start in line.pattern.walk(from, to) {
                self.at_start(wanted, start)?;
            }
        }
        Ok(())
    }

    /// Goes from what stands in the index to the next occurrence and back, as far as either goes.
    fn slots(&mut self, wanted: &Candidate<'_>, line: &Line<'_>) -> Result<(), Clash> {
        if self.wanted.limit.is_none() {
            return Ok(());
        }
        let longest = self.agenda.longest_slot();
        let mut from = line.pattern.start().plus(1 - longest);
        let mut upcoming = line.pattern.start();
        let mut checked = Minute(i64::MIN);
        let agenda = self.agenda;
        'seek: loop {
            for ((at, event, _), (length, _)) in
                agenda.slots.range((from, EventId(Uuid::nil()), None)..)
            {
                self.step(1)?;
                let (first, beyond) = (at.plus(1 - line.length), at.plus(length.local_minutes()));
                if upcoming < first {
                    let mut walk = line.pattern.walk(first, line.end);
                    let Some(next) = walk.next() else { return Ok(()) };
                    self.step(walk.steps())?;
                    upcoming = next;
                }
                if upcoming >= beyond {
                    let near = upcoming.plus(1 - longest);
                    if near > *at {
                        from = near;
                        continue 'seek;
                    }
                    continue;
                }
                if *event == wanted.id {
                    continue;
                }
                for start in line.pattern.walk(upcoming.max(checked.plus(1)), beyond.min(line.end))
                {
                    self.at_start(wanted, start)?;
                    checked = start;
                }
            }
            return Ok(());
        }
    }

    /// Compares the rule with the rules of all other series, and with itself.
    fn rules(&mut self, wanted: &Candidate<'_>, line: &Line<'_>) -> Result<(), Clash> {
        let Some(limit) = self.wanted.limit else { return Ok(()) };
        let places = line.pattern.places(line.length);
        let agenda = self.agenda;
        let mut met: Vec<Line<'_>> = vec![];
        let mut first = Minute::LAST;
        for (id, entry, series) in agenda.all_series() {
            let Some(other) = Line::of(id, entry, series) else { continue };
            self.step(1)?;
            let touch = if id == wanted.id {
                self.first_overlap_of_its_own(line)?
            } else if places.meet(&other.pattern.places(other.length)) {
                self.first_touch(line, &other)?
            } else {
                None
            };
            if let Some(touch) = touch {
                first = first.min(touch);
                met.push(other);
            }
        }
        let at_once_max: usize = met.iter().map(Line::at_once_max).sum();
        if at_once_max < limit { Ok(()) } else { self.together(wanted, line, &met, first, limit) }
    }

    /// The first occurrence that touches one of another rule.
    fn first_touch(&mut self, line: &Line<'_>, other: &Line<'_>) -> Result<Option<Minute>, Clash> {
        let end = line.end.min(other.end.plus(other.length)).min(one_round(line, &[*other]));
        let mut from = other.pattern.start().plus(1 - line.length);
        loop {
            let mut starts = line.pattern.walk(from, end);
            let Some(start) = starts.next() else { return Ok(None) };
            let mut others = other.pattern.walk(start.plus(1 - other.length), other.end);
            let near = others.next();
            self.step(2 + starts.steps() + others.steps())?;
            let Some(near) = near else { return Ok(None) };
            if near < start.plus(line.length) {
                return Ok(Some(start));
            }
            from = near.plus(1 - line.length);
        }
    }

    /// The first occurrence into which the next one of the same rule falls.
    fn first_overlap_of_its_own(&mut self, line: &Line<'_>) -> Result<Option<Minute>, Clash> {
        if line.length <= line.pattern.apart_min() {
            return Ok(None);
        }
        let mut before: Option<Minute> = None;
        for start in line.pattern.walk(line.pattern.start(), line.end.min(one_round(line, &[]))) {
            self.step(1)?;
            if let Some(before) = before.filter(|before| before.plus(line.length) > start) {
                return Ok(Some(before));
            }
            before = Some(start);
        }
        Ok(None)
    }

    /// Goes through the occurrences from the first one that touches anything, until all rules that
    /// are met repeat themselves. Where only exceptions make room, it goes on behind that.
    fn together(
        &mut self,
        wanted: &Candidate<'_>,
        line: &Line<'_>,
        met: &[Line<'_>],
        first: Minute,
        limit: usize,
    ) -> Result<(), Clash> {
        let round = one_round(line, met);
        let mut has_exceptions = false;
        for start in line.pattern.walk(first, line.end) {
            if start >= round && !has_exceptions {
                break;
            }
            let mut count = 0;
            for other in met {
                let to = start.plus(line.length).min(other.end);
                let mut walk = other.pattern.walk(start.plus(1 - other.length), to);
                let is_other = |near: &Minute| other.id != wanted.id || *near != start;
                count += walk.by_ref().filter(is_other).count();
                self.step(1 + walk.steps())?;
            }
            if count >= limit {
                has_exceptions = true;
                self.at_start(wanted, start)?;
            }
        }
        Ok(())
    }

    /// Looks whether the hours of the week hold all occurrences of a week, or of as many weeks as the
    /// rule takes to repeat itself; and each occurrence near a date with hours of its own.
    fn opening_hours(&mut self, wanted: &Candidate<'_>, line: &Line<'_>) -> Result<(), Clash> {
        let Some(hours) = self.wanted.hours else { return Ok(()) };
        let week = 7 * MINUTES_OF_DAY;
        let repeats = line.pattern.repeats_after();
        let round = repeats.map_or(line.end, |repeats| {
            line.pattern.start().plus(least_common_multiple(repeats, week))
        });
        let mut has_exceptions = false;
        for start in line.pattern.walk(line.pattern.start(), line.end) {
            if start >= round && !has_exceptions {
                break;
            }
            self.step(1)?;
            if !hours.cover_in_the_week(start, line.length) {
                has_exceptions = true;
                self.at_start(wanted, start)?;
            }
        }
        for date in hours.exceptions.keys() {
            let midnight = Minute::of(date.at(0, 0, 0, 0));
            let from = midnight.plus(1 - line.length);
            let mut walk = line.pattern.walk(from, midnight.plus(MINUTES_OF_DAY).min(line.end));
            for start in walk.by_ref() {
                self.at_start(wanted, start)?;
            }
            self.step(1 + walk.steps())?;
        }
        Ok(())
    }
}

/// Behind all that can be different the first time that the rules come by: they have begun, and each
/// has come round. The end of the calendar where one of them never repeats itself.
fn one_round(line: &Line<'_>, others: &[Line<'_>]) -> Minute {
    let mut begun = line.pattern.start();
    let mut longest = line.length;
    let mut period = line.pattern.repeats_after();
    for other in others {
        begun = begun.max(other.pattern.start());
        longest = longest.max(other.length);
        period = period.zip(other.pattern.repeats_after()).and_then(|(one, another)| {
            let common = least_common_multiple(one, another);
            (common <= Minute::LAST.0).then_some(common)
        });
    }
    period.map_or(Minute::LAST.plus(1), |period| begun.plus(period + 2 * longest))
}
