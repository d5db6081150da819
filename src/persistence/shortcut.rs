//! The one hook on which the simulator hangs a planted bug. A core asks [`Planted::is`] at the
//! place where the shortcut would be taken. Without the feature `shortcuts` nothing is ever planted
//! and the question is answered while compiling.

/// Ways of doing it wrong that the simulator must catch; see `docs/semantics.md`.
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
}

/// The shortcut that a core takes: none, unless the simulator says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planted(#[cfg(feature = "shortcuts")] Option<Shortcut>);

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
