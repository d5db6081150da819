//! The one hook on which the simulator, and the cluster of real processes, hang a planted bug. Code asks
//! [`Planted::is`] at the place where the shortcut would be taken. Without the feature `shortcuts`
//! nothing is ever planted and the question is answered while compiling.

#[cfg(feature = "shortcuts")]
use std::sync::OnceLock;

/// Ways of doing it wrong that must be caught: by the simulator, see `docs/semantics.md`, and some of
/// them by faults of real processes, see `docs/faults.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortcut {
    NoTakeoverRecord,
    BelieveAbsent,
    HeadAgainAfterDuplicate,
    ReloadPastBarrier,
    ReplyBeforeCommit,
    RefusalEarly,
    KeepTentative,
    ReadAfterLease,
    ForgetKeys,
    CompareEpochsOnly,
    UnusedUnlessPending,
    TrustName,
    TakeAtFirstSight,
    TakeWithoutComparing,
    CountFromSending,
    ReadsFromAnswer,
    SilenceExtends,
    NoMargin,
    BelieveAnyFormerLife,
    ForgetAcknowledged,
    ReadAfterHandOver,
    WallClock,
    /// Whoever had a shard goes on with it, whatever its row and its log say.
    NoEpochCheck,
    /// What is heard in Redis of the end of a log is taken for its end.
    BelieveTheBell,
}

/// What the whole process takes; each seed of the simulator has its own.
#[cfg(feature = "shortcuts")]
static OF_THIS_PROCESS: OnceLock<Shortcut> = OnceLock::new();

/// The shortcut that is taken: none, unless the simulator or a planted process says so.
#[derive(Clone, Copy, Debug)]
pub struct Planted(#[cfg(feature = "shortcuts")] Option<Shortcut>);

impl Default for Planted {
    fn default() -> Self {
        Self(
            #[cfg(feature = "shortcuts")]
            OF_THIS_PROCESS.get().copied(),
        )
    }
}

impl Planted {
    /// For the simulator alone.
    #[cfg(feature = "shortcuts")]
    pub fn new(shortcut: Option<Shortcut>) -> Self {
        Self(shortcut)
    }

    #[cfg(feature = "shortcuts")]
    pub fn is(self, shortcut: Shortcut) -> bool {
        self.0 == Some(shortcut)
    }

    /// Never.
    #[cfg(not(feature = "shortcuts"))]
    #[inline]
    pub const fn is(self, _: Shortcut) -> bool {
        false
    }
}

/// Plants in this whole process what a variable of the environment names, before anything is made.
///
/// # Panics
///
/// Where it names none that a process can take.
#[cfg(feature = "shortcuts")]
pub fn plant_from(variable: &str) {
    const OF_PROCESSES: [Shortcut; 5] = [
        Shortcut::NoEpochCheck,
        Shortcut::ReplyBeforeCommit,
        Shortcut::WallClock,
        Shortcut::ReadAfterHandOver,
        Shortcut::BelieveTheBell,
    ];
    let Ok(name) = std::env::var(variable) else { return };
    let named = OF_PROCESSES.iter().find(|shortcut| format!("{shortcut:?}") == name);
    let shortcut = named.unwrap_or_else(|| panic!("{variable}: of {OF_PROCESSES:?}, not {name}"));
    OF_THIS_PROCESS.get_or_init(|| *shortcut);
}
