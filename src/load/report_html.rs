//! The report as one page: numbers, checks, and plots as SVG within it. Needs no network and no
//! script, and follows the reader's choice of light or dark.

use plotters::prelude::*;

use super::LoadError;
use super::meter::Second;
use super::report::{Report, grouped};

/// Of each plot, in units of the drawing; the page scales it.
const SIZE: (u32, u32) = (900, 260);
/// Seconds that are drawn, at most; beyond it each point stands for several.
const POINTS_MAX: usize = 600;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2024;--paper:#fff;--soft:#6b7280;--line:#d8dce2;--good:#18794e;--bad:#c62a2f}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--paper:#15181c;--soft:#9aa3ad;--line:#343a42;--good:#4cc38a;--bad:#ff8589}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:2rem}p.about{color:var(--soft);margin-top:0}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}\
td.number{text-align:right;font-variant-numeric:tabular-nums}.good{color:var(--good)}.bad{color:var(--bad)}\
figure{margin:1rem 0}figcaption{color:var(--soft)}svg{width:100%;height:auto}\
svg text{fill:var(--soft)}svg [stroke='#000000']{stroke:var(--line)}\
.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .3em 0 .8em}";

/// A line of a plot.
struct Curve<'a> {
    name: &'a str,
    color: RGBColor,
    value: fn(&Second) -> f64,
}

const LATENCIES: [Curve<'static>; 3] = [
    Curve { name: "p50", color: RGBColor(0x2f, 0x9e, 0x74), value: |second| second.p50 },
    Curve { name: "p99", color: RGBColor(0x3b, 0x82, 0xd6), value: |second| second.p99 },
    Curve { name: "max", color: RGBColor(0xd9, 0x77, 0x3a), value: |second| second.max },
];
const THROUGHPUT: [Curve<'static>; 2] = [
    Curve {
        name: "succeeded",
        color: RGBColor(0x2f, 0x9e, 0x74),
        value: |second| second.succeeded as f64,
    },
    Curve { name: "ended", color: RGBColor(0x8b, 0x7c, 0xd8), value: |second| second.count as f64 },
];

/// The whole page.
pub fn page(report: &Report) -> Result<String, LoadError> {
    let latencies = plot(&report.series, &LATENCIES, "ms")?;
    let throughput = plot(&report.series, &THROUGHPUT, "a second")?;
    let good = report.is_good();
    let (verdict, class) = if good { ("passed", "good") } else { ("FAILED", "bad") };
    let scenario = escaped(&report.scenario);
    let pace = match report.rate_target {
        Some(rate) => format!("{rate:.0} starts a second, at most {} in flight", report.clients),
        None => format!("{} clients, one operation after another", report.clients),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{scenario}: {verdict}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{scenario} <span class=\"{class}\">{verdict}\
         </span></h1>\n<p class=\"about\">{pace}, {:.1} s, seed {}, run {}</p>\n",
        report.seconds,
        report.seed,
        escaped(&report.run)
    );
    page.push_str("<h2>Operations</h2>\n<table>\n");
    let counts = report.counts;
    for (name, count) in [
        ("attempted", counts.attempted),
        ("succeeded", counts.succeeded),
        ("refused by the rules", counts.refused),
        ("of unknown outcome", counts.unknown),
        ("failed", counts.failed),
    ] {
        row(&mut page, name, &grouped(count));
    }
    row(&mut page, "succeeded a second", &grouped(report.per_second.round() as u64));
    page.push_str("</table>\n<h2>Latency</h2>\n<table>\n");
    let latency = report.latency_ms;
    for (name, milliseconds) in [
        ("p50", latency.p50),
        ("p90", latency.p90),
        ("p99", latency.p99),
        ("p99.9", latency.p999),
        ("max", latency.max),
    ] {
        row(&mut page, name, &format!("{milliseconds:.2} ms"));
    }
    page.push_str("</table>\n");
    figure(&mut page, "Latency in each second, in milliseconds", &LATENCIES, &latencies);
    figure(&mut page, "Operations in each second", &THROUGHPUT, &throughput);
    if !report.errors.is_empty() {
        page.push_str("<h2>Codes</h2>\n<table>\n");
        for (code, count) in &report.errors {
            row(&mut page, code, &grouped(*count));
        }
        page.push_str("</table>\n");
    }
    page.push_str("<h2>Checks</h2>\n<table>\n");
    for check in &report.checks {
        let (verdict, class) = if check.ok { ("ok", "good") } else { ("FAILED", "bad") };
        page.push_str(&format!(
            "<tr><td class=\"{class}\">{verdict}</td><td>{}</td><td>{}</td></tr>\n",
            escaped(&check.name),
            escaped(&check.detail)
        ));
    }
    page.push_str("</table>\n</body></html>\n");
    Ok(page)
}

fn row(page: &mut String, name: &str, value: &str) {
    let (name, value) = (escaped(name), escaped(value));
    page.push_str(&format!("<tr><td>{name}</td><td class=\"number\">{value}</td></tr>\n"));
}

fn figure(page: &mut String, caption: &str, curves: &[Curve<'_>], svg: &str) {
    page.push_str("<figure><figcaption>");
    page.push_str(&escaped(caption));
    for Curve { name, color: RGBColor(red, green, blue), .. } in curves {
        page.push_str(&format!(
            "<span class=\"key\" style=\"background:#{red:02x}{green:02x}{blue:02x}\"></span>{}",
            escaped(name)
        ));
    }
    page.push_str("</figcaption>\n");
    page.push_str(svg);
    page.push_str("</figure>\n");
}

/// Text as it may stand in HTML, between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// The points of a curve: of several seconds that share a point, the greatest value.
fn points(series: &[Second], value: fn(&Second) -> f64) -> Vec<(f64, f64)> {
    let together = series.len().div_ceil(POINTS_MAX).max(1);
    series
        .chunks(together)
        .map(|seconds| {
            let greatest = seconds.iter().map(value).fold(0.0, f64::max);
            (seconds[0].second as f64, greatest)
        })
        .collect()
}

fn plot(series: &[Second], curves: &[Curve<'_>], unit: &str) -> Result<String, LoadError> {
    let mut svg = String::new();
    draw(&mut svg, series, curves, unit)
        .map_err(|error| LoadError::Failed(format!("drawing the plots: {error}")))?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    series: &[Second],
    curves: &[Curve<'_>],
    unit: &str,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let curves: Vec<_> = curves.iter().map(|curve| (curve, points(series, curve.value))).collect();
    let greatest = curves
        .iter()
        .flat_map(|(_, points)| points.iter().map(|(_, value)| *value))
        .fold(0.0, f64::max);
    let end = series.last().map_or(1.0, |second| second.second as f64).max(1.0);
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin(8)
        .x_label_area_size(32)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, 0.0..(greatest * 1.1).max(1.0))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.5))
        .x_desc("seconds")
        .y_desc(unit)
        .label_style(("sans-serif", 15))
        .axis_desc_style(("sans-serif", 15))
        .y_label_formatter(&|value| grouped(value.round() as u64))
        .draw()?;
    for (curve, points) in curves {
        chart.draw_series(LineSeries::new(points, curve.color.stroke_width(2)))?;
    }
    root.present()?;
    drop(chart);
    drop(root);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Check;

    fn report() -> Report {
        let second = |second| Second {
            second,
            count: 100,
            succeeded: 90,
            p50: 1.0,
            p99: 2.0,
            max: 3.0 + second as f64,
        };
        Report {
            scenario: "hot-stock".to_owned(),
            seed: 7,
            run: "abc".to_owned(),
            seconds: 3.0,
            clients: 4,
            rate_target: None,
            counts: Default::default(),
            per_second: 1_234.0,
            latency_ms: Default::default(),
            errors: [("<script>alert('x')</script>".to_owned(), 1)].into(),
            checks: vec![Check::new("a & b", false, "\"quoted\"")],
            series: (0..2_000).map(second).collect(),
        }
    }

    #[test]
    fn the_page_stands_alone_and_escapes_what_it_shows() {
        let page = page(&report()).expect("it can be drawn");
        assert_eq!(page.matches("<svg").count(), 2);
        assert!(page.contains("polyline") && page.contains("FAILED"));
        assert!(page.contains("&lt;script&gt;") && page.contains("a &amp; b"));
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("<link"));
        let addresses: Vec<_> =
            page.match_indices("http").map(|(at, _)| &page[at..at + 22]).collect();
        assert!(addresses.iter().all(|at| at.starts_with("http://www.w3.org/")), "{addresses:?}");
    }

    #[test]
    fn a_run_without_a_whole_second_is_drawn_too() {
        for seconds in [0, 1] {
            let mut report = report();
            report.series.truncate(seconds);
            assert!(page(&report).expect("it can be drawn").contains("<svg"));
        }
    }

    #[test]
    fn long_runs_keep_their_peaks() {
        let series = report().series;
        let points = points(&series, |second| second.max);
        assert!(points.len() <= POINTS_MAX && points.len() > POINTS_MAX / 2);
        assert_eq!(points.last().map(|(_, value)| *value), Some(2_002.0));
    }
}
