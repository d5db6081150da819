//! What may be asked of a message.

use super::InboxMessage;
use domain::question::{Bounded, Whole};

domain::questions!(InboxMessage { Whole });

impl Bounded for InboxMessage {}
