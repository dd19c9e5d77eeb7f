//! Draws what was admitted over time as SVG: in all, and within the window before each moment.

use std::fmt::Write as _;

/// A stretch of time with a name, in seconds.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) from: u64,
    pub(crate) until: u64,
}

/// The data of a picture; times in seconds, in the order in which they came.
pub(crate) struct Picture<'a> {
    pub(crate) title: &'static str,
    pub(crate) quota: u64,
    pub(crate) window: u64,
    pub(crate) end: u64,
    pub(crate) phases: &'a [Phase],
    pub(crate) arrivals: &'a [u64],
    pub(crate) admitted: &'a [u64],
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 448.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 648.0;
/// The beginning and the end of each plot, from the top.
const IN_ALL: (f64, f64) = (94.0, 234.0);
const TRAILING: (f64, f64) = (274.0, 404.0);

const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 14px; font-weight: 600 }
.muted { fill: #59636e }
.phase { fill: #59636e; fill-opacity: 0.09 }
.grid { stroke: #d0d7de }
.axis { stroke: #59636e }
.came { stroke: #818b98; stroke-width: 2; fill: none }
.passed { stroke: #0969da; stroke-width: 2; fill: none }
.held { stroke: #0969da; stroke-width: 1.5; fill: #0969da; fill-opacity: 0.22 }
.quota { stroke: #bc4c00; stroke-width: 1.5 }
.twice { stroke: #bc4c00; stroke-width: 1.5; stroke-dasharray: 2 4 }
.peak { font-weight: 600 }
.page { fill: #ffffff }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.muted { fill: #9198a1 }
.phase { fill: #9198a1; fill-opacity: 0.13 }
.grid { stroke: #30363d }
.axis { stroke: #9198a1 }
.came { stroke: #7d8590 }
.passed { stroke: #58a6ff }
.held { stroke: #58a6ff; fill: #58a6ff }
.quota, .twice { stroke: #f0883e }
.page { fill: #0d1117 }
}
";

impl Picture<'_> {
    pub(crate) fn draw(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" role=\"img\" aria-labelledby=\"t d\">\n\
             <title id=\"t\">{}</title>\n<desc id=\"d\">{}</desc>\n<style>\n{STYLE}</style>\n\
             <rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n",
            self.title,
            self.described(),
        );
        text(&mut svg, (12.0, 24.0), "title", "start", self.title);
        self.legend(&mut svg);
        self.phases(&mut svg);
        self.in_all(&mut svg);
        self.trailing(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    fn described(&self) -> String {
        format!(
            "Of {} requests {} are admitted, at most {} of them within any {} seconds; the quota is {}.",
            self.arrivals.len(),
            self.admitted.len(),
            self.peak().1,
            self.window,
            self.quota
        )
    }

    fn legend(&self, svg: &mut String) {
        let (quota, twice) = (
            format!("quota ({})", self.quota),
            format!("twice ({})", 2 * self.quota),
        );
        let entries = [
            ("came", "came", 12.0),
            ("passed", "admitted", 92.0),
            ("held", "admitted within the last minute", 196.0),
            ("quota", &quota, 428.0),
            ("twice", &twice, 536.0),
        ];
        for (class, name, x) in entries {
            let (end, y) = (x + 24.0, 48.0);
            if class == "held" {
                let _ = writeln!(
                    svg,
                    "<rect class=\"held\" x=\"{x}\" y=\"{}\" width=\"24\" height=\"12\"/>",
                    y - 6.0
                );
            } else {
                line(svg, class, (x, y), (end, y));
            }
            text(svg, (end + 6.0, y + 4.0), "", "start", name);
        }
    }

    fn phases(&self, svg: &mut String) {
        for phase in self.phases {
            let (left, right) = (self.x(phase.from), self.x(phase.until));
            for (top, bottom) in [IN_ALL, TRAILING] {
                let _ = writeln!(
                    svg,
                    "<rect class=\"phase\" x=\"{left:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{}\"/>",
                    right - left,
                    bottom - top,
                );
            }
            let middle = (left + right) / 2.0;
            text(svg, (middle, IN_ALL.0 - 8.0), "muted", "middle", phase.name);
        }
    }

    /// Draws the arrivals and the admissions since the beginning.
    fn in_all(&self, svg: &mut String) {
        let scale = Scale::new(IN_ALL, 100);
        scale.axis(svg, 25, "requests in all");
        self.minutes(svg, IN_ALL, false);
        for (class, times) in [("came", self.arrivals), ("passed", self.admitted)] {
            let total = times.len() as u64;
            let steps = times.iter().zip(1..).map(|(time, count)| (*time, count));
            let mut points = vec![(0, 0)];
            points.extend(steps);
            points.push((self.end, total));
            path(svg, class, &self.staircase(&scale, &points), "");
            text(
                svg,
                (RIGHT + 8.0, scale.y(total) + 4.0),
                "",
                "start",
                &format!("{total} {}", word(class)),
            );
        }
    }

    /// Draws the admissions within the window that ends at each moment.
    fn trailing(&self, svg: &mut String) {
        let scale = Scale::new(TRAILING, 25);
        scale.axis(svg, 5, "in the last minute");
        self.minutes(svg, TRAILING, true);
        let mut points = vec![(0, 0)];
        points.extend(self.held());
        points.push((self.end, self.within(self.end)));
        let close = format!("V{:.1}H{:.1}Z", scale.y(0), self.x(0));
        path(svg, "held", &self.staircase(&scale, &points), &close);
        for (class, level) in [("quota", self.quota), ("twice", 2 * self.quota)] {
            let y = scale.y(level);
            line(svg, class, (LEFT, y), (RIGHT, y));
        }
        let (at, most) = self.peak();
        let label = format!("{most} at most");
        text(
            svg,
            (self.x(at), scale.y(most) - 10.0),
            "peak",
            "middle",
            &label,
        );
    }

    /// The number that is held at each moment at which it changes.
    fn held(&self) -> Vec<(u64, u64)> {
        let mut moments: Vec<u64> = self
            .admitted
            .iter()
            .flat_map(|time| [*time, time + self.window])
            .filter(|time| *time < self.end)
            .collect();
        moments.sort_unstable();
        moments.dedup();
        moments
            .into_iter()
            .map(|moment| (moment, self.within(moment)))
            .collect()
    }

    /// The number of admissions in (`end` - window, `end`].
    fn within(&self, end: u64) -> u64 {
        let inside = |time: &&u64| **time <= end && **time + self.window > end;
        self.admitted.iter().filter(inside).count() as u64
    }

    /// The first time at which most were held, and their number.
    fn peak(&self) -> (u64, u64) {
        let most = self.held().iter().map(|(_, count)| *count).max();
        let most = most.unwrap_or(0);
        let first = self.held().into_iter().find(|(_, count)| *count == most);
        first.unwrap_or((0, 0))
    }

    fn minutes(&self, svg: &mut String, (top, bottom): (f64, f64), named: bool) {
        for minute in 0..=self.end / 60 {
            let x = self.x(minute * 60);
            line(svg, "grid", (x, top), (x, bottom));
            text(
                svg,
                (x, bottom + 16.0),
                "muted",
                "middle",
                &minute.to_string(),
            );
        }
        line(svg, "axis", (LEFT, bottom), (RIGHT, bottom));
        if named {
            text(
                svg,
                (RIGHT, bottom + 34.0),
                "muted",
                "end",
                "time in minutes",
            );
        }
    }

    fn staircase(&self, scale: &Scale, points: &[(u64, u64)]) -> String {
        let mut path = String::new();
        for (time, count) in points {
            let (x, y) = (self.x(*time), scale.y(*count));
            let _ = if path.is_empty() {
                write!(path, "M{x:.1} {y:.1}")
            } else {
                write!(path, "H{x:.1}V{y:.1}")
            };
        }
        path
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn x(&self, second: u64) -> f64 {
        LEFT + (RIGHT - LEFT) * second as f64 / self.end as f64
    }
}

fn word(class: &str) -> &'static str {
    if class == "came" { "came" } else { "admitted" }
}

/// From 0 at the bottom to `most` at the top.
struct Scale {
    top: f64,
    bottom: f64,
    most: u64,
}

impl Scale {
    fn new((top, bottom): (f64, f64), most: u64) -> Self {
        Self { top, bottom, most }
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn y(&self, count: u64) -> f64 {
        self.bottom - (self.bottom - self.top) * count as f64 / self.most as f64
    }

    fn axis(&self, svg: &mut String, step: usize, name: &str) {
        for count in (0..=self.most).step_by(step) {
            let y = self.y(count);
            line(svg, "grid", (LEFT, y), (RIGHT, y));
            text(
                svg,
                (LEFT - 8.0, y + 4.0),
                "muted",
                "end",
                &count.to_string(),
            );
        }
        // Left of the axis, from below.
        let (x, middle) = (16.0, (self.top + self.bottom) / 2.0);
        let _ = writeln!(
            svg,
            "<text class=\"muted\" transform=\"translate({x} {middle}) rotate(-90)\" text-anchor=\"middle\">{name}</text>",
        );
    }
}

fn line(svg: &mut String, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn path(svg: &mut String, class: &str, staircase: &str, close: &str) {
    let _ = writeln!(svg, "<path class=\"{class}\" d=\"{staircase}{close}\"/>");
}

fn text(svg: &mut String, (x, y): (f64, f64), class: &str, anchor: &str, words: &str) {
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}
