//! Bringing values into the cache some time before they are used.
//!
//! Memory answers many questions at the same time, if they are asked before the first answer is needed. A
//! processor runs ahead of what it waits for by some hundred instructions, so what is used one by one, each
//! with a long computation, waits for each alone. Therefore a strip of values is touched first, in loops so
//! short that nearly the whole strip is asked for at once. Nothing but time depends on this.

use std::hint::black_box;

use arrow_array::StringViewArray;

use super::key::KeyColumn;

/// How many values are touched before the first of them is used.
pub(crate) const STRIP: usize = 64;

/// The longest text that stands in its view.
const IN_VIEW: u32 = 12;

/// Touches values, at most [`STRIP`] of them, wherever they stand; what is more is left out.
pub(crate) fn touch<'a>(values: impl Iterator<Item = (&'a KeyColumn, usize)>) {
    let mut any = 0u8;
    // Where a text stands is known when its view is there, so all views come first.
    let mut views: [Option<(&StringViewArray, u128)>; STRIP] = [None; STRIP];
    for ((column, row), place) in values.zip(&mut views) {
        match column {
            KeyColumn::Text(array) => {
                *place = array.views().get(row).map(|&view| (array, view));
            }
            KeyColumn::Integer(array) => any ^= array.values().get(row).map_or(0, |&v| v as u8),
            KeyColumn::Decimal(array) => any ^= array.values().get(row).map_or(0, |&v| v as u8),
            KeyColumn::Float(array) => {
                any ^= array.values().get(row).map_or(0, |&v| v.to_bits() as u8)
            }
            KeyColumn::Boolean(array) => any ^= u8::from(row < array.len() && array.value(row)),
            KeyColumn::Date(array) => any ^= array.values().get(row).map_or(0, |&v| v as u8),
            KeyColumn::Micros(array) => any ^= array.values().get(row).map_or(0, |&v| v as u8),
        }
    }
    for (array, view) in views.iter().map_while(|view| *view) {
        any ^= first_byte(array, view);
    }
    black_box(any);
}

/// Touches texts, any number of them.
pub(crate) fn touch_texts<'a>(texts: impl Iterator<Item = (&'a StringViewArray, usize)>) {
    let any = texts.fold(0, |any, (texts, row)| match texts.views().get(row) {
        Some(&view) => any ^ first_byte(texts, view),
        None => any,
    });
    black_box(any);
}

/// The first byte of a text that does not stand in its view.
#[inline(always)]
fn first_byte(texts: &StringViewArray, view: u128) -> u8 {
    if view as u32 <= IN_VIEW {
        return 0;
    }
    let (buffer, offset) = ((view >> 64) as u32, (view >> 96) as u32);
    let buffer = texts.data_buffers().get(buffer as usize);
    let byte = buffer.and_then(|buffer| buffer.as_slice().get(offset as usize));
    byte.copied().unwrap_or(0)
}
