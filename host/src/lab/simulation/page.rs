//! Figures as a page: one file with its plots in it, which asks nobody for anything, and is read by day and by night.

use std::fmt::Write as _;

use super::report::{milliseconds, moved, rows};
use super::{Disruption, Figures};

/// Size of a plot, and room for its axes.
const SIZE: (f64, f64) = (640.0, 240.0);
const ROOM: (f64, f64) = (48.0, 24.0);

/// Backends whose lines are drawn.
const MOST_LINES: usize = 24;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:light-dark(#ccc,#444)}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;\
max-width:70rem;padding:0 1rem}table{border-collapse:collapse}th,td{padding:.15rem .8rem;text-align:right;border-bottom:\
1px solid var(--line)}th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto}svg text{font:11px \
system-ui,sans-serif;fill:currentColor}.axis{stroke:var(--line);stroke-width:1}.plots{display:grid;gap:1rem;\
grid-template-columns:repeat(auto-fit,minmax(30rem,1fr))}figure{margin:0}path{fill:none;stroke-width:1.5}.mark{stroke:\
currentColor;stroke-dasharray:2 3;opacity:.5}";

/// A line of a plot: its name, its colour, its points.
struct Curve {
    name: String,
    color: String,
    points: Vec<(f64, f64)>,
}

/// How an axis is written.
#[derive(Clone, Copy)]
enum Scale {
    Linear,
    /// Of latencies, in microseconds.
    Logarithmic,
}

/// The page. Its names are escaped; nothing else in it comes from elsewhere.
pub fn html(title: &str, seed: u64, seconds: f64, all: &[Figures]) -> String {
    let title = escaped(title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style>\n<h1>{title}</h1>\n<p>{seconds} simulated seconds, seed {seed}.</p>\n"
    );
    page += "<table><tr><th>";
    all.iter().for_each(|figures| push(&mut page, format_args!("<th>{}", escaped(&figures.title))));
    for (name, cells) in rows(all) {
        push(&mut page, format_args!("\n<tr><td>{name}"));
        cells.iter().for_each(|cell| push(&mut page, format_args!("<td>{cell}")));
    }
    page += "</table>\n";
    let times: Vec<f64> = all.iter().flat_map(|figures| &figures.disruptions).map(at).collect();
    page += "<h2>Latency</h2>\n<div class=\"plots\">\n";
    for (name, percentile) in [("Median by time of arrival", 50.0), ("99th percentile by time of arrival", 99.0)] {
        let curves = all.iter().enumerate().map(|(number, figures)| by_time(number, figures, percentile, seconds));
        page += &plot(&format!("{name}, ms"), &curves.collect::<Vec<_>>(), Scale::Logarithmic, (seconds, "s"), &times);
    }
    let curves: Vec<_> = all.iter().enumerate().map(|(number, figures)| distribution(number, figures)).collect();
    page += &plot("Latency by percentile, ms", &curves, Scale::Logarithmic, (1.0, "of requests"), &[]);
    page += "</div>\n<h2>In flight, by backend</h2>\n<div class=\"plots\">\n";
    for figures in all {
        let curves = in_flight(figures, seconds);
        let times: Vec<f64> = figures.disruptions.iter().map(at).collect();
        page += &plot(&figures.title, &curves, Scale::Linear, (seconds, "s"), &times);
    }
    page += "</div>\n";
    for figures in all.iter().filter(|figures| !figures.disruptions.is_empty()) {
        push(&mut page, format_args!("<h2>What has moved: {}</h2>\n<ul>", escaped(&figures.title)));
        for disruption in &figures.disruptions {
            push(&mut page, format_args!("<li>{}", escaped(&moved(disruption))));
        }
        page += "</ul>\n";
    }
    page + "</html>\n"
}

fn at(disruption: &Disruption) -> f64 {
    disruption.at_us as f64 / 1e6
}

/// Writing into a string does not fail.
fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(text);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Colours that are far from each other, whatever their number.
fn color(number: usize) -> String {
    format!("hsl({:.0} 70% 50%)", (number as f64 * 137.5 + 210.0) % 360.0)
}

fn by_time(number: usize, figures: &Figures, percentile: f64, seconds: f64) -> Curve {
    let slices = figures.slices.len() as f64;
    let points = figures.slices.iter().enumerate().filter(|(_, slice)| !slice.is_empty());
    let points =
        points.map(|(at, slice)| ((at as f64 + 0.5) * seconds / slices, slice.value_at_percentile(percentile) as f64));
    Curve { name: figures.title.clone(), color: color(number), points: points.collect() }
}

fn distribution(number: usize, figures: &Figures) -> Curve {
    let points = (0..=200).map(|at| {
        let share = f64::from(at) / 200.0;
        (share, figures.latency.value_at_quantile(share) as f64)
    });
    Curve { name: figures.title.clone(), color: color(number), points: points.collect() }
}

fn in_flight(figures: &Figures, seconds: f64) -> Vec<Curve> {
    let (slices, backends) = (figures.in_flight.len() as f64, figures.served.len().min(MOST_LINES));
    let curve = |backend: usize| {
        let point = |(at, slice): (usize, &Vec<f32>)| ((at as f64 + 0.5) * seconds / slices, f64::from(slice[backend]));
        let points = figures.in_flight.iter().enumerate().map(point).collect();
        Curve { name: String::new(), color: color(backend), points }
    };
    (0..backends).map(curve).collect()
}

fn plot(title: &str, curves: &[Curve], scale: Scale, (end, unit): (f64, &str), marks: &[f64]) -> String {
    let values = || curves.iter().flat_map(|curve| &curve.points).map(|(_, value)| *value);
    let (low, high) = match scale {
        Scale::Linear => (0.0, values().fold(1.0, f64::max)),
        Scale::Logarithmic => {
            (values().fold(f64::INFINITY, f64::min).clamp(1.0, 1e9) / 1.2, values().fold(10.0, f64::max) * 1.2)
        }
    };
    let (width, height) = (SIZE.0 - ROOM.0, SIZE.1 - ROOM.1);
    let x = |time: f64| ROOM.0 + width * time / end.max(f64::MIN_POSITIVE);
    let y = |value: f64| {
        let share = match scale {
            Scale::Linear => value / high,
            Scale::Logarithmic => (value.max(low) / low).ln() / (high / low).ln(),
        };
        height * (1.0 - share)
    };
    let title = escaped(title);
    let mut svg = format!(
        "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{title}\">",
        SIZE.0, SIZE.1
    );
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let value = match scale {
            Scale::Linear => high * share,
            Scale::Logarithmic => low * (high / low).powf(share),
        };
        let label = match scale {
            Scale::Linear => format!("{value:.1}"),
            Scale::Logarithmic => milliseconds(value),
        };
        let (at, left) = (y(value), ROOM.0);
        push(&mut svg, format_args!("<path class=\"axis\" d=\"M{left} {at:.1}H{}\"/>", SIZE.0));
        push(
            &mut svg,
            format_args!("<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", left - 4.0, at + 4.0),
        );
        let time = end * share;
        let anchor = if step == 4 { "end" } else { "middle" };
        push(
            &mut svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{time} {unit}</text>",
                x(time),
                SIZE.1 - 6.0
            ),
        );
    }
    for mark in marks {
        push(&mut svg, format_args!("<path class=\"mark\" d=\"M{:.1} 0V{height}\"/>", x(*mark)));
    }
    for Curve { name, color, points } in curves {
        let mut path = String::new();
        for (number, (time, value)) in points.iter().enumerate() {
            push(&mut path, format_args!("{}{:.1} {:.1}", if number == 0 { 'M' } else { 'L' }, x(*time), y(*value)));
        }
        push(&mut svg, format_args!("<path stroke=\"{color}\" d=\"{path}\"><title>{}</title></path>", escaped(name)));
    }
    let named = curves.iter().filter(|curve| !curve.name.is_empty());
    for (number, Curve { name, color, .. }) in named.enumerate() {
        let at = 12.0 + 14.0 * number as f64;
        let left = ROOM.0 + 8.0;
        push(
            &mut svg,
            format_args!(
                "<path stroke=\"{color}\" d=\"M{left} {at}h16\"/><text x=\"{}\" y=\"{}\">{}</text>",
                left + 20.0,
                at + 4.0,
                escaped(name)
            ),
        );
    }
    svg + "</svg></figure>\n"
}
