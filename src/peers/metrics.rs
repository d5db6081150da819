//! What is told of the talk between nodes.

telemetry::metrics! { "peers":
    /// Calls that this node sent to others, by what they want (`command`, `question`, `questions`: many in one,
    /// `rehearsal`: what a command would do, `tail`): `answered`, `not_here` (the shard is elsewhere by now),
    /// `busy`, `not_sent` (no link to it), `lost` (the link broke before the answer came).
    counter CALLS_SENT = "calls_sent" by "wish", "outcome";
    /// Calls of other nodes that were answered here, by the same: `answered`, `not_here`, `busy`, `unreadable`.
    counter CALLS_ANSWERED = "calls_answered" by "wish", "outcome";
    /// How long a call took from here and back, in seconds.
    histogram CALL_TIME = "call_seconds" with telemetry::metrics::SECONDS;
    /// What was refused of others: `handshake` (no certificate of this installation's authority, or none
    /// at all), `identity` (it is not whom it says it is, or nobody of this system), `version` (of the
    /// protocol), `frame` (too large, or not to be read).
    counter REFUSED = "refused" by "because";
    /// Links to other nodes that are up.
    counter LINKS_MADE = "links_made";
    /// Messages on the bell in Redis that this node said: `said`, `failed` (and the connection is made anew).
    counter BELL_SAID = "bell_said" by "outcome";
    /// Messages on the bell in Redis: `heard`, `own`; not listened to: `length`, `malformed`, `version`,
    /// `installation` (of another).
    counter BELL_HEARD = "bell_heard" by "outcome";
    /// What principals and addresses asked for, as other nodes are told of it through Redis, ten times a second each at
    /// most: `told`, `failed` (and each node goes by its own count).
    counter RATES_TOLD = "rates_told" by "outcome";
    /// 1 while this node hears the bell in Redis.
    gauge BELL_CONNECTED = "bell_connected";
}
