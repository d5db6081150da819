//! Pages of lists: what stands at each place, with its cursor. Rows say which aggregates those are and in
//! which order; the aggregates themselves say what is in them, so that a list shows nothing older than
//! they are.

use actors::aggregate_ref::Fault;
use domain::id::AggregateId;
use domain::scheduling::agenda::EventId;
use domain::scheduling::calendar;
use domain::scheduling::local_time::Minute;
use projections::position::Position;

use async_graphql::connection::PageInfo;
use async_graphql::{Context, Result};
use jiff::Timestamp;

use super::context::{application, engine};
use super::errors::fault;
use super::positions::PositionToken;
use application::views::Views;

pub fn views<'a>(context: &Context<'a>) -> &'a Views {
    &application(context).views
}

/// What names the place of a row in its list: text that comes back as it went out.
pub trait Cursor: Sized {
    fn write(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

/// What no log has, no list will have: there is nothing to wait for.
pub fn lacks(context: &Context<'_>, at_least: Option<&Position>) -> Result<()> {
    match at_least.and_then(|wanted| engine(context).lacks(wanted)) {
        Some(behind) => Err(fault(&Fault::Stale { behind })),
        None => Ok(()),
    }
}

/// One page of a list, in order: what stands at each place (the id of an aggregate, a row, a node), with
/// its cursor.
pub struct Page<N = AggregateId> {
    pub edges: Vec<(String, N)>,
    pub has_next_page: bool,
    pub has_previous_page: bool,
    pub position: Position,
    /// How many rows all pages have, where they were counted.
    pub total: Option<u32>,
}

impl<N> Page<N> {
    pub fn empty(position: Position) -> Self {
        let (has_next_page, has_previous_page) = (false, false);
        Self { edges: Vec::new(), has_next_page, has_previous_page, position, total: Some(0) }
    }

    /// The same page of what each is made into; what nothing is made of is left out.
    pub fn filter_map<M>(self, make: impl Fn(N) -> Option<M>) -> Page<M> {
        let Self { edges, has_next_page, has_previous_page, position, total } = self;
        let made = |(cursor, of): (String, N)| Some((cursor, make(of)?));
        let edges = edges.into_iter().filter_map(made).collect();
        Page { edges, has_next_page, has_previous_page, position, total }
    }

    pub fn info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.has_previous_page,
            has_next_page: self.has_next_page,
            start_cursor: self.edges.first().map(|(cursor, _)| cursor.clone()),
            end_cursor: self.edges.last().map(|(cursor, _)| cursor.clone()),
        }
    }

    pub fn position(&self) -> PositionToken {
        PositionToken(self.position.clone())
    }
}

/// The connection (Relay) over the aggregates of one kind.
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ident = $kind:ty) => {
        pub struct $connection(pub $crate::lists::Page);

        /// One page of a list.
        #[async_graphql::Object]
        impl $connection {
            async fn edges(&self) -> Vec<$edge<'_>> {
                self.0.edges.iter().map(|(cursor, id)| $edge { cursor, id: *id }).collect()
            }

            /// How many there are on all pages; null where that is more than 1,000, or where nobody
            /// counts.
            #[graphql(complexity = 10)]
            async fn total_count(&self) -> Option<u32> {
                self.0.total
            }

            async fn page_info(&self) -> async_graphql::connection::PageInfo {
                self.0.info()
            }

            /// How far in the logs the list was read.
            async fn position(&self) -> $crate::positions::PositionToken {
                self.0.position()
            }
        }

        pub struct $edge<'a> {
            cursor: &'a str,
            id: domain::id::AggregateId,
        }

        /// One row of a list.
        #[async_graphql::Object]
        impl $edge<'_> {
            async fn cursor(&self) -> &str {
                self.cursor
            }

            /// The aggregate as it is now; null, with an error, if it cannot be read.
            async fn node(
                &self,
                context: &async_graphql::Context<'_>,
            ) -> async_graphql::Result<Option<$node>> {
                let loaded = $crate::context::load::<$kind>(context, self.id, None);
                Ok(loaded.await?.map($node))
            }
        }
    };
}
pub(crate) use connection;

/// By a number that goes up.
impl Cursor for u64 {
    fn write(&self) -> String {
        format!("{self:x}")
    }

    fn read(text: &str) -> Option<Self> {
        Self::from_str_radix(text, 16).ok().filter(|number| number.write() == text)
    }
}

/// The last minute of any calendar, counted from 1970.
const LAST_MINUTE: u64 = Minute::LAST.0.unsigned_abs();

/// By time: from when to when, which event, and which of its occurrences.
impl Cursor for calendar::Place {
    fn write(&self) -> String {
        let (start, end, event, occurrence) = self;
        let minute = occurrence.map(|local| format!(".{:x}", Minute::of(local).0));
        let (start, end) = (start.as_second(), end.as_second());
        format!("{}{start:x}.{end:x}{}", event.0.simple(), minute.unwrap_or_default())
    }

    fn read(text: &str) -> Option<Self> {
        let (event, rest) = text.split_at_checked(32)?;
        let event = EventId(uuid::Uuid::try_parse(event).ok()?);
        // What is before 1970 is written as its two's complement.
        let number = |text| u64::from_str_radix(text, 16).ok().map(u64::cast_signed);
        let mut numbers = rest.split('.').map(number);
        let mut instant = || Timestamp::from_second(numbers.next()??).ok();
        let (start, end) = (instant()?, instant()?);
        let occurrence = match numbers.next() {
            None => None,
            // What lies beyond all calendars was not given out here, and has no date.
            Some(minute) => {
                let minute = minute.filter(|minute| minute.unsigned_abs() <= LAST_MINUTE)?;
                Some(Minute(minute).local())
            }
        };
        numbers.next().is_none().then_some((start, end, event, occurrence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_went_out() {
        let event = EventId(uuid::Uuid::from_u128(8));
        let instant = |text: &str| text.parse::<Timestamp>().expect("an instant");
        for occurrence in [None, Some("2026-03-30T09:00".parse().expect("a local time"))] {
            let (start, end) = (instant("1969-12-31T23:00Z"), instant("2026-03-30T08:00Z"));
            let place: calendar::Place = (start, end, event, occurrence);
            assert_eq!(Cursor::read(&place.write()), Some(place));
        }
        for bad in
            ["", "7fffffffffffffff.0", "0.0.0.0", "0", "0.x", "0.0.7fffffffffffffff", "0.0.1.1"]
        {
            let text = format!("{}{bad}", event.0.simple());
            assert_eq!(<calendar::Place>::read(&text), None, "{bad}");
        }
        assert_eq!(Cursor::read(&7_u64.write()), Some(7_u64));
        for bad in ["", "x", "+7", "07", "10000000000000000"] {
            assert_eq!(<u64 as Cursor>::read(bad), None, "{bad}");
        }
    }
}
