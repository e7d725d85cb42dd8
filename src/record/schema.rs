//! Named, typed fields in order.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize};

use super::FieldType;

/// A named field of a dataset or an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Field {
    /// The name; unique in its schema, compared by bytes.
    pub name: String,
    /// What its values mean.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// Whether a record without a value here is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

impl Field {
    /// An optional field.
    pub fn new(name: impl Into<String>, field_type: FieldType) -> Self {
        Field {
            name: name.into(),
            field_type,
            required: false,
        }
    }

    /// The same field, required.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// Fields in order, with the Arrow schema that batches of them have.
///
/// Every Arrow field is nullable: [`Field::required`] is checked where records are written.
///
/// ```
/// use syncline::record::{Field, FieldType, Schema};
///
/// let schema = Schema::new(vec![Field::new("name", FieldType::Text), Field::new("seats", FieldType::Integer)]);
/// assert_eq!(schema.index_of("seats"), Some(1));
/// assert_eq!(schema.arrow().fields().len(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct Schema {
    fields: Arc<[Field]>,
    arrow: SchemaRef,
}

impl Schema {
    /// A schema of these fields, in this order.
    ///
    /// Of two fields of one name only the first is found by name; specs refuse such schemas.
    pub fn new(fields: impl Into<Arc<[Field]>>) -> Self {
        let fields = fields.into();
        let arrow: arrow_schema::Fields = fields
            .iter()
            .map(|field| arrow_schema::Field::new(&field.name, field.field_type.data_type(), true))
            .collect();
        Schema {
            arrow: Arc::new(arrow_schema::Schema::new(arrow)),
            fields,
        }
    }

    /// The fields, in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The Arrow schema of a batch with all fields.
    pub fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    /// The position of a field.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The names of all fields, for the one who named something else.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.fields.iter().map(|field| &*field.name).collect();
        names.join(", ")
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Eq for Schema {}
