//! How a process on this machine grows: its memory and its open files, as `/proc` tells them
//! (Linux). Looks at a process and never touches it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::LoadError;
use super::checks::Check;

const LOOKED_EVERY: Duration = Duration::from_millis(500);
/// How much more memory the second half of a run may end with than it began with: this share of
/// it, in percent, and this much besides, in KiB.
const MEMORY_PERCENT_MAX: u64 = 10;
const MEMORY_KIB_MAX: u64 = 32 * 1_024;
/// The same of open files.
const FILES_PERCENT_MAX: u64 = 10;
const FILES_MAX: u64 = 64;
/// Looks of each half that are taken together, so that one does not decide.
const TAKEN_TOGETHER: usize = 5;

/// Memory in KiB (resident) and open files, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    memory_kib: u64,
    files: u64,
}

/// Looks at a process again and again until it is dropped.
pub struct Growth {
    looks: Arc<Mutex<Vec<Look>>>,
    task: JoinHandle<()>,
}

impl Growth {
    pub fn of(pid: u32) -> Result<Self, LoadError> {
        let first = look(pid).map_err(|error| {
            LoadError::Usage(format!("--pid {pid}: {error}; it must run here, as the same user"))
        })?;
        let looks = Arc::new(Mutex::new(vec![first]));
        let kept = Arc::clone(&looks);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LOOKED_EVERY);
            loop {
                ticks.tick().await;
                // One that is gone shows in the last look of all.
                let Ok(look) = look(pid) else { return };
                kept.lock().push(look);
            }
        });
        Ok(Self { looks, task })
    }

    pub fn checks(&self) -> Vec<Check> {
        judge(&self.looks.lock())
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn look(pid: u32) -> std::io::Result<Look> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let memory_kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| std::io::Error::other("its memory is not told"))?;
    let files = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
    Ok(Look { memory_kib, files })
}

/// Compares the middle of a run with its end.
fn judge(looks: &[Look]) -> Vec<Check> {
    let middle = &looks[looks.len() / 2..];
    let end = &looks[looks.len().saturating_sub(TAKEN_TOGETHER)..];
    let middle = &middle[..middle.len().min(TAKEN_TOGETHER)];
    let bounded = |name: &str, unit: &str, value: fn(&Look) -> u64, percent: u64, more: u64| {
        let (from, to) = (median(middle, value), median(end, value));
        let ok = to <= from + from * percent / 100 + more;
        Check::new(name, ok, format!("{from} {unit} in the middle, {to} at the end"))
    };
    vec![
        bounded(
            "the memory of the server does not grow in the second half",
            "KiB",
            |look| look.memory_kib,
            MEMORY_PERCENT_MAX,
            MEMORY_KIB_MAX,
        ),
        bounded(
            "the open files of the server do not grow in the second half",
            "files",
            |look| look.files,
            FILES_PERCENT_MAX,
            FILES_MAX,
        ),
    ]
}

fn median(looks: &[Look], value: fn(&Look) -> u64) -> u64 {
    let mut values: Vec<u64> = looks.iter().map(value).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_in_the_second_half_is_found() {
        let looks = |grown_kib: u64, grown_files: u64| -> Vec<Look> {
            (0..40)
                .map(|at: u64| {
                    let late = at.saturating_sub(20);
                    Look {
                        memory_kib: 100_000 + 10_000 * at.min(10) + late * grown_kib / 20,
                        files: 30 + late * grown_files / 20,
                    }
                })
                .collect()
        };
        let ok = |looks: &[Look]| judge(looks).iter().map(|check| check.ok).collect::<Vec<_>>();
        assert_eq!(ok(&looks(20_000, 10)), [true, true]);
        assert_eq!(ok(&looks(80_000, 10)), [false, true]);
        assert_eq!(ok(&looks(20_000, 100)), [true, false]);
        assert_eq!(ok(&looks(0, 0)[..1]), [true, true]);
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let look = look(std::process::id()).expect("it runs");
        assert!(look.memory_kib > 0 && look.files > 2, "{look:?}");
    }
}
