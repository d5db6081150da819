//! How checkouts are let in and driven; configured under `[checkout]` by the same names.

/// See the module.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckoutOptions {
    /// Checkouts that are under way at one time; the others wait their turn.
    pub drivers_max: usize,
    /// Orders that may await the end of their checkout at one time, however long that takes; beyond
    /// it none is placed.
    pub open_max: usize,
    /// Those of them that wait for no time and no operator: beyond it none is placed, and from half
    /// of it on fewer are begun. More than are carried through in a second or two only makes
    /// everybody wait.
    pub queue_max: usize,
    /// How long the payment provider may take for an answer before there is none.
    pub payment_timeout_ms: u64,
}

impl Default for CheckoutOptions {
    fn default() -> Self {
        Self { drivers_max: 256, open_max: 10_000, queue_max: 1_024, payment_timeout_ms: 10_000 }
    }
}
