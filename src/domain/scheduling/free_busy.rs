//! Stretches of time, and what is left when they are laid together. Knows no titles: whoever sees
//! free and busy sees nothing else.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// From `start` up to, and not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Interval {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Interval {
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    pub fn contains(&self, other: &Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    fn clipped_to(&self, range: &Self) -> Option<Self> {
        let clipped = Self { start: self.start.max(range.start), end: self.end.min(range.end) };
        (clipped.start < clipped.end).then_some(clipped)
    }
}

/// The intervals within the range, in order, laid together where they touch or overlap.
pub fn merge(intervals: impl IntoIterator<Item = Interval>, range: &Interval) -> Vec<Interval> {
    let mut sorted: Vec<Interval> =
        intervals.into_iter().filter_map(|interval| interval.clipped_to(range)).collect();
    sorted.sort_unstable();
    let mut merged: Vec<Interval> = Vec::with_capacity(sorted.len());
    for interval in sorted {
        match merged.last_mut() {
            Some(last) if interval.start <= last.end => last.end = last.end.max(interval.end),
            _ => merged.push(interval),
        }
    }
    merged
}

/// How many of the intervals hold at once, at most, within the range.
pub fn most_at_once(intervals: &[Interval], range: &Interval) -> usize {
    let mut turns: Vec<(Timestamp, bool)> = intervals
        .iter()
        .filter_map(|interval| interval.clipped_to(range))
        .flat_map(|interval| [(interval.start, true), (interval.end, false)])
        .collect();
    // At the same instant ends sort before starts: what ends there makes room.
    turns.sort_unstable();
    let (mut now, mut most) = (0_usize, 0);
    for (_, starts) in turns {
        now = if starts { now + 1 } else { now.saturating_sub(1) };
        most = most.max(now);
    }
    most
}

/// How many intervals hold at once, at each time: what is asked of many ranges one after the other.
#[derive(Debug)]
pub struct AtOnce {
    /// From each of these times on so many hold, until the next.
    turns: Vec<(Timestamp, u32)>,
}

impl AtOnce {
    pub fn of(intervals: &[Interval]) -> Self {
        let ends = |interval: &Interval| [(interval.start, true), (interval.end, false)];
        let mut turns: Vec<(Timestamp, bool)> = intervals.iter().flat_map(ends).collect();
        turns.sort_unstable();
        let mut now = 0_u32;
        let counted = turns.into_iter().map(|(at, starts)| {
            now = if starts { now + 1 } else { now.saturating_sub(1) };
            (at, now)
        });
        let mut turns: Vec<(Timestamp, u32)> = Vec::new();
        for (at, now) in counted {
            match turns.last_mut() {
                Some(last) if last.0 == at => last.1 = now,
                _ => turns.push((at, now)),
            }
        }
        Self { turns }
    }

    /// At most, within the range.
    pub fn most_within(&self, range: &Interval) -> u32 {
        let first = self.turns.partition_point(|(at, _)| *at <= range.start).saturating_sub(1);
        let within = self.turns[first..].iter().take_while(|(at, _)| *at < range.end);
        within.map(|(_, now)| *now).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn interval(start: i64, end: i64) -> Interval {
        let at = |minute| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        Interval { start: at(start), end: at(end) }
    }

    #[test]
    fn what_touches_is_laid_together_and_clipped() {
        let merged = merge(
            [interval(50, 70), interval(-5, 5), interval(10, 20), interval(20, 30)],
            &interval(0, 60),
        );
        assert_eq!(merged, [interval(0, 5), interval(10, 30), interval(50, 60)]);
        assert_eq!(merge([interval(70, 80)], &interval(0, 60)), []);
    }

    #[test]
    fn the_most_at_once_counts_what_ends_as_gone() {
        let three = [interval(0, 10), interval(10, 20), interval(5, 15)];
        assert_eq!(most_at_once(&three, &interval(0, 60)), 2);
        assert_eq!(most_at_once(&three, &interval(15, 60)), 1);
        assert_eq!(most_at_once(&[], &interval(0, 60)), 0);
    }

    proptest::proptest! {
        #[test]
        fn both_ways_of_counting_agree(
            spans in proptest::collection::vec((0_i64..60, 1_i64..20), 0..12),
            (start, length) in (0_i64..60, 1_i64..30),
        ) {
            let all: Vec<_> =
                spans.into_iter().map(|(start, length)| interval(start, start + length)).collect();
            // What began before everything holds no more than nothing does.
            let range = interval(start, start + length);
            let counted = AtOnce::of(&all).most_within(&range);
            proptest::prop_assert_eq!(counted as usize, most_at_once(&all, &range));
        }
    }
}
