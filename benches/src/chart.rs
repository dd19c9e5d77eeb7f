//! The picture of `docs/performance.md`: how long we take where the peer takes 1, on a logarithmic scale.

use std::fmt::Write as _;

use crate::measure::Found;
use crate::numbers::short_ratio;

const LABELS: f64 = 210.0;
const PLOT: f64 = 460.0;
const ROW: f64 = 22.0;
const TOP: f64 = 56.0;
/// The ends of the scale.
const LEAST: f64 = 0.01;
const MOST: f64 = 4.0;

/// Draws every measure of time that has a ratio and was not disturbed.
pub(crate) fn draw(all: &[Found]) -> String {
    let bars: Vec<(&str, f64, &str)> = all
        .iter()
        .filter_map(|found| {
            let outcome = found.outcome.as_ref().ok()?;
            let (peer, _) = outcome.peers.first()?;
            (outcome.unit == "ns" && !outcome.disturbed && is_peer(peer)).then_some((
                found.measure.name,
                found.ratio()?,
                peer.as_str(),
            ))
        })
        .collect();
    let count = u32::try_from(bars.len()).map_or(0.0, f64::from);
    let bottom = TOP + count * ROW;
    let (width, height) = (LABELS + PLOT + 230.0, bottom + 34.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"Time of palisade where the peer takes 1, for each measure\">\n\
         <style>\n\
         text {{ font: 12px system-ui, sans-serif; fill: #1f2328 }}\n\
         .muted {{ fill: #656d76 }}\n\
         .grid {{ stroke: #d0d7de }}\n\
         .one {{ stroke: #656d76; stroke-width: 1.5 }}\n\
         .faster {{ fill: #1a7f64 }}\n\
         .slower {{ fill: #bc4c00 }}\n\
         .page {{ fill: #ffffff }}\n\
         @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .muted {{ fill: #9198a1 }} .grid {{ stroke: #30363d }} \
         .one {{ stroke: #9198a1 }} .faster {{ fill: #3fb68e }} .slower {{ fill: #f0883e }} .page {{ fill: #0d1117 }} }}\n\
         </style>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n\
         <text x=\"12\" y=\"22\" font-weight=\"600\">Time of palisade where the peer takes 1 (shorter is faster)</text>\n"
    );
    for tick in [0.01, 0.03, 0.1, 0.3, 1.0, 3.0] {
        let x = LABELS + along(tick);
        let class = if (tick - 1.0_f64).abs() < f64::EPSILON {
            "one"
        } else {
            "grid"
        };
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\
             <text class=\"muted\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            TOP - 8.0,
            TOP - 14.0,
        );
    }
    let mut y = TOP;
    for (name, ratio, peer) in bars {
        let class = if ratio <= 1.0 { "faster" } else { "slower" };
        let (from, to) = (0.0, along(ratio).max(2.0));
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\
             <rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{}\" rx=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}<tspan class=\"muted\" dx=\"6\">of {peer}</tspan></text>",
            LABELS - 8.0,
            y + 15.0,
            LABELS + from,
            y + 4.0,
            to - from,
            ROW - 8.0,
            LABELS + to + 6.0,
            y + 15.0,
            short_ratio(ratio),
        );
        y += ROW;
    }
    svg.push_str("</svg>\n");
    svg
}

/// Whether this is what somebody else offers, and neither a floor nor another setting of ours.
fn is_peer(name: &str) -> bool {
    !name.ends_with(" alone") && !name.starts_with("ours ")
}

/// The position of a ratio on the scale.
fn along(ratio: f64) -> f64 {
    let ratio = ratio.clamp(LEAST, MOST);
    PLOT * (ratio / LEAST).log10() / (MOST / LEAST).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_no_peer() {
        assert!(is_peer("tower_governor 0.8.0"));
        assert!(!is_peer("ring 0.17.14 alone") && !is_peer("ours with one origin"));
    }

    #[test]
    fn the_scale_is_logarithmic_and_bounded() {
        assert!((along(LEAST)).abs() < 1e-9);
        assert!((along(MOST) - PLOT).abs() < 1e-9);
        assert!(
            (along(0.2) - PLOT / 2.0).abs() < 1e-9,
            "the geometric middle of 0.01 and 4"
        );
        assert!((along(1e9) - PLOT).abs() < 1e-9);
    }
}
