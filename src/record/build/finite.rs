//! Whether all numbers of a value are finite.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

/// Whether JSON can hold all numbers of a value: it would make others null.
pub(super) fn is_finite<T: Serialize + ?Sized>(value: &T) -> bool {
    value.serialize(Finite).is_ok()
}

/// Serializes nothing; fails at the first number that is not finite.
struct Finite;

#[derive(Debug)]
struct NotFinite;

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number is not finite")
    }
}

impl std::error::Error for NotFinite {}

impl ser::Error for NotFinite {
    fn custom<T: fmt::Display>(_: T) -> Self {
        NotFinite
    }
}

type Verdict<T = ()> = Result<T, NotFinite>;

macro_rules! pass {
    ($($method:ident($($argument:ty),*) -> $result:ident;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Verdict<pass!(@type $result)> {
            pass!(@value $result)
        })*
    };
    (@type Plain) => { () };
    (@value Plain) => { Ok(()) };
    (@type Parts) => { Finite };
    (@value Parts) => { Ok(Finite) };
}

impl Serializer for Finite {
    type Ok = ();
    type Error = NotFinite;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    pass! {
        serialize_bool(bool) -> Plain;
        serialize_i8(i8) -> Plain;
        serialize_i16(i16) -> Plain;
        serialize_i32(i32) -> Plain;
        serialize_i64(i64) -> Plain;
        serialize_i128(i128) -> Plain;
        serialize_u8(u8) -> Plain;
        serialize_u16(u16) -> Plain;
        serialize_u32(u32) -> Plain;
        serialize_u64(u64) -> Plain;
        serialize_u128(u128) -> Plain;
        serialize_char(char) -> Plain;
        serialize_str(&str) -> Plain;
        serialize_bytes(&[u8]) -> Plain;
        serialize_none() -> Plain;
        serialize_unit() -> Plain;
        serialize_unit_struct(&'static str) -> Plain;
        serialize_unit_variant(&'static str, u32, &'static str) -> Plain;
        serialize_seq(Option<usize>) -> Parts;
        serialize_tuple(usize) -> Parts;
        serialize_tuple_struct(&'static str, usize) -> Parts;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Parts;
        serialize_map(Option<usize>) -> Parts;
        serialize_struct(&'static str, usize) -> Parts;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Parts;
    }

    fn serialize_f32(self, value: f32) -> Verdict {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Verdict {
        value.is_finite().then_some(()).ok_or(NotFinite)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Verdict {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Verdict {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Verdict {
        value.serialize(self)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Verdict {
        Ok(())
    }
}

/// The traits of what has parts; a part may come with its name.
macro_rules! parts {
    ($($of:ident::$method:ident($($name:ty)?);)*) => {
        $(impl ser::$of for Finite {
            type Ok = ();
            type Error = NotFinite;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Verdict {
                value.serialize(Finite)
            }

            fn end(self) -> Verdict {
                Ok(())
            }
        })*
    };
}

parts! {
    SerializeSeq::serialize_element();
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeStruct::serialize_field(&'static str);
    SerializeStructVariant::serialize_field(&'static str);
}

impl ser::SerializeMap for Finite {
    type Ok = ();
    type Error = NotFinite;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Verdict {
        // JSON refuses a key that is such a number.
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Verdict {
        value.serialize(Finite)
    }

    fn end(self) -> Verdict {
        Ok(())
    }
}
