//! Numbers to numbers, one value at a time; `None` is a value that does not fit.

/// How a number with more digits than its target is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::record) enum Rounding {
    /// It does not fit.
    None,
    /// It is rounded to the nearest, and from the middle to the even neighbour.
    HalfEven,
}

/// The digits of a decimal type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::record) struct Digits {
    pub(in crate::record) precision: u8,
    pub(in crate::record) scale: u8,
}

impl Digits {
    /// `value`, if it has no more digits than there are.
    #[inline]
    fn bound(self, value: i128) -> Option<i128> {
        (value.unsigned_abs() < pow10(self.precision).unsigned_abs()).then_some(value)
    }

    /// A number that counts units of the digit `scale` behind the point.
    #[inline]
    pub(in crate::record) fn of(self, value: i128, scale: u8, rounding: Rounding) -> Option<i128> {
        let value = if scale <= self.scale {
            product(value, pow10(self.scale - scale))?
        } else {
            shorten(value, u32::from(scale - self.scale), rounding)?
        };
        self.bound(value)
    }

    /// The number that a float stands for ([module docs](super)).
    pub(in crate::record) fn of_float(self, value: f64, rounding: Rounding) -> Option<i128> {
        if !value.is_finite() {
            return None;
        }
        // Nearly every float is a decimal of at most 15 digits. Such a decimal is the only one of its
        // length that reads back as the float, so it is the float's shortest text.
        if let Some(&unit) = POWERS.get(usize::from(self.scale)) {
            let units = (value * unit).round_ties_even();
            if units.abs() < 1e15 && units / unit == value {
                return self.bound(units as i128);
            }
        }
        self.of_long_float(value, rounding)
    }

    #[cold]
    fn of_long_float(self, value: f64, rounding: Rounding) -> Option<i128> {
        if value.abs() >= WHOLE {
            let whole = (value.abs() < 1e38).then_some(value as i128)?;
            return self.of(whole, 0, rounding);
        }
        // `-1.25e-7`: the shortest digits, at most 17 of them, and where the point belongs.
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e')?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let units: i128 = format!("{whole}{fraction}").parse().ok()?;
        let exponent = exponent.parse::<i32>().ok()? - i32::try_from(fraction.len()).ok()?;
        let shift = exponent + i32::from(self.scale);
        let units = match u32::try_from(shift) {
            Ok(up) => units.checked_mul(10i128.checked_pow(up)?)?,
            Err(_) => shorten(units, shift.unsigned_abs(), rounding)?,
        };
        self.bound(units)
    }
}

/// Drops the last `count` digits.
fn shorten(value: i128, count: u32, rounding: Rounding) -> Option<i128> {
    let Some(unit) = 10i128.checked_pow(count) else {
        // More digits than a decimal has: what remains is less than half a unit.
        return (value == 0 || rounding == Rounding::HalfEven).then_some(0);
    };
    let (kept, rest) = (value / unit, value % unit);
    if rest == 0 {
        return Some(kept);
    }
    if rounding == Rounding::None {
        return None;
    }
    let away = match (rest.unsigned_abs()).cmp(&(unit.unsigned_abs() - rest.unsigned_abs())) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => kept % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    Some(if away { kept + value.signum() } else { kept })
}

/// From here on every float is a whole number.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// The powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The product, if it fits. Most numbers fit 64 bits, and the product of two such cannot overflow.
#[inline]
pub(crate) fn product(a: i128, b: i128) -> Option<i128> {
    if i128::from(a as i64) == a && i128::from(b as i64) == b {
        Some(i128::from(a as i64) * i128::from(b as i64))
    } else {
        a.checked_mul(b)
    }
}

#[inline]
fn pow10(digits: u8) -> i128 {
    10i128.saturating_pow(u32::from(digits))
}

/// A decimal to the nearest float; [`Rounding::None`] wants the same number back.
pub(in crate::record) fn float_of_decimal(
    value: i128,
    scale: u8,
    rounding: Rounding,
) -> Option<f64> {
    let float = match POWERS.get(usize::from(scale)) {
        // Both are exact as floats, so the one rounding of the division is the nearest.
        Some(&unit) if value.unsigned_abs() <= 1 << 53 => value as f64 / unit,
        _ => {
            let mut text = Vec::with_capacity(48);
            crate::record::format::decimal(value, scale, &mut text);
            std::str::from_utf8(&text).ok()?.parse().ok()?
        }
    };
    let widest = Digits {
        precision: 38,
        scale,
    };
    // Up to 15 digits always come back.
    let same = rounding == Rounding::HalfEven
        || value.unsigned_abs() < 1_000_000_000_000_000
        || widest.of_float(float, Rounding::None) == Some(value);
    same.then_some(float)
}

/// An integer to the nearest float; [`Rounding::None`] wants the same number back.
#[inline]
pub(in crate::record) fn float_of_integer(value: i64, rounding: Rounding) -> Option<f64> {
    let float = value as f64;
    (rounding == Rounding::HalfEven || float as i128 == i128::from(value)).then_some(float)
}

/// A float to a whole number of 64 bits.
#[inline]
pub(in crate::record) fn integer_of_float(value: f64, rounding: Rounding) -> Option<i64> {
    let whole = value.round_ties_even();
    // The upper bound is the first float that is too large; NaN is in no range.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole);
    (fits && (rounding == Rounding::HalfEven || whole == value)).then_some(whole as i64)
}

/// A decimal to a whole number of 64 bits.
#[inline]
pub(in crate::record) fn integer_of_decimal(
    value: i128,
    scale: u8,
    rounding: Rounding,
) -> Option<i64> {
    i64::try_from(shorten(value, u32::from(scale), rounding)?).ok()
}
