//! The page as a scraper reads it, and the bounds of what may stand on it.

use std::sync::Arc;
use std::time::Duration;

use super::by::VALUES_MAX;
use super::{By, Counter, Declared, Page, SECONDS};

crate::metrics! { "kitchen":
    /// Cups that were filled,
    /// by tea and size.
    counter CUPS = "cups" by "tea", "size";
    /// How long a cup drew.
    histogram DRAWN = "drawn_seconds" with SECONDS;
    /// Kettles on the fire.
    gauge KETTLES = "kettles" by "fire";
    /// Cups that broke.
    counter BROKEN = "broken_cups";
}

#[test]
fn a_page_shows_what_was_counted() {
    CUPS.with(["green", "small"]).add(2);
    CUPS.with(["green \"1\"", "small"]).inc();
    BROKEN.inc();
    DRAWN.observe_in(Duration::from_millis(2), Some("4bf9".to_owned()));
    let kettles = Arc::new(3_u32);
    KETTLES.observe_as("gas", &kettles, |kettles| f64::from(*kettles));
    let page = Page::of(&[METRICS]);

    let (media_type, text) = page.write(None);
    assert!(media_type.starts_with("text/plain; version=0.0.4"));
    for line in [
        "# HELP emporium_kitchen_cups_total Cups that were filled, by tea and size.",
        "# TYPE emporium_kitchen_cups_total counter",
        "emporium_kitchen_cups_total{tea=\"green\",size=\"small\"} 2",
        "emporium_kitchen_cups_total{tea=\"green \\\"1\\\"\",size=\"small\"} 1",
        "emporium_kitchen_broken_cups_total 1",
        "emporium_kitchen_kettles{fire=\"gas\"} 3.0",
        "emporium_kitchen_drawn_seconds_bucket{le=\"0.0025\"} 1",
        "emporium_kitchen_drawn_seconds_count 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("4bf9"), "the older format has no exemplars");

    let (media_type, text) = page.write(Some("application/openmetrics-text;version=1.0.0,*/*"));
    assert!(media_type.starts_with("application/openmetrics-text"));
    assert!(text.contains("le=\"0.0025\"} 1 # {trace_id=\"4bf9\"} 0.002"), "{text}");
    assert!(text.ends_with("# EOF\n"));

    drop(kettles);
    assert!(!page.write(None).1.contains("gas"), "a gauge keeps nothing alive");
}

#[test]
fn labels_are_bounded_whatever_comes() {
    static MANY: By<Counter, 1> = By::declared(&["value"], &[]);
    let threads = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for value in 0..2 * VALUES_MAX {
                        MANY.with([&value.to_string()]).inc();
                    }
                })
            })
            .collect();
        all.len()
    });
    let declared = [Declared {
        name: "many",
        help: "Many",
        kind: "counter",
        labels: &["value"],
        metric: &MANY,
    }];
    let (_, text) = Page::of(&[Vec::leak(Vec::from(declared))]).write(None);
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(samples.len() <= VALUES_MAX + threads + 1, "{} samples", samples.len());
    let counts = samples.iter().map(|line| line.rsplit(' ').next().expect("a value"));
    let total: usize = counts.map(|count| count.parse::<usize>().expect("a count")).sum();
    assert_eq!(total, threads * 2 * VALUES_MAX, "each is counted once, somewhere");
    assert!(samples.iter().any(|line| line.contains("other")));
}
