//! Numbers against plain references.

use proptest::prelude::*;

use super::super::number::{self, Digits, Rounding};
use crate::record::{format, parse};

/// The decimal that a float stands for, by its text.
fn decimal_by_text(value: f64, precision: u8, scale: u8) -> Option<i128> {
    let text = if value.abs() < 9_007_199_254_740_992.0 {
        format!("{value}")
    } else {
        format!("{value:.0}")
    };
    parse::decimal(text.as_bytes(), precision, scale)
}

fn float_by_text(value: i128, scale: u8) -> f64 {
    let mut text = Vec::new();
    format::decimal(value, scale, &mut text);
    String::from_utf8(text).unwrap().parse().unwrap()
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        (any::<i64>(), 0..18i32).prop_map(|(units, scale)| units as f64 / 10f64.powi(scale)),
        (any::<i32>(), 0..9i32).prop_map(|(units, scale)| f64::from(units) / 10f64.powi(scale)),
        any::<i64>().prop_map(|whole| whole as f64),
    ]
}

fn decimal() -> impl Strategy<Value = i128> {
    (any::<i128>(), 0..38u32).prop_map(|(value, digits)| value % 10i128.pow(38 - digits))
}

/// `result` units of 10^`dropped` are `value`, rounded half to even.
fn is_nearest(value: i128, result: i128, dropped: u32) -> bool {
    let unit = 10i128.pow(dropped);
    let off = (value - result * unit).abs();
    off * 2 < unit || (off * 2 == unit && result % 2 == 0)
}

proptest! {
    #[test]
    fn a_float_is_the_decimal_of_its_text(value in float(), precision in 1..=38u8, scale in 0..=38u8) {
        let digits = Digits { precision, scale: scale.min(precision) };
        prop_assert_eq!(
            digits.of_float(value, Rounding::None),
            decimal_by_text(value, precision, digits.scale)
        );
    }

    #[test]
    fn a_decimal_becomes_the_nearest_float_or_none(value in decimal(), scale in 0..=38u8) {
        let nearest = float_by_text(value, scale);
        prop_assert_eq!(number::float_of_decimal(value, scale, Rounding::HalfEven), Some(nearest));
        let same = decimal_by_text(nearest, 38, scale) == Some(value);
        prop_assert_eq!(number::float_of_decimal(value, scale, Rounding::None), same.then_some(nearest));
    }

    #[test]
    fn fewer_digits_are_refused_or_rounded_half_to_even(value in decimal(), scale in 0..=30u8, to in 0..=30u8) {
        let digits = Digits { precision: 38, scale: to };
        let (strict, rounded) = (digits.of(value, scale, Rounding::None), digits.of(value, scale, Rounding::HalfEven));
        if to >= scale {
            let unit = 10i128.pow(u32::from(to - scale));
            let expected = value.checked_mul(unit).filter(|v| v.abs() < 10i128.pow(38));
            prop_assert_eq!((strict, rounded), (expected, expected));
        } else {
            let dropped = u32::from(scale - to);
            let rounded = rounded.unwrap();
            prop_assert!(is_nearest(value, rounded, dropped));
            prop_assert_eq!(strict, (value % 10i128.pow(dropped) == 0).then_some(rounded));
        }
    }

    #[test]
    fn a_float_of_many_digits_is_rounded_by_its_text(units in -1_000_000_000_000i64..1_000_000_000_000, scale in 0..9u8, to in 0..9u8) {
        let value = float_by_text(units.into(), scale);
        let digits = Digits { precision: 30, scale: to };
        let by_decimal = digits.of(units.into(), scale, Rounding::HalfEven);
        prop_assert_eq!(digits.of_float(value, Rounding::HalfEven), by_decimal);
    }

    #[test]
    fn integers_and_floats(value in any::<i64>(), float in float()) {
        prop_assert_eq!(number::float_of_integer(value, Rounding::None), decimal_by_text(value as f64, 38, 0)
            .filter(|&back| back == i128::from(value)).map(|_| value as f64));
        let whole = (float.fract() == 0.0).then(|| decimal_by_text(float, 38, 0)).flatten();
        prop_assert_eq!(number::integer_of_float(float, Rounding::None), whole.and_then(|v| i64::try_from(v).ok()));
    }
}

#[test]
fn rounding_goes_from_the_middle_to_the_even_neighbour() {
    let digits = Digits {
        precision: 10,
        scale: 0,
    };
    for (float, decimal, whole) in [
        (2.5, 25, 2),
        (3.5, 35, 4),
        (-2.5, -25, -2),
        (-0.5, -5, 0),
        (2.6, 26, 3),
    ] {
        assert_eq!(
            number::integer_of_float(float, Rounding::HalfEven),
            Some(whole)
        );
        assert_eq!(
            number::integer_of_decimal(decimal, 1, Rounding::HalfEven),
            Some(whole)
        );
        assert_eq!(
            digits.of_float(float, Rounding::HalfEven),
            Some(whole.into())
        );
        assert_eq!(
            digits.of(decimal, 1, Rounding::HalfEven),
            Some(whole.into())
        );
    }
    // Rounded up to one digit more than there is room for.
    let two = Digits {
        precision: 2,
        scale: 0,
    };
    assert_eq!(two.of(995, 1, Rounding::HalfEven), None);
    // 2.675 is stored as a little less, and stands for 2.675.
    let cents = Digits {
        precision: 9,
        scale: 2,
    };
    assert_eq!(cents.of_float(2.675, Rounding::HalfEven), Some(268));
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(number::integer_of_float(value, Rounding::HalfEven), None);
        assert_eq!(cents.of_float(value, Rounding::HalfEven), None);
    }
}
