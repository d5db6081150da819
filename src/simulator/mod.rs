//! A seeded simulation of several owners over a database that loses answers. Test only.

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
}
