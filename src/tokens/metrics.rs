//! What is told of tokens.

telemetry::metrics! { "tokens":
    /// Tokens that were looked at: `remembered`, `verified`; not let in for what they are: the reason, as
    /// docs/security.md lists them; `unavailable` (their issuer cannot be asked).
    counter CHECKED = "checked" by "outcome";
    /// How often an issuer was asked for its keys: `read`, `failed`.
    counter FETCHED = "keys_fetched" by "outcome";
}
