//! The built-in provider: moves no money, keeps everything in memory, and decides by the last two
//! digits of the amount in minor units, so that whoever tries the shop can choose what happens.
//!
//! | amount ends in | what happens |
//! |---|---|
//! | 02 | declined with `CARD_DECLINED` |
//! | 03 | the first request is not answered, but the payment stands |
//! | 04 | the first request is not answered and never arrived |
//! | 05 | approved, and the answer comes twice |
//! | 06 | the first request never arrived, and whoever waits for its answer waits for ever |
//! | anything else | approved |
//!
//! What it says of its own accord comes as `{"type": "payment.approved", "data": {"reference": …, "amount": 1999,
//! "currency": "EUR"}}`, in minor units, or as `payment.declined` with a `code`.
//!
//! Remembers the last [`REFERENCES_MAX`] references, voided ones included, and none of them when the
//! process has ended: a checkout that was open then asks anew, and what was not answered the first time
//! is not answered once more.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::broadcast;

use crate::{Notice, PaymentOutcome, PaymentProvider, Unanswered};
use domain::money::{Currency, Money};

/// How it is named, by configuration and where a payment stands with it.
pub static NAME: LazyLock<Arc<str>> = LazyLock::new(|| "test".into());

/// References that are remembered; then the oldest is forgotten.
pub const REFERENCES_MAX: usize = 200_000;
/// Notices that wait for a slow listener.
const NOTICES_MAX: usize = 1_024;

/// How an amount is treated; see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    Approve,
    Decline,
    UnansweredApproved,
    UnansweredLost,
    ApproveTwice,
    NeverAnswered,
}

impl Behaviour {
    fn of(amount: Money) -> Self {
        match amount.minor.rem_euclid(100) {
            2 => Self::Decline,
            3 => Self::UnansweredApproved,
            4 => Self::UnansweredLost,
            5 => Self::ApproveTwice,
            6 => Self::NeverAnswered,
            _ => Self::Approve,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Standing {
    Authorized(Money),
    Declined,
    Voided,
}

impl Standing {
    fn outcome(self) -> PaymentOutcome {
        let declined = |code: &str| PaymentOutcome::Declined { code: code.to_owned() };
        match self {
            Self::Authorized(amount) => {
                PaymentOutcome::Approved { amount, provider: Arc::clone(&NAME) }
            }
            Self::Declined => declined("CARD_DECLINED"),
            Self::Voided => declined("PAYMENT_VOIDED"),
        }
    }
}

#[derive(Default)]
struct Book {
    payments: HashMap<Arc<str>, Standing>,
    /// References whose first request was lost.
    lost: HashSet<Arc<str>>,
    /// In the order in which they were first heard.
    references: VecDeque<Arc<str>>,
}

impl Book {
    fn remember(&mut self, reference: &str) -> Arc<str> {
        let reference: Arc<str> = reference.into();
        self.references.push_back(Arc::clone(&reference));
        if self.references.len() > REFERENCES_MAX
            && let Some(oldest) = self.references.pop_front()
        {
            self.payments.remove(&oldest);
            self.lost.remove(&oldest);
        }
        reference
    }

    fn enter(&mut self, reference: &str, standing: Standing) {
        match self.payments.get_mut(reference) {
            Some(known) => *known = standing,
            None => {
                // One that was lost before stands in the list already.
                let known = self.lost.take(reference);
                let reference = known.unwrap_or_else(|| self.remember(reference));
                self.payments.insert(reference, standing);
            }
        }
    }
}

/// See the module.
pub struct TestProvider {
    book: Mutex<Book>,
    notices: broadcast::Sender<Notice>,
}

impl Default for TestProvider {
    fn default() -> Self {
        Self { book: Mutex::default(), notices: broadcast::channel(NOTICES_MAX).0 }
    }
}

impl TestProvider {
    /// The sum that stands authorised under a reference.
    pub fn authorized(&self, reference: &str) -> Option<Money> {
        match self.book.lock().payments.get(reference) {
            Some(Standing::Authorized(amount)) => Some(*amount),
            _ => None,
        }
    }

    /// What is answered to a request, if anything ever is.
    fn answer(&self, reference: &str, amount: Money) -> Option<PaymentOutcome> {
        let behaviour = Behaviour::of(amount);
        let mut book = self.book.lock();
        if let Some(standing) = book.payments.get(reference) {
            return Some(standing.outcome());
        }
        let is_lost = matches!(behaviour, Behaviour::UnansweredLost | Behaviour::NeverAnswered);
        if is_lost && !book.lost.contains(reference) {
            let reference = book.remember(reference);
            book.lost.insert(reference);
            return (behaviour == Behaviour::UnansweredLost).then_some(PaymentOutcome::Unknown);
        }
        let standing = match behaviour {
            Behaviour::Decline => Standing::Declined,
            _ => Standing::Authorized(amount),
        };
        book.enter(reference, standing);
        drop(book);
        match behaviour {
            Behaviour::UnansweredApproved => return Some(PaymentOutcome::Unknown),
            Behaviour::ApproveTwice => {
                let notice = Notice { reference: reference.into(), outcome: standing.outcome() };
                // Without a listener it is not heard, like any notice.
                let _ = self.notices.send(notice);
            }
            _ => {}
        }
        Some(standing.outcome())
    }
}

/// A message that it sends of its own accord.
#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum Message {
    #[serde(rename = "payment.approved")]
    Approved { reference: String, amount: i64, currency: String },
    #[serde(rename = "payment.declined")]
    Declined { reference: String, code: String },
}

/// What a message says; nothing, where it cannot be read.
pub(super) fn read(body: &[u8]) -> Option<Notice> {
    let (reference, outcome) = match serde_json::from_slice(body).ok()? {
        Message::Approved { reference, amount, currency } => {
            let amount = Money::new(amount, Currency::from_code(&currency).ok()?);
            (reference, PaymentOutcome::Approved { amount, provider: Arc::clone(&NAME) })
        }
        Message::Declined { reference, code } => (reference, PaymentOutcome::Declined { code }),
    };
    Some(Notice { reference: reference.into(), outcome })
}

#[async_trait]
impl PaymentProvider for TestProvider {
    async fn authorize(&self, reference: &str, amount: Money) -> PaymentOutcome {
        match self.answer(reference, amount) {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }

    async fn query(&self, reference: &str) -> PaymentOutcome {
        let book = self.book.lock();
        let standing = book.payments.get(reference);
        standing.map_or(PaymentOutcome::NotFound, |standing| standing.outcome())
    }

    async fn void(&self, reference: &str) -> Result<(), Unanswered> {
        self.book.lock().enter(reference, Standing::Voided);
        Ok(())
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euro(minor: i64) -> Money {
        Money::new(minor, Currency::from_code("EUR").expect("a currency"))
    }

    fn declined(code: &str) -> PaymentOutcome {
        PaymentOutcome::Declined { code: code.to_owned() }
    }

    #[test]
    fn a_message_says_what_became_of_a_payment_or_nothing() {
        let text = br#"{"type": "payment.approved", "timestamp": "2026-03-01T12:00:00Z",
            "data": {"reference": "r", "amount": 1999, "currency": "EUR"}}"#;
        let approved = Notice {
            reference: "r".into(),
            outcome: PaymentOutcome::Approved { amount: euro(1999), provider: Arc::clone(&NAME) },
        };
        assert_eq!(read(text), Some(approved));
        let text =
            br#"{"type": "payment.declined", "data": {"reference": "r", "code": "CARD_DECLINED"}}"#;
        let outcome = declined("CARD_DECLINED");
        assert_eq!(read(text), Some(Notice { reference: "r".into(), outcome }));
        for bad in [
            "",
            "[]",
            r#"{"type": "payment.lost", "data": {}}"#,
            r#"{"type": "payment.approved", "data": {"reference": "r", "amount": 1.5, "currency": "EUR"}}"#,
            r#"{"type": "payment.approved", "data": {"reference": "r", "amount": 1, "currency": "?"}}"#,
        ] {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn the_amount_decides_and_a_repeated_request_gets_the_first_decision() {
        let provider = TestProvider::default();
        let approved =
            |minor| PaymentOutcome::Approved { amount: euro(minor), provider: Arc::clone(&NAME) };
        for (minor, first, again) in [
            (100, approved(100), approved(100)),
            (102, declined("CARD_DECLINED"), declined("CARD_DECLINED")),
            (203, PaymentOutcome::Unknown, approved(203)),
            (304, PaymentOutcome::Unknown, approved(304)),
            (405, approved(405), approved(405)),
        ] {
            let reference = minor.to_string();
            assert_eq!(provider.query(&reference).await, PaymentOutcome::NotFound);
            assert_eq!(provider.authorize(&reference, euro(minor)).await, first);
            if minor == 304 {
                assert_eq!(provider.query(&reference).await, PaymentOutcome::NotFound);
            } else {
                assert_eq!(provider.query(&reference).await, again);
            }
            assert_eq!(provider.authorize(&reference, euro(minor)).await, again);
            assert_eq!(provider.query(&reference).await, again);
        }
        let other = provider.authorize("100", euro(999)).await;
        assert_eq!(other, approved(100), "the amount that stands");
    }

    #[tokio::test]
    async fn who_waits_for_what_is_never_answered_gives_up_and_asks_again() {
        let provider = TestProvider::default();
        tokio::select! {
            biased;
            outcome = provider.authorize("hangs", euro(506)) => panic!("{outcome:?}"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(provider.query("hangs").await, PaymentOutcome::NotFound);
        let approved = PaymentOutcome::Approved { amount: euro(506), provider: Arc::clone(&NAME) };
        assert_eq!(provider.authorize("hangs", euro(506)).await, approved);
    }

    #[tokio::test]
    async fn a_void_is_for_ever_also_of_a_reference_never_heard_of() {
        let provider = TestProvider::default();
        provider.authorize("a", euro(100)).await;
        for reference in ["a", "never heard of"] {
            assert_eq!(provider.void(reference).await, Ok(()));
            assert_eq!(provider.void(reference).await, Ok(()));
            let late = provider.authorize(reference, euro(100)).await;
            assert_eq!(late, declined("PAYMENT_VOIDED"));
            assert_eq!(provider.authorized(reference), None);
        }
    }

    #[tokio::test]
    async fn an_answer_given_twice_is_heard_by_listeners() {
        let provider = TestProvider::default();
        let mut notices = provider.notices();
        provider.authorize("a", euro(405)).await;
        let notice = notices.recv().await.expect("a notice");
        assert_eq!(notice.outcome, Standing::Authorized(euro(405)).outcome());
        assert_eq!(&*notice.reference, "a");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut book = Book::default();
        for number in 0..=REFERENCES_MAX {
            book.enter(&number.to_string(), Standing::Declined);
            book.enter(&number.to_string(), Standing::Voided);
        }
        assert_eq!((book.payments.len(), book.references.len()), (REFERENCES_MAX, REFERENCES_MAX));
        assert!(!book.payments.contains_key("0"));
    }
}
