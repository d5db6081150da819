//! What a run finds out about itself at the end, and the arithmetic that several scenarios share.

use serde::Serialize;

/// One thing that must be so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    /// The numbers it rests on.
    pub detail: String,
}

impl Check {
    pub fn new(name: &str, ok: bool, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), ok, detail: detail.into() }
    }

    /// That `found` is what was acknowledged; what is unknown may or may not have happened.
    pub fn counted(name: &str, found: i128, acknowledged: u64, unknown: u64) -> Self {
        let least = i128::from(acknowledged);
        let most = least + i128::from(unknown);
        let range = if unknown == 0 {
            format!("{acknowledged} were acknowledged")
        } else {
            format!("{acknowledged} were acknowledged, {unknown} more are unknown")
        };
        Self::new(name, (least..=most).contains(&found), format!("{found} happened, {range}"))
    }
}

/// Versions that were given to acknowledged commands of one aggregate; each is given once.
pub fn distinct_versions(mut versions: Vec<u64>) -> Check {
    let name = "each success has a version of its own";
    let count = versions.len();
    versions.sort_unstable();
    let twice = versions.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    match twice {
        Some(version) => {
            Check::new(name, false, format!("version {version} was given to two of {count}"))
        }
        None => Check::new(name, true, format!("{count} different versions")),
    }
}

/// Every `n`th of so many that at most `most` are left.
pub fn sample<T: Clone>(all: &[T], most: usize) -> Vec<T> {
    let every = all.len().div_ceil(most.max(1)).max(1);
    all.iter().step_by(every).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_in_the_counts_are_found() {
        for (found, acknowledged, unknown, ok) in [
            (10, 10, 0, true),
            (11, 10, 0, false),
            (9, 10, 0, false),
            (11, 10, 1, true),
            (12, 10, 1, false),
            (9, 10, 1, false),
            (-1, 0, 5, false),
        ] {
            let check = Check::counted("units", found, acknowledged, unknown);
            assert_eq!(check.ok, ok, "{check:?}");
        }
        assert!(distinct_versions(vec![3, 1, 2]).ok);
        assert!(!distinct_versions(vec![3, 1, 3]).ok);
    }

    #[test]
    fn a_sample_is_spread_and_bounded() {
        let all: Vec<u32> = (0..1_001).collect();
        let some = sample(&all, 100);
        assert!(some.len() <= 100 && some.len() > 80 && some[1] - some[0] > 5, "{some:?}");
        assert_eq!(sample(&all[..5], 100), [0, 1, 2, 3, 4]);
    }
}
