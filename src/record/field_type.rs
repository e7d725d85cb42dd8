//! What a field means, and how Arrow holds it.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The meaning of a field's values.
///
/// Several types share an Arrow layout ([`FieldType::data_type`]) and differ in which values are
/// allowed and in what they convert to ([`convert`](crate::record::convert)). In a spec a type is
/// written as text, `"decimal(12,2)"`, `"lookup(account)"`; a picklist is written with its items,
/// `{"picklist": ["open", "closed"]}`.
///
/// ```
/// use syncline::record::FieldType;
///
/// let amount: FieldType = "decimal(12,2)".parse().unwrap();
/// assert_eq!(amount, FieldType::Decimal { precision: 12, scale: 2 });
/// assert_eq!(amount.to_string(), "decimal(12,2)");
/// assert!("decimal(12,13)".parse::<FieldType>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldType {
    /// Any Unicode text. `Utf8View`.
    Text,
    /// A whole number in 64 bits. `Int64`.
    Integer,
    /// An exact decimal number. `Decimal128(precision, scale)`, 1 to 38 digits.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits behind the point, at most `precision`.
        scale: u8,
    },
    /// A finite binary floating-point number. `Float64`. A text becomes the nearest binary value; one that would
    /// become zero without being it, or a whole number (no point, no exponent) that would become another, is refused.
    Float,
    /// True or false. `Boolean`.
    Boolean,
    /// A calendar day. `Date32`.
    Date,
    /// An instant, stored in UTC. `Timestamp(Microsecond, "UTC")`.
    DateTime,
    /// A wall-clock time of no stated zone; never mixed with [`FieldType::DateTime`]. `Timestamp(Microsecond)`.
    LocalDateTime,
    /// An e-mail address. `Utf8View`.
    Email,
    /// An absolute URL. `Utf8View`.
    Url,
    /// One of the listed items. `Utf8View`.
    Picklist(Arc<[String]>),
    /// Any number of the listed items, in the list's order, joined by `;` (no item holds one). `Utf8View`.
    MultiPicklist(Arc<[String]>),
    /// An amount of money. `Decimal128(precision, scale)`.
    Currency {
        /// Digits in all.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// A percentage: 12.5 means 12.5 %. `Decimal128(precision, scale)`.
    Percent {
        /// Digits in all.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// A JSON document, kept as its text. `Utf8View`.
    Json,
    /// The identity of a record of the named object. `Utf8View`.
    Lookup(Arc<str>),
    /// A generated identity: 36 characters out of `0-9A-Z`. `Utf8View`.
    Id,
}

impl FieldType {
    /// How Arrow holds a column of this type.
    pub fn data_type(&self) -> DataType {
        use FieldType::*;
        match *self {
            Text | Email | Url | Picklist(_) | MultiPicklist(_) | Json | Lookup(_) | Id => {
                DataType::Utf8View
            }
            Integer => DataType::Int64,
            Decimal { precision, scale }
            | Currency { precision, scale }
            | Percent { precision, scale } => DataType::Decimal128(precision, scale as i8),
            Float => DataType::Float64,
            Boolean => DataType::Boolean,
            Date => DataType::Date32,
            DateTime => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            LocalDateTime => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    /// Precision and scale of the three decimal types.
    pub fn decimal(&self) -> Option<(u8, u8)> {
        match *self {
            FieldType::Decimal { precision, scale }
            | FieldType::Currency { precision, scale }
            | FieldType::Percent { precision, scale } => Some((precision, scale)),
            _ => None,
        }
    }

    /// Whether Arrow holds it as text.
    pub fn is_textual(&self) -> bool {
        self.data_type() == DataType::Utf8View
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use FieldType::*;
        match self {
            Text => f.write_str("text"),
            Integer => f.write_str("integer"),
            Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Float => f.write_str("float"),
            Boolean => f.write_str("boolean"),
            Date => f.write_str("date"),
            DateTime => f.write_str("datetime"),
            LocalDateTime => f.write_str("local_datetime"),
            Email => f.write_str("email"),
            Url => f.write_str("url"),
            Picklist(_) => f.write_str("picklist"),
            MultiPicklist(_) => f.write_str("multi_picklist"),
            Currency { precision, scale } => write!(f, "currency({precision},{scale})"),
            Percent { precision, scale } => write!(f, "percent({precision},{scale})"),
            Json => f.write_str("json"),
            Lookup(object) => write!(f, "lookup({object})"),
            Id => f.write_str("id"),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for FieldType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FieldType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let plain = "text|integer|float|boolean|date|datetime|local_datetime|email|url|json|id";
        let digits = r"\( *\+?[0-9]+ *(, *\+?[0-9]+ *)?\)";
        let pattern =
            format!(r"^({plain}|decimal{digits}|(currency|percent)({digits})?|lookup\(.+\))$");
        let listed = |name: &str, item: &str| {
            let item = serde_json::json!({"type": "string", "pattern": item});
            let items = serde_json::json!({
                "type": "array", "items": item, "minItems": 1, "uniqueItems": true,
            });
            serde_json::json!({
                "type": "object",
                "properties": {name: items},
                "required": [name],
                "additionalProperties": false,
            })
        };
        schemars::json_schema!({
            "description": "What a field's values mean, like `text`, `decimal(12,2)` or `lookup(account)`.",
            "anyOf": [{"type": "string", "pattern": pattern}, listed("picklist", ""), listed("multi_picklist", "^[^;]+$")],
        })
    }
}

impl std::str::FromStr for FieldType {
    type Err = String;

    /// Reads what `Display` writes, save the two picklists, whose items only the object form holds.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, argument) = match text.strip_suffix(')').and_then(|t| t.split_once('(')) {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let digits = |fallback: Option<(u8, u8)>| -> Result<(u8, u8), String> {
            let Some(argument) = argument else {
                return fallback
                    .ok_or_else(|| format!("`{name}` needs digits, e.g. `{name}(12,2)`"));
            };
            let (precision, scale) = argument.split_once(',').unwrap_or((argument, "0"));
            let number = |t: &str| {
                t.trim()
                    .parse::<u8>()
                    .map_err(|_| format!("`{t}` is no number of digits"))
            };
            let (precision, scale) = (number(precision)?, number(scale)?);
            if precision == 0 || precision > 38 || scale > precision {
                return Err(format!(
                    "`{text}`: 1 to 38 digits in all, and no more of them behind the point"
                ));
            }
            Ok((precision, scale))
        };
        let plain = |field_type: FieldType| match argument {
            None => Ok(field_type),
            Some(_) => Err(format!("`{name}` takes nothing in parentheses")),
        };
        match name {
            "text" => plain(FieldType::Text),
            "integer" => plain(FieldType::Integer),
            "decimal" => {
                digits(None).map(|(precision, scale)| FieldType::Decimal { precision, scale })
            }
            "float" => plain(FieldType::Float),
            "boolean" => plain(FieldType::Boolean),
            "date" => plain(FieldType::Date),
            "datetime" => plain(FieldType::DateTime),
            "local_datetime" => plain(FieldType::LocalDateTime),
            "email" => plain(FieldType::Email),
            "url" => plain(FieldType::Url),
            "currency" => digits(Some((18, 2)))
                .map(|(precision, scale)| FieldType::Currency { precision, scale }),
            "percent" => digits(Some((9, 4)))
                .map(|(precision, scale)| FieldType::Percent { precision, scale }),
            "json" => plain(FieldType::Json),
            "id" => plain(FieldType::Id),
            "lookup" => match argument {
                Some(object) if !object.is_empty() => Ok(FieldType::Lookup(object.into())),
                _ => Err("`lookup` names its object, e.g. `lookup(account)`".into()),
            },
            "picklist" | "multi_picklist" => Err(format!(
                "`{name}` lists its items: {{\"{name}\": [\"one\", \"two\"]}}"
            )),
            _ => Err(format!(
                "unknown type `{text}`; one of text, integer, decimal(p,s), float, boolean, date, datetime, \
                 local_datetime, email, url, picklist, multi_picklist, currency, percent, json, lookup(object), id"
            )),
        }
    }
}

/// The object form of the two picklists.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Listed {
    Picklist(Vec<String>),
    MultiPicklist(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Listed(Listed),
}

impl Serialize for FieldType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            FieldType::Picklist(items) => Form::Listed(Listed::Picklist(items.to_vec())),
            FieldType::MultiPicklist(items) => Form::Listed(Listed::MultiPicklist(items.to_vec())),
            other => Form::Text(other.to_string()),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FieldType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let (name, items) = match Form::deserialize(deserializer)? {
            Form::Text(text) => return text.parse().map_err(D::Error::custom),
            Form::Listed(Listed::Picklist(items)) => ("picklist", items),
            Form::Listed(Listed::MultiPicklist(items)) => ("multi_picklist", items),
        };
        if items.is_empty() {
            return Err(D::Error::custom(format!(
                "`{name}` needs at least one item"
            )));
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = items.iter().find(|item| !seen.insert(item.as_str())) {
            return Err(D::Error::custom(format!("`{name}` lists `{twice}` twice")));
        }
        if name == "picklist" {
            return Ok(FieldType::Picklist(items.into()));
        }
        if items
            .iter()
            .any(|item| item.contains(';') || item.is_empty())
        {
            return Err(D::Error::custom(
                "an item of a multi_picklist is not empty and holds no `;`",
            ));
        }
        Ok(FieldType::MultiPicklist(items.into()))
    }
}
