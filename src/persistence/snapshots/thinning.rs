//! Which of the snapshots of one aggregate stay when another is stored. Pure.
//!
//! Any past state is to be some thousand events away from a snapshot, however long the log is, and
//! all snapshots together must stay a fraction of it. So older ones stand a given number of events
//! apart, or more where the state is large: [`BYTES_PER_EVENT`].

/// An older snapshot stays only where it spares one event for each so many bytes of its JSON. Packed
/// it has less than half of them, and an event with its metadata some 300: the row of snapshots
/// costs at most a third of the log that it shortens.
pub const BYTES_PER_EVENT: u64 = 256;

/// Of how many snapshots, newest first, it is looked at anew which stay. The others were thinned
/// out before.
pub const WINDOW: usize = 16;

/// How a row of snapshots is thinned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thinning {
    /// These always stay, so that there is another where the newest is damaged. At least 1.
    pub newest: usize,
    /// How many events older ones stand apart; nothing: none of them stays.
    pub apart: Option<u64>,
}

/// A snapshot in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub version: u64,
    /// Of its JSON.
    pub bytes: u64,
}

impl Thinning {
    /// The versions that go, of a row that stands newest first, cut off at [`WINDOW`].
    pub fn surplus(self, row: &[Standing]) -> Vec<u64> {
        let newest = self.newest.max(1);
        let Some(apart) = self.apart else {
            return row.iter().skip(newest).map(|one| one.version).collect();
        };
        // Behind a whole window there are further ones: its last stays, and the others are measured
        // from it. Behind a shorter row there is the beginning of the log.
        let whole = row.len() >= WINDOW;
        let mut anchor = if whole { row[row.len() - 1].version } else { 0 };
        let candidates = newest..row.len() - usize::from(whole);
        let mut surplus = Vec::new();
        for place in candidates.rev() {
            let one = row[place];
            let gap = row[place - 1].version - anchor;
            if gap <= apart.max(one.bytes / BYTES_PER_EVENT) {
                surplus.push(one.version);
            } else {
                anchor = one.version;
            }
        }
        surplus
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands, oldest first, after a snapshot at each of these versions.
    fn row(thinning: Thinning, versions: impl Iterator<Item = u64>, bytes: u64) -> Vec<u64> {
        let mut row: Vec<Standing> = Vec::new();
        for version in versions {
            row.insert(0, Standing { version, bytes });
            let surplus = thinning.surplus(&row[..row.len().min(WINDOW)]);
            row.retain(|one| !surplus.contains(&one.version));
        }
        row.iter().rev().map(|one| one.version).collect()
    }

    #[test]
    fn older_ones_stand_as_far_apart_as_is_said_and_the_newest_stay() {
        let thinning = Thinning { newest: 2, apart: Some(4_000) };
        let kept = row(thinning, (1..=20).map(|number| number * 1_000), 0);
        assert_eq!(kept, [4_000, 8_000, 12_000, 16_000, 19_000, 20_000]);
    }

    #[test]
    fn no_past_is_further_from_a_snapshot_than_that_however_long_the_log() {
        let thinning = Thinning { newest: 2, apart: Some(2_000) };
        // Irregular steps, as snapshots come when they can.
        let mut version = 0;
        let steps = (0..2_000u64).map(|number| {
            version += 100 + (number * 7_919) % 1_500;
            version
        });
        let kept = row(thinning, steps, 100);
        let furthest = kept.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(furthest <= Some(2_000 + 1_600), "{furthest:?}");
        let end = *kept.last().expect("the newest stays");
        assert!(kept.len() as u64 <= end / 1_000 + 2, "{} for {end} events", kept.len());
    }

    /// The last of a whole window is not the beginning of the log: nothing stays for its distance
    /// from that.
    #[test]
    fn behind_a_whole_window_there_are_further_ones() {
        let thinning = Thinning { newest: 2, apart: Some(1_000) };
        let row: Vec<Standing> = (0..WINDOW as u64)
            .map(|place| Standing { version: 90_000 - place, bytes: 0 })
            .collect();
        let between: Vec<u64> = row[2..WINDOW - 1].iter().rev().map(|one| one.version).collect();
        assert_eq!(thinning.surplus(&row), between);
        let beginning = &row[..WINDOW - 1];
        assert!(!thinning.surplus(beginning).contains(&row[WINDOW - 2].version));
    }

    #[test]
    fn large_states_stand_further_apart() {
        let thinning = Thinning { newest: 2, apart: Some(2_000) };
        let kept = row(thinning, (1..=100).map(|number| number * 1_000), 10_000 * BYTES_PER_EVENT);
        assert_eq!(kept.len(), 10 + 1, "{kept:?}");
    }

    #[test]
    fn where_none_is_asked_for_the_newest_stay_alone() {
        let thinning = Thinning { newest: 2, apart: None };
        assert_eq!(row(thinning, 1..=9, 0), [8, 9]);
        assert_eq!(row(Thinning { newest: 0, apart: None }, 1..=9, 0), [9]);
    }
}
