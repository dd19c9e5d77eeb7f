//! Draws panels of a dashboard as SVG, as Grafana lays them out.

use std::fmt::Write as _;

/// A line of a panel; seconds since the beginning, and values.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

pub(crate) struct Panel {
    pub(crate) title: String,
    /// Grafana's name of the unit, such as `reqps`.
    pub(crate) unit: String,
    /// Texts that stand for values.
    pub(crate) mapped: Vec<(f64, String)>,
    /// The place in columns, of which there are 24, and rows.
    pub(crate) place: Place,
    pub(crate) series: Vec<Series>,
}

#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) w: f64,
    pub(crate) h: f64,
}

/// A stretch of time with a name, in seconds.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) from: f64,
    pub(crate) until: f64,
}

/// A row of the dashboard.
pub(crate) struct Picture<'a> {
    pub(crate) title: &'a str,
    pub(crate) panels: &'a [Panel],
    pub(crate) phases: &'a [Phase],
    pub(crate) seconds: f64,
}

const WIDTH: f64 = 1_200.0;
const COLUMN: f64 = WIDTH / 24.0;
const ROW: f64 = 34.0;
const HEAD: f64 = 64.0;
/// The lines of the legend that a panel has room for.
const LEGEND: usize = 6;

const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.head { font-size: 17px; font-weight: 600 }
.title { font-size: 14px; font-weight: 600 }
.muted { fill: #59636e }
.page { fill: #f6f8fa }
.panel { fill: #ffffff; stroke: #d0d7de }
.grid { stroke: #d0d7de }
.phase { fill: #59636e; fill-opacity: 0.10 }
.line { fill: none; stroke-width: 2; stroke-linejoin: round }
.c0 { stroke: #0072b2 } .c1 { stroke: #d55e00 } .c2 { stroke: #009e73 }
.c3 { stroke: #cc79a7 } .c4 { stroke: #b07d00 } .c5 { stroke: #7a5ae0 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.muted { fill: #9198a1 }
.page { fill: #010409 }
.panel { fill: #0d1117; stroke: #30363d }
.grid { stroke: #30363d }
.phase { fill: #9198a1; fill-opacity: 0.16 }
.c0 { stroke: #58a6ff } .c1 { stroke: #f0883e } .c2 { stroke: #3fb950 }
.c3 { stroke: #e7a6cb } .c4 { stroke: #e3c04b } .c5 { stroke: #b39bff }
}
";

impl Picture<'_> {
    pub(crate) fn draw(&self) -> String {
        let bottom = |panel: &Panel| panel.place.y + panel.place.h;
        let rows = self.panels.iter().map(bottom).fold(0.0, f64::max);
        let height = HEAD + rows * ROW + 6.0;
        let titles: Vec<_> = self.panels.iter().map(|panel| &panel.title[..]).collect();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"t d\">\n<title id=\"t\">{}</title>\n\
             <desc id=\"d\">The panels {}.</desc>\n<style>\n{STYLE}</style>\n\
             <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\n",
            escaped(self.title),
            escaped(&titles.join(", ")),
        );
        text(&mut svg, (12.0, 25.0), "head", "start", self.title);
        let told: Vec<_> = self
            .phases
            .iter()
            .map(|phase| format!("{:.0} to {:.0} s: {}", phase.from, phase.until, phase.name))
            .collect();
        let told = format!("Shaded: {}", told.join("; "));
        text(&mut svg, (12.0, 47.0), "muted", "start", &told);
        for panel in self.panels {
            self.panel(&mut svg, panel);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn panel(&self, svg: &mut String, panel: &Panel) {
        let (left, top) = (panel.place.x * COLUMN + 4.0, HEAD + panel.place.y * ROW);
        let (width, height) = (panel.place.w * COLUMN - 8.0, panel.place.h * ROW - 8.0);
        let _ = writeln!(
            svg,
            "<rect class=\"panel\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"4\"/>"
        );
        text(
            svg,
            (left + 12.0, top + 22.0),
            "title",
            "start",
            &panel.title,
        );
        let unit = unit(&panel.unit);
        text(svg, (left + width - 12.0, top + 22.0), "muted", "end", unit);

        let mut series: Vec<&Series> = panel.series.iter().collect();
        series.sort_by(|a, b| b.most().total_cmp(&a.most()));
        let lines = series.len().min(LEGEND).div_ceil(2);
        let most = series
            .iter()
            .map(|series| series.most())
            .fold(0.0, f64::max);
        let plot = Plot {
            left: left + if panel.mapped.is_empty() { 52.0 } else { 76.0 },
            right: left + width - 14.0,
            top: top + 36.0,
            bottom: top + height - 32.0 - 18.0 * lines as f64,
            seconds: self.seconds,
            step: match panel.mapped.is_empty() {
                true => step(most, &panel.unit),
                false => most.max(2.0) / 4.0,
            },
            steps: 4.0,
        };
        self.axes(svg, &plot, panel);
        if series.is_empty() {
            let middle = (
                f64::midpoint(plot.left, plot.right),
                f64::midpoint(plot.top, plot.bottom),
            );
            text(svg, middle, "muted", "middle", "nothing to count yet");
        }
        for (nth, series) in series.iter().enumerate().take(LEGEND) {
            plot.line(svg, nth, series);
            let column = (nth % 2) as f64 * (width / 2.0 - 6.0);
            let at = (
                left + 12.0 + column,
                plot.bottom + 38.0 + 18.0 * (nth / 2) as f64,
            );
            let _ = writeln!(
                svg,
                "<path class=\"line c{nth}\" d=\"M{:.0} {:.0}h16\"/>",
                at.0,
                at.1 - 4.0
            );
            let room = ((width / 2.0 - 46.0) / 6.6) as usize;
            let most = match panel.mapped.is_empty() {
                true => format!(" (max {})", value(series.most(), &panel.unit)),
                false => String::new(),
            };
            let name = shortened(&series.name, room.saturating_sub(most.len()));
            text(
                svg,
                (at.0 + 22.0, at.1),
                "",
                "start",
                &format!("{name}{most}"),
            );
        }
        if series.len() > LEGEND {
            let more = format!("and {} more", series.len() - LEGEND);
            text(svg, (plot.right, plot.top + 10.0), "muted", "end", &more);
        }
    }

    fn axes(&self, svg: &mut String, plot: &Plot, panel: &Panel) {
        for phase in self.phases {
            let (from, until) = (plot.x(phase.from), plot.x(phase.until));
            let _ = writeln!(
                svg,
                "<rect class=\"phase\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                plot.top,
                until - from,
                plot.bottom - plot.top
            );
        }
        let levels: Vec<(f64, String)> = match panel.mapped.is_empty() {
            true => (0..=4)
                .map(|nth| f64::from(nth) * plot.step)
                .map(|level| (level, value(level, &panel.unit)))
                .collect(),
            false => {
                let shown = panel
                    .mapped
                    .iter()
                    .filter(|(level, _)| *level <= plot.step * plot.steps);
                shown.cloned().collect()
            }
        };
        for (level, name) in levels {
            let y = plot.y(level);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{:.1} {y:.1}H{:.1}\"/>",
                plot.left, plot.right
            );
            text(svg, (plot.left - 6.0, y + 4.0), "muted", "end", &name);
        }
        let mut second = 0.0;
        while second <= self.seconds {
            let name = format!("{second:.0} s");
            let anchor = if second < self.seconds {
                "middle"
            } else {
                "end"
            };
            text(
                svg,
                (plot.x(second), plot.bottom + 17.0),
                "muted",
                anchor,
                &name,
            );
            second += 15.0;
        }
    }
}

impl Series {
    fn most(&self) -> f64 {
        self.points.iter().map(|point| point.1).fold(0.0, f64::max)
    }
}

/// The field of a panel in which the lines run.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    seconds: f64,
    step: f64,
    steps: f64,
}

impl Plot {
    fn x(&self, second: f64) -> f64 {
        self.left + (self.right - self.left) * second / self.seconds
    }

    fn y(&self, level: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * level / (self.step * self.steps)
    }

    fn line(&self, svg: &mut String, nth: usize, series: &Series) {
        let mut path = String::new();
        for (second, level) in &series.points {
            let command = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(
                path,
                "{command}{:.0} {:.1}",
                self.x(*second),
                self.y(*level)
            );
        }
        let _ = writeln!(svg, "<path class=\"line c{nth}\" d=\"{path}\"/>");
    }
}

/// The distance of the lines of a grid of four: 1, 2 or 5 times a power of ten.
fn step(most: f64, unit: &str) -> f64 {
    let least = if unit == "s" { 0.000_1 } else { 0.1 };
    let mut step = least;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if step * factor * 4.0 >= most {
                return step * factor;
            }
        }
        step *= 10.0;
    }
}

fn unit(unit: &str) -> &str {
    match unit {
        "reqps" => "requests/s",
        "cps" => "per second",
        "s" => "milliseconds",
        _ => "",
    }
}

fn value(value: f64, unit: &str) -> String {
    let value = if unit == "s" { value * 1_000.0 } else { value };
    let decimals = match value {
        value if value.fract() < 0.005 || value >= 10.0 => 0,
        value if value >= 1.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

fn shortened(name: &str, room: usize) -> String {
    match name.char_indices().nth(room) {
        Some((cut, _)) => format!("{}...", &name[..cut].trim_end()),
        None => name.to_owned(),
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), class: &str, anchor: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\">{}</text>",
        escaped(text)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
