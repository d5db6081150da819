//! Which database has which shard, as operators say it. Fixed when the installation is made: a shard that two
//! databases had would have two logs.

use std::fmt;

use crate::journal::ShardId;

/// See the module. What no other database has, the first one has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Homes(Vec<Run>);

/// Shards `first..=last`, and the number of their database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: ShardId,
    last: ShardId,
    database: usize,
}

/// What is wrong with what is said of a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HomesError {
    #[error("{0:?} is no list of shards, such as \"128-255\" or \"8, 16-31\"")]
    NoShards(String),
    #[error("shard {0} is given to two databases")]
    Twice(ShardId),
}

impl Homes {
    /// Of what is said of each database beside the first, in order.
    pub fn read<'a>(others: impl IntoIterator<Item = &'a str>) -> Result<Self, HomesError> {
        let mut runs: Vec<Run> = Vec::new();
        for (database, text) in (1..).zip(others) {
            for part in text.split(',') {
                let run = run(part.trim(), database);
                runs.push(run.ok_or_else(|| HomesError::NoShards(text.to_owned()))?);
            }
        }
        runs.sort_by_key(|run| run.first);
        match runs.windows(2).find(|pair| pair[1].first <= pair[0].last) {
            Some(pair) => Err(HomesError::Twice(pair[1].first)),
            None => Ok(Self(runs)),
        }
    }

    /// The number of the database that has a shard.
    pub fn of(&self, shard: ShardId) -> usize {
        let run = self.0.iter().find(|run| (run.first..=run.last).contains(&shard));
        run.map_or(0, |run| run.database)
    }

    /// The highest shard that is named.
    pub fn highest(&self) -> Option<ShardId> {
        self.0.last().map(|run| run.last)
    }
}

fn run(text: &str, database: usize) -> Option<Run> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some(Run { first, last, database })
}

/// The one text of it, however it was said: `1:128-255,2:8-8`.
impl fmt::Display for Homes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Run { first, last, database }) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(formatter, "{comma}{database}:{first}-{last}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_has_one_database_and_what_nobody_names_the_first() {
        let homes = Homes::read(["128-255", "8, 16 - 31"]).expect("a map");
        let of = [0, 7, 8, 9, 16, 31, 32, 127, 128, 255, 256].map(|shard| homes.of(shard));
        assert_eq!(of, [0, 0, 2, 0, 2, 2, 0, 0, 1, 1, 0]);
        assert_eq!(homes.to_string(), "2:8-8,2:16-31,1:128-255");
        assert_eq!(homes.highest(), Some(255));
        assert_eq!(Homes::read([]).expect("a map").to_string(), "");
    }

    #[test]
    fn what_makes_no_map_is_refused() {
        for wrong in ["", "x", "9-8", "-", "1-", "70000", "1,,2"] {
            assert_eq!(Homes::read([wrong]), Err(HomesError::NoShards(wrong.to_owned())));
        }
        assert_eq!(Homes::read(["1-4", "4"]), Err(HomesError::Twice(4)));
        assert_eq!(Homes::read(["1-4, 2"]), Err(HomesError::Twice(2)));
    }
}
