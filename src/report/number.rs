//! Numbers for people: three digits that matter, a unit, and an interval where there is one.
//!
//! A number that is not finite shows as `–`, and never as a number.

/// What stands where there is no number.
pub const NOTHING: &str = "–";

/// A count in thousands, millions and so on: `640`, `5.29 M`, `1.20 G`.
pub fn count(count: f64) -> String {
    scaled(count, 1e3, &["", " k", " M", " G", " T", " P"])
}

/// Bytes in powers of 1024: `512 B`, `1.50 GiB`.
pub fn bytes(bytes: f64) -> String {
    scaled(bytes, 1024.0, &[" B", " KiB", " MiB", " GiB", " TiB", " PiB"])
}

/// A share of one in percent: `81.2 %`.
pub fn share(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", share * 100.0) } else { NOTHING.to_owned() }
}

/// A share with its interval: `81.2 % (79.9–82.4)`.
pub fn share_within(estimate: f64, low: f64, high: f64) -> String {
    within(share(estimate), [low, high].map(|end| format!("{:.1}", end * 100.0)), [estimate, low, high])
}

/// A difference of shares, in points of a percent: `+1.3`, `−0.4`.
pub fn points(difference: f64) -> String {
    if difference.is_finite() { signed(difference * 100.0, 1) } else { NOTHING.to_owned() }
}

/// A factor: `1.32×`.
pub fn factor(factor: f64) -> String {
    if factor.is_finite() { format!("{}×", three_digits(factor)) } else { NOTHING.to_owned() }
}

/// A number with its sign, also where it is above zero.
fn signed(number: f64, digits: usize) -> String {
    let rounded = format!("{:.digits$}", number.abs());
    match number {
        _ if rounded.parse() == Ok(0.0) => rounded,
        n if n < 0.0 => format!("−{rounded}"),
        _ => format!("+{rounded}"),
    }
}

/// A share of one as a bar in eighths of a place, as wide for every share, and the share: `███    0.500`.
pub fn bar(share: f64) -> String {
    /// Places of a whole bar.
    const WIDTH: usize = 6;
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if !share.is_finite() {
        return NOTHING.to_owned();
    }
    let eighths = (share.clamp(0.0, 1.0) * (8 * WIDTH) as f64).round() as usize;
    let bar = "█".repeat(eighths / 8) + PARTS[eighths % 8];
    format!("{bar:WIDTH$} {share:.3}")
}

/// So many a second, with thousands set off: `0.842`, `41.7`, `1,234`.
pub fn rate(rate: f64) -> String {
    if !rate.is_finite() {
        return NOTHING.to_owned();
    }
    let digits = three_digits(rate);
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let whole = with_thousands(whole);
    if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
}

/// Images per second with their interval: `1,234 images/s (1,201–1,260)`.
pub fn images_per_s(median: f64, low: f64, high: f64) -> String {
    within(format!("{} images/s", rate(median)), [low, high].map(rate), [median, low, high])
}

/// A duration in its two largest units: `38 ms`, `4.25 s`, `3 m 12 s`, `1 h 05 m`, `2 d 03 h`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return NOTHING.to_owned();
    }
    // Each unit begins where the one below would round up to it.
    match seconds {
        0.0 => "0 s".to_owned(),
        s if s < 999.5e-6 => format!("{} µs", three_digits(s * 1e6)),
        s if s < 0.9995 => format!("{} ms", three_digits(s * 1e3)),
        s if s < 59.95 => format!("{} s", three_digits(s)),
        s if s < 3599.5 => two_units(s.round(), 60.0, ["m", "s"]),
        s if s < 86_370.0 => two_units((s / 60.0).round(), 60.0, ["h", "m"]),
        s => two_units((s / 3600.0).round(), 24.0, ["d", "h"]),
    }
}

/// `total` small units, of which `per` make a large one.
fn two_units(total: f64, per: f64, [large, small]: [&str; 2]) -> String {
    format!("{} {large} {:02} {small}", (total / per).floor(), total % per)
}

/// `estimate` with the ends of its interval, if all of `numbers` are finite.
fn within(estimate: String, [low, high]: [String; 2], numbers: [f64; 3]) -> String {
    if numbers.iter().all(|number| number.is_finite()) {
        format!("{estimate} ({low}–{high})")
    } else {
        estimate
    }
}

/// `number` in the largest unit that leaves at least one before the point.
fn scaled(number: f64, step: f64, units: &[&str]) -> String {
    if !number.is_finite() {
        return NOTHING.to_owned();
    }
    let mut scaled = number;
    let mut units = units.iter().peekable();
    let mut unit = units.next().copied().unwrap_or_default();
    // 999.6 k would round to 1000 k, and is 1.00 M; in steps of 1024 it is 1000 KiB.
    while scaled.abs().round() >= step
        && let Some(larger) = units.next()
    {
        scaled /= step;
        unit = larger;
    }
    let whole = scaled == number && number.fract() == 0.0;
    let digits = if whole { format!("{number}") } else { three_digits(scaled) };
    format!("{digits}{unit}")
}

/// A number to three digits that matter: `2.30`, `0.000488`.
pub fn rounded(number: f64) -> String {
    if number.is_finite() { three_digits(number) } else { NOTHING.to_owned() }
}

/// Three significant digits, never with an exponent: `0.0421`, `4.21`, `42.1`, `421`, `4210`.
fn three_digits(number: f64) -> String {
    let magnitude = if number == 0.0 { 0.0 } else { number.abs().log10().floor() };
    let decimals = |magnitude: f64| (2.0 - magnitude).clamp(0.0, 12.0) as usize;
    let shown = format!("{number:.*}", decimals(magnitude));
    // 9.996 rounds to 10.00, which is one digit too many.
    let rounded = shown.parse::<f64>().unwrap_or(number).abs();
    if magnitude < 2.0 && rounded >= 10_f64.powf(magnitude + 1.0) {
        format!("{number:.*}", decimals(magnitude + 1.0))
    } else {
        shown
    }
}

/// `-1234567` as `-1,234,567`.
fn with_thousands(whole: &str) -> String {
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(format: impl Fn(f64) -> String, cases: &[(f64, &str)]) {
        let wrong: Vec<_> = cases
            .iter()
            .map(|&(number, expected)| (number, expected, format(number)))
            .filter(|(_, expected, found)| expected != found)
            .collect();
        assert!(wrong.is_empty(), "(number, expected, found): {wrong:?}");
    }

    #[test]
    fn a_bar_is_as_long_as_its_share_and_every_one_as_wide() {
        assert_eq!(bar(0.5), "███    0.500");
        assert_eq!([bar(0.0), bar(1.0)], ["       0.000", "██████ 1.000"]);
        // An eighth of a place is a 48th.
        assert_eq!([bar(1.0 / 48.0), bar(0.25)], ["▏      0.021", "█▌     0.250"]);
        assert!(bar(1.0 + 1e-9).starts_with("██████ ") && bar(-1e-9).starts_with("       "));
        assert_eq!(bar(f64::NAN), NOTHING);
    }

    #[test]
    fn a_loss_is_rounded() {
        check(
            rounded,
            &[(2.3029094, "2.30"), (0.00048828125, "0.000488"), (0.0, "0.00"), (f64::NAN, NOTHING)],
        );
    }

    #[test]
    fn counts_keep_three_digits() {
        check(
            count,
            &[
                (0.0, "0"),
                (640.0, "640"),
                (999.0, "999"),
                (1000.0, "1.00 k"),
                (5_288_548.0, "5.29 M"),
                (999_499.0, "999 k"),
                (999_600.0, "1.00 M"),
                (390e6, "390 M"),
                (1.2e9, "1.20 G"),
                (9.996e9, "10.0 G"),
                (3e20, "300000 P"),
                (0.5, "0.500"),
                (-4200.0, "-4.20 k"),
                (f64::NAN, "–"),
            ],
        );
    }

    #[test]
    fn bytes_count_in_powers_of_two() {
        check(
            bytes,
            &[
                (512.0, "512 B"),
                (1023.0, "1023 B"),
                (1024.0, "1.00 KiB"),
                (1024.0 * 1000.0, "1000 KiB"),
                (1.5 * 1024.0 * 1024.0 * 1024.0, "1.50 GiB"),
            ],
        );
    }

    #[test]
    fn shares_are_percentages() {
        check(share, &[(0.8123, "81.2 %"), (1.0, "100.0 %"), (0.0, "0.0 %"), (f64::NAN, "–")]);
        assert_eq!(share_within(0.8112, 0.7982, 0.8242), "81.1 % (79.8–82.4)");
        assert_eq!(share_within(0.8112, f64::NAN, 1.0), "81.1 %");
    }

    #[test]
    fn durations_show_their_two_largest_units() {
        check(
            duration,
            &[
                (0.0, "0 s"),
                (12.3e-6, "12.3 µs"),
                (0.0384, "38.4 ms"),
                (0.9996, "1.00 s"),
                (4.25, "4.25 s"),
                (59.94, "59.9 s"),
                (59.96, "1 m 00 s"),
                (192.0, "3 m 12 s"),
                (3599.4, "59 m 59 s"),
                (3599.6, "1 h 00 m"),
                (3900.0, "1 h 05 m"),
                (86_369.0, "23 h 59 m"),
                (86_399.0, "1 d 00 h"),
                (183_600.0, "2 d 03 h"),
                (-1.0, "–"),
                (f64::INFINITY, "–"),
            ],
        );
    }

    #[test]
    fn rates_set_thousands_off() {
        check(
            rate,
            &[(0.8421, "0.842"), (41.72, "41.7"), (412.4, "412"), (1234.4, "1,234"), (1e7, "10,000,000")],
        );
        assert_eq!(images_per_s(1234.0, 1201.0, 1260.4), "1,234 images/s (1,201–1,260)");
        assert_eq!(images_per_s(9.996, f64::NAN, f64::NAN), "10.0 images/s");
    }

    proptest! {
        #[test]
        fn three_digits_are_right_to_half_a_unit_in_the_third(number in 1e-6_f64..1e9) {
            let shown: f64 = three_digits(number).parse().unwrap();
            prop_assert!((shown - number).abs() <= 0.005_000_1 * number, "{} for {}", shown, number);
        }
    }
}
