use super::*;
use proptest::prelude::*;

fn bits(text: &str) -> Result<u64, RateError> {
    text.parse::<Rate>().map(Rate::bits)
}

#[test]
fn units_are_those_of_tc() {
    for (text, expected) in [
        ("50mbit", 50_000_000),
        ("10Mbit", 10_000_000),
        ("500kbit", 500_000),
        ("1gbit", 1_000_000_000),
        ("128000bit", 128_000),
        ("128000", 128_000),
        ("16kbps", 128_000),
        ("100kbps", 800_000),
        ("1mbps", 8_000_000),
        ("16000bps", 128_000),
        ("1mibit", 1_048_576),
        ("1mibps", 8_388_608),
        ("0.1tbit", 100_000_000_000),
        ("1.5mbit", 1_500_000),
        ("2.0000000000001mbit", 2_000_000),
        ("0128kbit", 128_000),
    ] {
        assert_eq!(bits(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_rate_says_what_to_write() {
    for text in [
        "",
        "mbit",
        "fast",
        "50 mbit",
        " 50mbit",
        "-5mbit",
        "+5mbit",
        "5e6",
        "1.mbit",
        ".5mbit",
        "1.2.3mbit",
        "50%",
        "5mb",
        "50mbit/s",
        "٥mbit",
        "none",
    ] {
        let error = bits(text).unwrap_err();
        assert_eq!(error, RateError::Unreadable(text.to_owned()), "{text}");
        assert!(error.to_string().contains("50mbit"));
    }
    let long = "9".repeat(100_000) + "x";
    assert!(bits(&long).unwrap_err().to_string().len() < 300);
}

#[test]
fn what_is_too_slow_or_too_fast_says_the_bounds() {
    let most = "9".repeat(200);
    for text in ["0", "127999", "127.999kbit", "100.001gbit", "1tbit", &most] {
        let error = bits(text).unwrap_err();
        assert!(matches!(error, RateError::OutOfBounds(_)), "{text}");
        assert!(error.to_string().contains("128kbit to 100gbit"), "{error}");
    }
    assert_eq!(bits("128kbit"), Ok(Rate::MIN));
    assert_eq!(bits("100gbit"), Ok(Rate::MAX));
}

#[test]
fn a_rate_is_written_in_the_largest_unit_that_needs_no_point() {
    for (given, shown) in [
        ("1000mbit", "1gbit"),
        ("1500mbit", "1500mbit"),
        ("100kbps", "800kbit"),
        ("128001", "128001bit"),
        ("1.5mbit", "1500kbit"),
    ] {
        assert_eq!(given.parse::<Rate>().unwrap().to_string(), shown);
    }
}

proptest! {
    #[test]
    fn every_rate_is_read_as_it_is_written(bits in Rate::MIN..=Rate::MAX) {
        let rate = Rate::try_from(bits).unwrap();
        prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        prop_assert_eq!(bits.to_string().parse(), Ok(rate));
    }

    #[test]
    fn a_point_moves_the_unit_by_a_thousand(thousands in 128_u64..100_000_000) {
        let text = format!("{}.{:03}mbit", thousands / 1000, thousands % 1000);
        prop_assert_eq!(bits(&text), Ok(thousands * 1000));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,60}") {
        let _ = text.parse::<Rate>();
    }

    #[test]
    fn no_number_makes_it_panic(text in "[0-9.]{0,60}[kmgt]?i?(bit|bps)") {
        let _ = text.parse::<Rate>();
    }
}
