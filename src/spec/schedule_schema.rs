//! What the texts in a schedule look like, for its JSON Schema.

use super::TimeOfDay;

macro_rules! text_schema {
    ($($(#[$doc:meta])* $name:ident = $pattern:literal;)*) => { $(
        $(#[$doc])*
        pub(super) struct $name;

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": $pattern})
            }
        }
    )* };
}

text_schema! {
    /// `2026-03-01`
    DateText = r"^\d{4}-\d{2}-\d{2}$";
    /// `2026-03-01T06:30:00`
    DateTimeText = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$";
    /// `2026-03-01T06:30:00Z`
    InstantText = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})$";
}

impl schemars::JsonSchema for TimeOfDay {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A time of the day by the clocks: `06:30` or `06:30:15`.",
            "type": "string",
            "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$",
        })
    }
}
