//! Golden files of what crosses between nodes: commands, refusals, questions, and what answers them.
//!
//! A file holds one sample of each variant. Which variants there are is asked of serde, so that a new
//! one without a sample is named, and not forgotten.

use std::any::type_name;
use std::collections::BTreeSet;
use std::fmt::Debug;

use chrono::{DateTime, Utc};
use serde::de::{self, DeserializeOwned, Visitor};
use serde::{Deserializer, Serialize, forward_to_deserialize_any};
use serde_json::{Map, Value};

use super::{compare, noon, state_of};
use crate::aggregate::Aggregate;
use crate::question::{Question, Questions};

/// Fails unless a value comes back from JSON as it went.
#[track_caller]
pub fn assert_crosses<T: Debug + PartialEq + Serialize + DeserializeOwned>(value: &T) {
    let text = serde_json::to_string(value).expect("it serialises");
    match serde_json::from_str::<T>(&text) {
        Ok(back) => assert_eq!(back, *value, "{text} came back as something else"),
        Err(error) => panic!("{text} does not come back: {error}"),
    }
}

/// Holds the commands, refusals, questions and answers of a kind: compares them with
/// `tests/golden/wire/<stored name>.json`, which `EMPORIUM_BLESS=1` writes anew. A node of another
/// version sends and reads these forms: what is there may be added to, not changed.
#[track_caller]
pub fn golden<A: Aggregate>(commands: &[A::Command], refusals: &[A::Refusal], answers: Answers<A>) {
    Samples::default()
        .of("commands", commands)
        .of("refusals", refusals)
        .of("questions", &answers.questions)
        .with("answers", Value::Array(answers.answers))
        .hold(A::TYPE);
}

/// Questions, and what one state answers to each.
pub struct Answers<A: Aggregate> {
    state: A::State,
    at: DateTime<Utc>,
    questions: Vec<A::Questions>,
    answers: Vec<Value>,
}

impl<A: Aggregate> Answers<A> {
    /// From the state that the events lead to, at noon.
    pub fn after(events: &[A::Event]) -> Self {
        let (state, at) = (state_of::<A>(events), noon());
        Self { state, at, questions: vec![], answers: vec![] }
    }

    /// Asks one, as its asker knows it and as whoever is sent it.
    #[track_caller]
    pub fn to<Q: Question<A>>(mut self, question: Q) -> Self {
        let typed = question.answer(self.state.clone(), self.at);
        assert_crosses(&typed);
        let sent: A::Questions = question.into();
        let written = sent.answer(self.state.clone(), self.at, serde_json::value::Serializer);
        let written = written.expect("answers serialise");
        let typed = serde_json::to_value(typed).expect("answers serialise");
        assert_eq!(written, typed, "{sent:?} is answered in two ways");
        self.questions.push(sent);
        self.answers.push(written);
        self
    }
}

/// Samples of several enums that share a golden file.
#[derive(Debug, Default)]
pub struct Samples {
    parts: Map<String, Value>,
}

impl Samples {
    /// Takes the samples of one enum; panics naming the variants that have none.
    #[track_caller]
    pub fn of<T>(mut self, part: &str, samples: &[T]) -> Self
    where
        T: Debug + PartialEq + Serialize + DeserializeOwned,
    {
        samples.iter().for_each(assert_crosses);
        let stored = serde_json::to_value(samples).expect("samples serialise");
        let sampled: BTreeSet<&str> =
            stored.as_array().expect("a slice is an array").iter().map(variant).collect();
        let missing: Vec<&str> =
            variants::<T>().iter().copied().filter(|name| !sampled.contains(name)).collect();
        assert!(missing.is_empty(), "{} without a sample: {missing:?}", type_name::<T>());
        self.parts.insert(part.to_owned(), stored);
        self
    }

    /// Takes what has no variants.
    pub fn with(mut self, part: &str, value: Value) -> Self {
        self.parts.insert(part.to_owned(), value);
        self
    }

    /// Compares with `tests/golden/wire/<name>.json`.
    #[track_caller]
    pub fn hold(self, name: &str) {
        let cure = "nodes of another version know the old one. For what none of them sends yet";
        compare(&format!("wire/{name}.json"), &Value::Object(self.parts), cure);
    }
}

/// The variant that a value of an enum names.
fn variant(value: &Value) -> &str {
    match value {
        Value::String(name) => name,
        Value::Object(object) if object.len() == 1 => object.keys().next().expect("one key"),
        other => panic!("{other} names no variant"),
    }
}

/// The names of an enum's variants, as they are stored.
fn variants<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names = Names(None);
    _ = T::deserialize(&mut names);
    names.0.unwrap_or_else(|| panic!("{} is no enum", type_name::<T>()))
}

/// Listens to what a type asks its deserialiser for, and gives nothing.
struct Names(Option<&'static [&'static str]>);

impl<'de> Deserializer<'de> for &mut Names {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("nothing is given"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0 = Some(variants);
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Colour {
        Red,
        Green { shade: u8 },
        Blue(u8),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Forgetful {
        #[serde(skip)]
        lost: u8,
    }

    #[test]
    fn samples_of_all_variants_are_taken() {
        _ = Samples::default()
            .of("colours", &[Colour::Red, Colour::Green { shade: 1 }, Colour::Blue(2)]);
    }

    #[test]
    #[should_panic(expected = r#"without a sample: ["Green"]"#)]
    fn a_variant_without_a_sample_is_named() {
        _ = Samples::default().of("colours", &[Colour::Red, Colour::Blue(2)]);
    }

    #[test]
    #[should_panic(expected = "came back as something else")]
    fn what_is_lost_on_the_way_is_noticed() {
        assert_crosses(&Forgetful { lost: 7 });
    }
}
