//! Given / when / then for preferences.

use super::*;
use crate::testing::{given_events as given, golden};

fn set(name: &str, value: &str) -> Command {
    Command::Set { name: name.to_owned(), value: value.to_owned() }
}

fn was_set(name: &str, value: &str) -> Event {
    Event::PreferenceSet { name: name.to_owned(), value: value.to_owned() }
}

#[test]
fn they_are_set_changed_and_cleared() {
    given::<Preferences>(vec![])
        .when(set("theme", " dark "))
        .then([was_set("theme", "dark")])
        .when(set("theme", "dark"))
        .then([])
        .when(set("theme", ""))
        .then([was_set("theme", "")])
        .when(Command::Clear { name: "theme".to_owned() })
        .then([Event::PreferenceCleared { name: "theme".to_owned() }])
        .when(Command::Clear { name: "theme".to_owned() })
        .then([]);
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    for name in ["", "a b", "ä", &"x".repeat(NAME_BYTES_MAX + 1)] {
        given::<Preferences>(vec![]).when(set(name, "1")).refused("INVALID_PREFERENCE_NAME");
    }
    let long = "x".repeat(VALUE_CHARACTERS_MAX + 1);
    for value in ["a\nb", "\0", long.as_str()] {
        given::<Preferences>(vec![]).when(set("theme", value)).refused("INVALID_TEXT");
    }
    let full: Vec<_> =
        (0..PREFERENCES_MAX).map(|number| was_set(&number.to_string(), "1")).collect();
    given::<Preferences>(full)
        .when(set("one", "more"))
        .refused("PREFERENCES_TOO_MANY")
        .when(set("7", "other"))
        .then([was_set("7", "other")]);
}

#[test]
fn stored_events_keep_their_shape() {
    let cleared = Event::PreferenceCleared { name: "theme".to_owned() };
    golden(Preferences::TYPE, &[was_set("theme", "dark"), cleared]);
}
