//! Numbers as the report shows them.

/// At most three significant digits, as many as mean something.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}

/// Two decimals of a ratio, or three of a small one.
pub(crate) fn short_ratio(ratio: f64) -> String {
    if ratio < 0.1 {
        format!("{ratio:.3}")
    } else {
        format!("{ratio:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_three_digits() {
        assert_eq!(short(1_234.56), "1235");
        assert_eq!(short(55.44), "55.4");
        assert_eq!(short(8.456), "8.46");
        assert_eq!(short(0.0), "0");
        assert_eq!(short_ratio(0.0456), "0.046");
    }
}
