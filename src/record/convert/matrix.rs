//! Which type converts to which: the table, and what the types' parameters make of it.

use crate::record::{FieldType, parse};

/// What becomes of the values of one type in a field of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Every value has an equal one in the other type.
    Exact,
    /// A value that has an equal one converts; any other is refused for its row, never bent.
    InRange,
    /// Every value loses a part, so the field must say that it may
    /// ([`FieldMapping::lossy`](crate::spec::FieldMapping::lossy)).
    Lossy,
    /// The two types have nothing to say to each other.
    Refused,
}

/// A [`FieldType`] without its parameters; the rows and columns of [`MATRIX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Decimal,
    Float,
    Boolean,
    Date,
    DateTime,
    LocalDateTime,
    Email,
    Url,
    Picklist,
    MultiPicklist,
    Currency,
    Percent,
    Json,
    Lookup,
    Id,
}

impl Kind {
    pub(super) const ALL: [Kind; 17] = [
        Kind::Text,
        Kind::Integer,
        Kind::Decimal,
        Kind::Float,
        Kind::Boolean,
        Kind::Date,
        Kind::DateTime,
        Kind::LocalDateTime,
        Kind::Email,
        Kind::Url,
        Kind::Picklist,
        Kind::MultiPicklist,
        Kind::Currency,
        Kind::Percent,
        Kind::Json,
        Kind::Lookup,
        Kind::Id,
    ];

    pub(super) fn of(field_type: &FieldType) -> Self {
        match field_type {
            FieldType::Text => Kind::Text,
            FieldType::Integer => Kind::Integer,
            FieldType::Decimal { .. } => Kind::Decimal,
            FieldType::Float => Kind::Float,
            FieldType::Boolean => Kind::Boolean,
            FieldType::Date => Kind::Date,
            FieldType::DateTime => Kind::DateTime,
            FieldType::LocalDateTime => Kind::LocalDateTime,
            FieldType::Email => Kind::Email,
            FieldType::Url => Kind::Url,
            FieldType::Picklist(_) => Kind::Picklist,
            FieldType::MultiPicklist(_) => Kind::MultiPicklist,
            FieldType::Currency { .. } => Kind::Currency,
            FieldType::Percent { .. } => Kind::Percent,
            FieldType::Json => Kind::Json,
            FieldType::Lookup(_) => Kind::Lookup,
            FieldType::Id => Kind::Id,
        }
    }

    /// The name that a spec uses.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Integer => "integer",
            Kind::Decimal => "decimal",
            Kind::Float => "float",
            Kind::Boolean => "boolean",
            Kind::Date => "date",
            Kind::DateTime => "datetime",
            Kind::LocalDateTime => "local_datetime",
            Kind::Email => "email",
            Kind::Url => "url",
            Kind::Picklist => "picklist",
            Kind::MultiPicklist => "multi_picklist",
            Kind::Currency => "currency",
            Kind::Percent => "percent",
            Kind::Json => "json",
            Kind::Lookup => "lookup",
            Kind::Id => "id",
        }
    }

    /// The class of this row and that column.
    pub(super) fn to(self, to: Kind) -> Class {
        MATRIX[self as usize][to as usize]
    }
}

/// A row for each type that values come from, a column for each that they go to, in the order of
/// [`Kind::ALL`]. A blank is [`Class::Refused`].
#[rustfmt::skip]
const MATRIX: [[Class; 17]; 17] = {
    use Class::{Exact as E, InRange as R, Lossy as L, Refused as __};
    [
        //                  text int dec flt bool date dt ldt mail url pick mult cur  %  json look id
        /* text          */ [E,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R ],
        /* integer       */ [E,  E,  R,  R,  R,  __, __, __, __, __, R,  __, R,  R,  E,  E,  __],
        /* decimal       */ [E,  R,  R,  R,  __, __, __, __, __, __, __, __, R,  R,  E,  __, __],
        /* float         */ [E,  R,  R,  E,  __, __, __, __, __, __, __, __, R,  R,  E,  __, __],
        /* boolean       */ [E,  E,  __, __, E,  __, __, __, __, __, R,  __, __, __, E,  __, __],
        /* date          */ [E,  __, __, __, __, E,  __, E,  __, __, __, __, __, __, __, __, __],
        /* datetime      */ [E,  __, __, __, __, L,  E,  __, __, __, __, __, __, __, __, __, __],
        /* local_datetime*/ [E,  __, __, __, __, L,  __, E,  __, __, __, __, __, __, __, __, __],
        /* email         */ [E,  __, __, __, __, __, __, __, E,  __, R,  __, __, __, __, E,  __],
        /* url           */ [E,  __, __, __, __, __, __, __, __, E,  R,  __, __, __, __, E,  __],
        /* picklist      */ [E,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R ],
        /* multi_picklist*/ [E,  __, __, __, __, __, __, __, __, __, R,  R,  __, __, __, __, __],
        /* currency      */ [E,  R,  R,  R,  __, __, __, __, __, __, __, __, R,  R,  E,  __, __],
        /* percent       */ [E,  R,  R,  R,  __, __, __, __, __, __, __, __, R,  R,  E,  __, __],
        /* json          */ [E,  R,  R,  R,  R,  __, __, __, __, __, __, __, R,  R,  E,  __, __],
        /* lookup        */ [E,  R,  __, __, __, __, __, __, R,  R,  R,  __, __, __, __, E,  R ],
        /* id            */ [E,  __, __, __, __, __, __, __, __, __, __, __, __, __, __, E,  E ],
    ]
};

/// What becomes of values of `from` in a field of type `to`.
///
/// The table in the [module's documentation](super) by kind, and from there by the parameters: more
/// digits, or a longer list of items, can make an exact conversion of one in range.
///
/// ```
/// use syncline::record::{FieldType, convert::{Class, class}};
///
/// let decimal = |precision, scale| FieldType::Decimal { precision, scale };
/// assert_eq!(class(&decimal(12, 2), &decimal(14, 2)), Class::Exact);
/// assert_eq!(class(&decimal(31, 2), &decimal(14, 2)), Class::InRange);
/// assert_eq!(class(&FieldType::DateTime, &FieldType::Date), Class::Lossy);
/// assert_eq!(class(&FieldType::DateTime, &FieldType::LocalDateTime), Class::Refused);
/// ```
pub fn class(from: &FieldType, to: &FieldType) -> Class {
    use FieldType::*;
    if from == to {
        return Class::Exact;
    }
    let exact_if = |every_value_fits: bool| {
        if every_value_fits {
            Class::Exact
        } else {
            Class::InRange
        }
    };
    match (from, to) {
        // Two different objects, or they would be equal: an identity of one is none of the other.
        (Lookup(_), Lookup(_)) => Class::Refused,
        (Picklist(items), MultiPicklist(allowed) | Picklist(allowed))
        | (MultiPicklist(items), MultiPicklist(allowed)) => {
            exact_if(items.iter().all(|item| allowed.contains(item)))
        }
        (Picklist(items), Email | Url | Json | Lookup(_) | Id) => {
            exact_if(items.iter().all(|item| parse::is_textual(to, item)))
        }
        (Boolean, Picklist(allowed)) => exact_if(
            ["true", "false"]
                .iter()
                .all(|text| allowed.iter().any(|item| item == text)),
        ),
        _ => match (from.decimal(), to.decimal()) {
            (Some((p, s)), Some((to_p, to_s))) => exact_if(
                to_s >= s && i16::from(to_p) - i16::from(to_s) >= i16::from(p) - i16::from(s),
            ),
            // An integer has up to 19 digits.
            (None, Some((p, s))) if *from == Integer => exact_if(i16::from(p) - i16::from(s) >= 19),
            (Some((p, s)), None) if *to == Integer => exact_if(s == 0 && p <= 18),
            // Any 15 digits survive the way into a float and back.
            (Some((p, _)), None) if *to == Float => exact_if(p <= 15),
            _ => Kind::of(from).to(Kind::of(to)),
        },
    }
}

/// Why [`class`] refuses these two, and what to do instead.
pub(super) fn refusal(from: &FieldType, to: &FieldType) -> String {
    use FieldType::*;
    match (from, to) {
        (DateTime, LocalDateTime) | (LocalDateTime, DateTime) => format!(
            "{from} does not convert to {to}: one is an instant, the other a wall clock of no stated zone; \
             give both fields the same of the two types, or name the zone by a formula, `to_local` or `to_instant`"
        ),
        (Date, DateTime) => format!(
            "{from} does not convert to {to}: a day is no instant; use a field that holds the instant, make the \
             target a date, or make a local_datetime of it and of that an instant by the formula `to_instant`"
        ),
        (Lookup(_), Lookup(_)) => format!(
            "{from} does not convert to {to}: an identity of one object is none of another; use a lookup"
        ),
        _ => {
            let kind = Kind::of(from);
            let names: Vec<_> = Kind::ALL
                .into_iter()
                .filter(|&to| kind.to(to) != Class::Refused)
                .map(Kind::name)
                .collect();
            format!(
                "{from} does not convert to {to}, only to {}; change the type of one of the two fields",
                names.join(", ")
            )
        }
    }
}
