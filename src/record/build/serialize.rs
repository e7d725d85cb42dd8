//! Rows and cells out of whatever serializes.

use std::fmt;

use serde::ser::{self, Impossible, Serialize, Serializer};

use super::cell::{self, Cell};
use super::finite::is_finite;
use super::{RecordBuilder, Refusal};
use crate::record::{FieldType, Reason};

/// Reads a struct or a map into the row at hand.
pub(super) fn row<T: Serialize + ?Sized>(
    row: &T,
    builder: &mut RecordBuilder,
) -> Result<(), Refusal> {
    row.serialize(Row { builder, place: 0 })
        .map_err(|error| error.0)
}

/// `None` for what is no value of the type.
fn cell<T: Serialize + ?Sized>(value: &T, of: &FieldType) -> Option<Cell> {
    if *of == FieldType::Json {
        let text = serde_json::to_string(value).ok()?;
        // A number that is not finite became null.
        if text.contains("null") && !is_finite(value) {
            return None;
        }
        return Some(if text == "null" {
            Cell::Null
        } else {
            Cell::Text(text)
        });
    }
    value.serialize(Value { of }).ok()
}

/// What stops a row.
#[derive(Debug)]
struct Error(Refusal);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

impl ser::Error for Error {
    /// The message of an implementor may hold values of the row, so it is dropped.
    fn custom<T: fmt::Display>(_: T) -> Self {
        bad("the row does not serialize")
    }
}

fn bad(message: &'static str) -> Error {
    Error(Refusal::new(Reason::BadValue, message))
}

const NO_ROW: &str = "a row is a struct or a map with texts as keys";
const NO_VALUE: &str = "no value of this type";

/// The methods for what a row, or a cell, cannot be.
macro_rules! refuse {
    ($message:expr; $($method:ident($($argument:ty),*) -> $result:ty;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$result, Error> {
            Err(bad($message))
        })*
    };
}

struct Row<'a> {
    builder: &'a mut RecordBuilder,
    place: usize,
}

impl<'a> Serializer for Row<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeMap = MapRow<'a>;
    type SerializeStruct = Self;
    type SerializeSeq = Impossible<(), Error>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<MapRow<'a>, Error> {
        Ok(MapRow {
            row: self,
            key: String::new(),
        })
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(bad(NO_ROW))
    }

    refuse! { NO_ROW;
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}

impl Row<'_> {
    fn set<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Error> {
        self.builder
            .set(key, &mut self.place, |field| cell(value, &field.field_type))
            .map_err(Error)
    }
}

impl ser::SerializeStruct for Row<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.set(key, value)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

struct MapRow<'a> {
    row: Row<'a>,
    key: String,
}

impl ser::SerializeMap for MapRow<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        match cell(key, &FieldType::Text) {
            Some(Cell::Text(key)) => self.key = key,
            _ => return Err(bad(NO_ROW)),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = std::mem::take(&mut self.key);
        self.row.set(&key, value)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// A value of one type; its errors only say that it is none.
struct Value<'a> {
    of: &'a FieldType,
}

fn found(cell: Option<Cell>) -> Result<Cell, Error> {
    cell.ok_or_else(|| bad(NO_VALUE))
}

macro_rules! integers {
    ($($method:ident($integer:ty);)*) => {
        $(fn $method(self, value: $integer) -> Result<Cell, Error> {
            found(i128::try_from(value).ok().and_then(|value| cell::of_integer(value, self.of)))
        })*
    };
}

impl<'a> Serializer for Value<'a> {
    type Ok = Cell;
    type Error = Error;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Impossible<Cell, Error>;
    type SerializeTupleVariant = Impossible<Cell, Error>;
    type SerializeMap = Impossible<Cell, Error>;
    type SerializeStruct = Impossible<Cell, Error>;
    type SerializeStructVariant = Impossible<Cell, Error>;

    integers! {
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
    }

    fn serialize_bool(self, value: bool) -> Result<Cell, Error> {
        found(cell::of_boolean(value, self.of))
    }

    /// By its text, as JSON would hold it: 0.1, not the 0.10000000149 that it is in 64 bits.
    fn serialize_f32(self, value: f32) -> Result<Cell, Error> {
        let value = value.to_string().parse().map_err(|_| bad(NO_VALUE))?;
        self.serialize_f64(value)
    }

    fn serialize_f64(self, value: f64) -> Result<Cell, Error> {
        found(cell::of_float(value, self.of))
    }

    fn serialize_char(self, value: char) -> Result<Cell, Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<Cell, Error> {
        found(cell::of_text(value, self.of))
    }

    fn serialize_none(self) -> Result<Cell, Error> {
        Ok(Cell::Null)
    }

    fn serialize_unit(self) -> Result<Cell, Error> {
        Ok(Cell::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Cell, Error> {
        self.serialize_str(variant)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Cell, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Cell, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Cell, Error> {
        Err(bad(NO_VALUE))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Error> {
        Ok(Items {
            of: self.of,
            items: Vec::new(),
        })
    }

    fn serialize_tuple(self, len: usize) -> Result<Items<'a>, Error> {
        self.serialize_seq(Some(len))
    }

    refuse! { NO_VALUE;
        serialize_bytes(&[u8]) -> Cell;
        serialize_unit_struct(&'static str) -> Cell;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}

/// The items of a multi_picklist.
struct Items<'a> {
    of: &'a FieldType,
    items: Vec<String>,
}

impl ser::SerializeSeq for Items<'_> {
    type Ok = Cell;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        match cell(value, &FieldType::Text) {
            Some(Cell::Text(item)) => self.items.push(item),
            _ => return Err(bad(NO_VALUE)),
        }
        Ok(())
    }

    fn end(self) -> Result<Cell, Error> {
        found(cell::of_items(&self.items, self.of))
    }
}

impl ser::SerializeTuple for Items<'_> {
    type Ok = Cell;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Cell, Error> {
        ser::SerializeSeq::end(self)
    }
}
