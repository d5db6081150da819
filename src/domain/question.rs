//! What a reader asks of an aggregate: a question by name, answered beside the state. No reader is
//! given a state to look into, nor sends code to where it is: question and answer are data, so that
//! they can cross to the node that has the aggregate, and back.
//!
//! An answer has a bound. Of what may be many a question names what is wanted; a kind whose state is
//! small as a whole says so ([`Bounded`]) and may be asked for [`Whole`].

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};

use crate::aggregate::Aggregate;

/// A question about the state of an `A`. One whose answer is yes or no is a condition too: a reader
/// may wait until it holds.
pub trait Question<A: Aggregate>:
    Clone
    + Debug
    + PartialEq
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + Into<A::Questions>
    + 'static
{
    type Answer: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Answers from a copy of the state, which shares all that is large with it: however long this
    /// takes, it holds up nobody. `at` is the time at which the state stood: now, or the past's.
    fn answer(&self, state: A::State, at: DateTime<Utc>) -> Self::Answer;
}

/// All questions about an `A`, as one crosses between nodes. Made by [`questions!`](crate::questions).
pub trait Questions<A: Aggregate + ?Sized>:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + From<Version> + Send + Sync + 'static
{
    /// Writes down the answer.
    fn answer<S: Serializer>(
        &self,
        state: A::State,
        at: DateTime<Utc>,
        to: S,
    ) -> Result<S::Ok, S::Error>;
}

/// Nothing of the state: how far its log is comes with every answer. Version 0 never was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version;

impl<A: Aggregate> Question<A> for Version {
    type Answer = ();

    fn answer(&self, _: A::State, _: DateTime<Utc>) {}
}

/// A kind whose whole state is small, so that it may be an answer: everything that grows in it has
/// a bound, a few thousand small things at most. Its form crosses between versions then: a field
/// that is added has a default, and anything else wants a question of its own.
pub trait Bounded: Aggregate<Questions: From<Whole>> {}

/// The whole state of a kind where that is small.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Whole;

impl<A: Bounded> Question<A> for Whole {
    type Answer = A::State;

    fn answer(&self, state: A::State, _: DateTime<Utc>) -> A::State {
        state
    }
}

/// Makes `Questions`, the enum of all questions about one kind: the table by which a node knows one
/// that it was sent. [`Version`] is in each. A name in it is for ever.
#[macro_export]
macro_rules! questions {
    ($aggregate:ty { $($question:ident),* $(,)? }) => {
        /// All that may be asked of it.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        pub enum Questions {
            Version($crate::question::Version),
            $($question($question),)*
        }

        $crate::questions! { @ $aggregate { $crate::question::Version as Version, $($question as $question,)* } }
    };
    (@ $aggregate:ty { $($question:path as $name:ident,)+ }) => {
        $(
            impl From<$question> for Questions {
                fn from(question: $question) -> Self {
                    Self::$name(question)
                }
            }
        )+

        impl $crate::question::Questions<$aggregate> for Questions {
            fn answer<S: serde::Serializer>(
                &self,
                state: <$aggregate as $crate::aggregate::Aggregate>::State,
                at: chrono::DateTime<chrono::Utc>,
                to: S,
            ) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$name(question) => {
                        let answer =
                            $crate::question::Question::<$aggregate>::answer(question, state, at);
                        serde::Serialize::serialize(&answer, to)
                    })+
                }
            }
        }
    };
}
