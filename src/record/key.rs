//! Keys over columns: hashes of all rows at once, equality and order of single rows.

use std::cmp::Ordering;
use std::hash::Hasher;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    StringViewArray, TimestampMicrosecondArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};
use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

use super::touch::{STRIP, touch_texts};
use crate::{Error, Result};

/// One column of a key, cast to its type once.
///
/// Values are the same if they are equal: texts by their bytes, numbers by value (`-0.0` is `0.0`).
/// Columns of different types hold no equal values; decimals must have the same scale.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeyColumn {
    /// Texts.
    Text(StringViewArray),
    /// Whole numbers.
    Integer(Int64Array),
    /// Decimals, as units of their last digit.
    Decimal(Decimal128Array),
    /// Finite floating-point numbers.
    Float(Float64Array),
    /// Truth values.
    Boolean(BooleanArray),
    /// Days.
    Date(Date32Array),
    /// Instants or local times, in microseconds.
    Micros(TimestampMicrosecondArray),
}

/// Runs `$body` with the typed array of any column.
macro_rules! each {
    ($column:expr, $array:ident => $body:expr) => {
        match $column {
            KeyColumn::Text($array) => $body,
            KeyColumn::Integer($array) => $body,
            KeyColumn::Decimal($array) => $body,
            KeyColumn::Float($array) => $body,
            KeyColumn::Boolean($array) => $body,
            KeyColumn::Date($array) => $body,
            KeyColumn::Micros($array) => $body,
        }
    };
}

impl KeyColumn {
    /// A column of one of the layouts of a [`FieldType`](super::FieldType).
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) for any other layout.
    pub fn new(column: &dyn Array) -> Result<Self> {
        Ok(match column.data_type() {
            DataType::Utf8View => KeyColumn::Text(column.as_string_view().clone()),
            DataType::Int64 => KeyColumn::Integer(column.as_primitive::<Int64Type>().clone()),
            DataType::Decimal128(_, _) => {
                KeyColumn::Decimal(column.as_primitive::<Decimal128Type>().clone())
            }
            DataType::Float64 => KeyColumn::Float(column.as_primitive::<Float64Type>().clone()),
            DataType::Boolean => KeyColumn::Boolean(column.as_boolean().clone()),
            DataType::Date32 => KeyColumn::Date(column.as_primitive::<Date32Type>().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                KeyColumn::Micros(column.as_primitive::<TimestampMicrosecondType>().clone())
            }
            _ => {
                return Err(Error::contract(
                    "a column has a layout that no field type has; see `FieldType::data_type`",
                ));
            }
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        each!(self, array => array.len())
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The nulls, if there are any.
    pub fn nulls(&self) -> Option<&NullBuffer> {
        each!(self, array => array.nulls())
    }

    /// Whether the value is null.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Whether two values are the same; nulls count as their layout's zero, so ask for them first.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn equal(&self, row: usize, other: &KeyColumn, other_row: usize) -> bool {
        use KeyColumn::*;
        match (self, other) {
            (Text(a), Text(b)) => same_text(a, row, b, other_row),
            (Integer(a), Integer(b)) => a.value(row) == b.value(other_row),
            (Decimal(a), Decimal(b)) => a.value(row) == b.value(other_row),
            (Float(a), Float(b)) => number(a.value(row)) == number(b.value(other_row)),
            (Boolean(a), Boolean(b)) => a.value(row) == b.value(other_row),
            (Date(a), Date(b)) => a.value(row) == b.value(other_row),
            (Micros(a), Micros(b)) => a.value(row) == b.value(other_row),
            _ => false,
        }
    }

    /// The order of two values, texts by their bytes; null is the greatest.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn compare(&self, row: usize, other: &KeyColumn, other_row: usize) -> Ordering {
        use KeyColumn::*;
        match (self.is_null(row), other.is_null(other_row)) {
            (false, false) => {}
            (a, b) => return a.cmp(&b),
        }
        match (self, other) {
            (Text(a), Text(b)) => a.value(row).cmp(b.value(other_row)),
            (Integer(a), Integer(b)) => a.value(row).cmp(&b.value(other_row)),
            (Decimal(a), Decimal(b)) => a.value(row).cmp(&b.value(other_row)),
            (Float(a), Float(b)) => {
                (a.value(row) + 0.0).total_cmp(&(b.value(other_row) + 0.0)) // -0.0 + 0.0 is 0.0
            }
            (Boolean(a), Boolean(b)) => a.value(row).cmp(&b.value(other_row)),
            (Date(a), Date(b)) => a.value(row).cmp(&b.value(other_row)),
            (Micros(a), Micros(b)) => a.value(row).cmp(&b.value(other_row)),
            _ => Ordering::Equal,
        }
    }

    /// The hash of a value behind the values whose hash is `hash`.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn hash_one(&self, row: usize, hash: u64) -> u64 {
        match self {
            KeyColumn::Text(array) => mix_bytes(hash, array.value(row).as_bytes()),
            KeyColumn::Integer(array) => mix(hash, array.value(row) as u64),
            KeyColumn::Decimal(array) => mix_wide(hash, array.value(row)),
            KeyColumn::Float(array) => mix(hash, number(array.value(row))),
            KeyColumn::Boolean(array) => mix(hash, u64::from(array.value(row))),
            KeyColumn::Date(array) => mix(hash, array.value(row) as u64),
            KeyColumn::Micros(array) => mix(hash, array.value(row) as u64),
        }
    }

    /// The hash of a value, or of there being none, behind the values whose hash is `hash`.
    ///
    /// # Panics
    /// If there is no such row.
    pub(crate) fn hash_with_null(&self, row: usize, hash: u64) -> u64 {
        match self.is_null(row) {
            true => mix(mix(hash, 0), 1),
            false => self.hash_one(row, hash),
        }
    }

    /// Puts the values of all rows behind those whose hashes are `hashes`.
    fn hash_all(&self, hashes: &mut [u64]) {
        match self {
            KeyColumn::Text(array) => {
                for (strip, hashes) in hashes.chunks_mut(STRIP).enumerate() {
                    let rows = strip * STRIP..strip * STRIP + hashes.len();
                    touch_texts(rows.clone().map(|row| (array, row)));
                    for (row, hash) in rows.zip(hashes) {
                        *hash = mix_bytes(*hash, array.value(row).as_bytes());
                    }
                }
            }
            KeyColumn::Integer(array) => mix_each(hashes, array.values(), |&v| v as u64),
            KeyColumn::Float(array) => mix_each(hashes, array.values(), |&v| number(v)),
            KeyColumn::Date(array) => mix_each(hashes, array.values(), |&v| v as u64),
            KeyColumn::Micros(array) => mix_each(hashes, array.values(), |&v| v as u64),
            KeyColumn::Decimal(array) => {
                for (hash, &value) in hashes.iter_mut().zip(array.values()) {
                    *hash = mix_wide(*hash, value);
                }
            }
            KeyColumn::Boolean(array) => {
                for (row, hash) in hashes.iter_mut().enumerate() {
                    *hash = mix(*hash, u64::from(array.value(row)));
                }
            }
        }
    }
}

/// Views tell most texts apart, and most equal texts together, without a look at their bytes.
#[inline]
fn same_text(a: &StringViewArray, a_row: usize, b: &StringViewArray, b_row: usize) -> bool {
    let (a_view, b_view) = (a.views()[a_row], b.views()[b_row]);
    // Length and first four bytes.
    if a_view as u64 != b_view as u64 {
        return false;
    }
    // Up to twelve bytes stand in the view itself.
    if a_view as u32 <= 12 {
        return a_view == b_view;
    }
    a.value(a_row) == b.value(b_row)
}

/// The bits of a number; equal numbers have equal bits.
#[inline]
fn number(value: f64) -> u64 {
    (value + 0.0).to_bits() // -0.0 + 0.0 is 0.0
}

/// Hashes are keyed by their seed; what is shared may be known to all.
const SHARED: &SharedSeed = SharedSeed::global_fixed();

#[inline]
fn mix(hash: u64, value: u64) -> u64 {
    let mut hasher = FoldHasher::with_seed(hash, SHARED);
    hasher.write_u64(value);
    hasher.finish()
}

#[inline]
fn mix_wide(hash: u64, value: i128) -> u64 {
    let mut hasher = FoldHasher::with_seed(hash, SHARED);
    hasher.write_u128(value as u128);
    hasher.finish()
}

#[inline]
fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let mut hasher = FoldHasher::with_seed(hash, SHARED);
    hasher.write(bytes);
    hasher.finish()
}

#[inline]
fn mix_each<T>(hashes: &mut [u64], values: &[T], bits: impl Fn(&T) -> u64) {
    for (hash, value) in hashes.iter_mut().zip(values) {
        *hash = mix(*hash, bits(value));
    }
}

/// The columns of a key, all of one length.
///
/// ```
/// use std::sync::Arc;
/// use syncline::record::array::{ArrayRef, Int64Array, StringViewArray};
/// use syncline::record::key::KeyColumns;
///
/// let names: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b", "a"]));
/// let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(1)]));
/// let keys = KeyColumns::new(&[names, numbers])?;
/// let mut hashes = Vec::new();
/// keys.hash(7, &mut hashes);
/// assert_eq!(hashes[0], hashes[2]);
/// assert!(keys.equal(0, &keys, 2) && keys.is_null_any(1));
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeyColumns {
    columns: Vec<KeyColumn>,
    /// A row is null here if any of its parts is.
    nulls: Option<NullBuffer>,
    rows: usize,
}

impl KeyColumns {
    /// A key of these columns.
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) if there are none, their lengths differ, or one has
    /// a layout that no field type has.
    pub fn new(columns: &[ArrayRef]) -> Result<Self> {
        let typed = columns.iter().map(|column| KeyColumn::new(column));
        Self::of(typed.collect::<Result<_>>()?)
    }

    /// A key of these columns, already cast.
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) if there are none, or their lengths differ.
    pub fn of(columns: Vec<KeyColumn>) -> Result<Self> {
        let rows = columns.first().map(KeyColumn::len);
        let Some(rows) = rows.filter(|&rows| columns.iter().all(|column| column.len() == rows))
        else {
            return Err(Error::contract(
                "a key has at least one column, and all its columns have one length",
            ));
        };
        let nulls = NullBuffer::union_many(columns.iter().map(KeyColumn::nulls))
            .filter(|nulls| nulls.null_count() > 0);
        Ok(KeyColumns {
            columns,
            nulls,
            rows,
        })
    }

    /// The columns.
    pub fn columns(&self) -> &[KeyColumn] {
        &self.columns
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Puts the hash of every row into `hashes`, in place of what it held.
    ///
    /// Equal keys have equal hashes under one seed; the hash of a row with a null means nothing.
    /// Whoever knows the seed can make keys that collide, so a table of foreign keys draws its own.
    pub fn hash(&self, seed: u64, hashes: &mut Vec<u64>) {
        hashes.clear();
        hashes.resize(self.rows, seed);
        for column in &self.columns {
            column.hash_all(hashes);
        }
    }

    /// The hash of one row, as [`hash`](Self::hash) gives it.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn hash_one(&self, seed: u64, row: usize) -> u64 {
        (self.columns.iter()).fold(seed, |hash, column| column.hash_one(row, hash))
    }

    /// Whether a part of the row's key is null.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn is_null_any(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Whether two keys without nulls are the same.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn equal(&self, row: usize, other: &KeyColumns, other_row: usize) -> bool {
        self.columns.len() == other.columns.len()
            && (self.columns.iter())
                .zip(&other.columns)
                .all(|(a, b)| a.equal(row, b, other_row))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::sync::Arc;

    use super::*;

    fn every_kind() -> Vec<ArrayRef> {
        let long = "longer than the twelve bytes of a view";
        vec![
            Arc::new(StringViewArray::from(vec![
                Some("a"),
                Some(long),
                None,
                Some("a"),
            ])),
            Arc::new(Int64Array::from(vec![Some(1), Some(-1), None, Some(1)])),
            Arc::new(Decimal128Array::from(vec![
                Some(1),
                Some(-1),
                None,
                Some(1),
            ])),
            Arc::new(Float64Array::from(vec![
                Some(0.0),
                Some(1.5),
                None,
                Some(-0.0),
            ])),
            Arc::new(BooleanArray::from(vec![
                Some(true),
                Some(false),
                None,
                Some(true),
            ])),
            Arc::new(Date32Array::from(vec![Some(1), Some(-1), None, Some(1)])),
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(1),
                Some(-1),
                None,
                Some(1),
            ])),
        ]
    }

    #[test]
    fn equal_keys_are_equal_and_hash_alike_in_every_type() {
        let all = every_kind();
        let sets = all.iter().map(std::slice::from_ref).chain([all.as_slice()]);
        for columns in sets {
            let keys = KeyColumns::new(columns).unwrap();
            let mut hashes = Vec::new();
            keys.hash(9, &mut hashes);
            assert_eq!(hashes[0], hashes[3]);
            assert_ne!(hashes[0], hashes[1]);
            assert_eq!(hashes[1], keys.hash_one(9, 1));
            assert!(keys.equal(0, &keys, 3));
            assert!(!keys.equal(0, &keys, 1));
            assert_eq!(
                [0, 1, 2, 3].map(|row| keys.is_null_any(row)),
                [false, false, true, false]
            );
        }
    }

    #[test]
    fn equality_reaches_across_arrays() {
        let a = StringViewArray::from(vec!["the same long text, twice", "another"]);
        let b = StringViewArray::from(vec![
            "another",
            "the same long text, twice",
            "the same long text, not",
        ]);
        let (a, b) = (KeyColumn::Text(a), KeyColumn::Text(b));
        assert!(a.equal(0, &b, 1) && a.equal(1, &b, 0));
        assert!(!a.equal(0, &b, 2) && !a.equal(0, &b, 0));
        assert_eq!(a.hash_one(0, 3), b.hash_one(1, 3));
    }

    #[test]
    fn order_is_by_value_with_null_last() {
        for column in every_kind() {
            let column = KeyColumn::new(&column).unwrap();
            assert_eq!(column.compare(0, &column, 3), Ordering::Equal);
            assert_eq!(column.compare(0, &column, 2), Ordering::Less);
            assert_eq!(column.compare(2, &column, 1), Ordering::Greater);
            assert_eq!(column.compare(2, &column, 2), Ordering::Equal);
        }
        let numbers = KeyColumn::Integer(Int64Array::from(vec![-5, 3]));
        assert_eq!(numbers.compare(0, &numbers, 1), Ordering::Less);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let text = |values: [&'static str; 2]| -> ArrayRef {
            Arc::new(StringViewArray::from(values.to_vec()))
        };
        let keys = KeyColumns::new(&[text(["a", "ab"]), text(["bc", "c"])]).unwrap();
        let mut hashes = Vec::new();
        keys.hash(1, &mut hashes);
        assert_ne!(hashes[0], hashes[1]);
    }

    #[test]
    fn a_foreign_layout_is_refused() {
        let column: ArrayRef = Arc::new(arrow_array::Int32Array::from(vec![1]));
        assert!(KeyColumn::new(&column).is_err());
        assert!(KeyColumns::new(&[]).is_err());
    }
}
