//! Durations in attributes: `"500ms"`, `"60s"`, `"5m"`, `"1h"`, and `"none"` for no limit.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;

/// Parses a duration. `"none"` and `"0"` become [`Duration::ZERO`], as in `Message::TIMEOUT`.
pub(crate) fn parse(literal: &LitStr) -> syn::Result<Duration> {
    let text = literal.value();
    from_text(text.trim()).ok_or_else(|| {
        let advice = "write a whole number with its unit, such as \"500ms\", \"60s\", \"5m\" or \"1h\", \
                      or \"none\" for no limit";
        syn::Error::new(literal.span(), format!("`{text}` is not a duration: {advice}"))
    })
}

fn from_text(text: &str) -> Option<Duration> {
    if matches!(text, "0" | "none") {
        return Some(Duration::ZERO);
    }
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit.trim_start() {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// Constant expression for `duration`, in the largest unit that fits.
pub(crate) fn expression(duration: Duration) -> TokenStream {
    let seconds = duration.as_secs();
    if duration.is_zero() {
        quote!(::core::time::Duration::ZERO)
    } else if duration.subsec_nanos() == 0 {
        quote!(::core::time::Duration::from_secs(#seconds))
    } else {
        // Cannot overflow: a fraction of a second comes only from "ms", whose number is a `u64`.
        let millis = duration.as_millis() as u64;
        quote!(::core::time::Duration::from_millis(#millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_parsed() {
        let cases = [
            ("500ms", Duration::from_millis(500)),
            ("60s", Duration::from_secs(60)),
            ("5m", Duration::from_secs(300)),
            ("1h", Duration::from_secs(3600)),
            ("2 s", Duration::from_secs(2)),
            ("0", Duration::ZERO),
            ("none", Duration::ZERO),
        ];
        for (text, expected) in cases {
            assert_eq!(from_text(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn malformed_durations_are_rejected() {
        for text in [
            "",
            "60",
            "s",
            "-1s",
            "1.5s",
            "1d",
            "1s1s",
            "+5s",
            "99999999999999999999s",
            "9999999999999999999h",
        ] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }

    #[test]
    fn the_expression_uses_the_largest_unit() {
        let cases = [
            ("0", ":: core :: time :: Duration :: ZERO"),
            ("2000ms", ":: core :: time :: Duration :: from_secs (2u64)"),
            ("1500ms", ":: core :: time :: Duration :: from_millis (1500u64)"),
        ];
        for (text, expected) in cases {
            assert_eq!(from_text(text).map(|d| expression(d).to_string()).as_deref(), Some(expected));
        }
    }
}
