//! Samples for every pair that is in range or lossy: values that fit and what they become, values that do not.

/// Samples of one pair of types, as texts of the type that they are of.
pub(super) struct InRange {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    /// Values that fit, and what they become.
    pub(super) fits: &'static [(&'static str, &'static str)],
    pub(super) fails: &'static [&'static str],
}

const ID: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

const SAME_ID: &[(&str, &str)] = &[(ID, ID)];

#[rustfmt::skip]
pub(super) const IN_RANGE: &[InRange] = &[
    InRange { from: "text", to: "integer", fits: &[("12", "12"), ("-9223372036854775808", "-9223372036854775808")], fails: &["", "1.5", "9223372036854775808", " 1"] },
    InRange { from: "text", to: "decimal(6,2)", fits: &[("12.50", "12.50"), ("-9999.99", "-9999.99")], fails: &["12.505", "10000", "1e2"] },
    InRange { from: "text", to: "currency(6,2)", fits: &[("12.50", "12.50")], fails: &["12.505", "10000"] },
    InRange { from: "text", to: "percent(6,2)", fits: &[("12.50", "12.50")], fails: &["12.505", "12.5%"] },
    InRange { from: "text", to: "float", fits: &[("0.1", "0.1"), ("1e300", "1e300")], fails: &["1e999", "NaN", ""] },
    InRange { from: "text", to: "boolean", fits: &[("true", "true"), ("false", "false")], fails: &["yes", "1", ""] },
    InRange { from: "text", to: "date", fits: &[("2024-02-29", "2024-02-29")], fails: &["2025-02-29", "29.02.2024"] },
    InRange { from: "text", to: "datetime", fits: &[("2025-01-31T12:34:56Z", "2025-01-31T12:34:56Z")], fails: &["2025-01-31T12:34:56", "2025-01-31"] },
    InRange { from: "text", to: "local_datetime", fits: &[("2025-01-31T12:34:56", "2025-01-31T12:34:56")], fails: &["2025-01-31T12:34:56Z"] },
    InRange { from: "text", to: "email", fits: &[("a@b.example", "a@b.example")], fails: &["a@b", ""] },
    InRange { from: "text", to: "url", fits: &[("https://a.example/", "https://a.example/")], fails: &["a.example"] },
    InRange { from: "text", to: "picklist[open|won]", fits: &[("won", "won")], fails: &["Won", ""] },
    InRange { from: "text", to: "multi_picklist[red|green]", fits: &[("red;green", "red;green"), ("", "")], fails: &["green;red", "red;red", "blue"] },
    InRange { from: "text", to: "json", fits: &[("{\"a\": 1}", "{\"a\": 1}")], fails: &["{", ""] },
    InRange { from: "text", to: "lookup(account)", fits: &[("A-1", "A-1")], fails: &[""] },
    InRange { from: "text", to: "id", fits: SAME_ID, fails: &["A-1"] },

    InRange { from: "integer", to: "decimal(6,2)", fits: &[("-9999", "-9999.00")], fails: &["10000", "9223372036854775807"] },
    InRange { from: "integer", to: "currency(20,2)", fits: &[("999999999999999999", "999999999999999999.00")], fails: &["1000000000000000000"] },
    InRange { from: "integer", to: "percent(6,2)", fits: &[("100", "100.00")], fails: &["10000"] },
    InRange { from: "integer", to: "float", fits: &[("9007199254740992", "9007199254740992"), ("-3", "-3")], fails: &["9007199254740993", "9223372036854775807"] },
    InRange { from: "integer", to: "boolean", fits: &[("0", "false"), ("1", "true")], fails: &["2", "-1"] },
    InRange { from: "integer", to: "picklist[1|2]", fits: &[("2", "2")], fails: &["3"] },

    InRange { from: "decimal(12,2)", to: "integer", fits: &[("12.00", "12"), ("-9999999999.00", "-9999999999")], fails: &["12.50"] },
    InRange { from: "decimal(38,0)", to: "integer", fits: &[("9223372036854775807", "9223372036854775807")], fails: &["9223372036854775808"] },
    InRange { from: "decimal(31,2)", to: "decimal(14,2)", fits: &[("999999999999.99", "999999999999.99")], fails: &["1000000000000.00"] },
    InRange { from: "decimal(12,4)", to: "decimal(12,2)", fits: &[("1.2500", "1.25")], fails: &["1.2501"] },
    InRange { from: "decimal(38,0)", to: "decimal(38,30)", fits: &[("12345678", "12345678.000000000000000000000000000000")], fails: &["123456789", "99999999999999999999999999999999999999"] },
    InRange { from: "decimal(12,2)", to: "currency(4,1)", fits: &[("-999.90", "-999.9")], fails: &["999.95", "1000.00"] },
    InRange { from: "decimal(12,2)", to: "percent(4,2)", fits: &[("12.50", "12.50")], fails: &["100.00"] },
    InRange { from: "decimal(38,2)", to: "float", fits: &[("0.10", "0.1"), ("9007199254740994.00", "9007199254740994")], fails: &["9007199254740993.00", "12345678901234567.89"] },
    InRange { from: "currency(12,2)", to: "integer", fits: &[("12.00", "12")], fails: &["12.50"] },
    InRange { from: "currency(12,2)", to: "decimal(12,1)", fits: &[("12.50", "12.5")], fails: &["12.55"] },
    InRange { from: "currency(12,2)", to: "currency(8,2)", fits: &[("12.50", "12.50")], fails: &["1000000.00"] },
    InRange { from: "currency(12,2)", to: "percent(9,4)", fits: &[("12.50", "12.5000")], fails: &["100000.00"] },
    InRange { from: "currency(18,2)", to: "float", fits: &[("12.50", "12.5")], fails: &["9999999999999999.99"] },
    InRange { from: "percent(9,4)", to: "integer", fits: &[("12.0000", "12")], fails: &["12.5000"] },
    InRange { from: "percent(9,4)", to: "decimal(9,2)", fits: &[("12.5000", "12.50")], fails: &["12.5050"] },
    InRange { from: "percent(9,4)", to: "currency(4,4)", fits: &[("0.5000", "0.5000")], fails: &["1.0000"] },
    InRange { from: "percent(9,4)", to: "percent(4,2)", fits: &[("12.5000", "12.50")], fails: &["100.0000"] },
    InRange { from: "percent(20,4)", to: "float", fits: &[("12.5000", "12.5")], fails: &["1234567890123456.7890"] },

    InRange { from: "float", to: "integer", fits: &[("3", "3"), ("-9223372036854775808", "-9223372036854775808")], fails: &["2.5", "9.223372036854775808e18", "1e300"] },
    InRange { from: "float", to: "decimal(4,2)", fits: &[("0.1", "0.10"), ("-99.99", "-99.99")], fails: &["0.125", "100", "1e-7"] },
    InRange { from: "float", to: "currency(4,2)", fits: &[("0.1", "0.10")], fails: &["0.125", "1e300"] },
    InRange { from: "float", to: "percent(4,2)", fits: &[("12.5", "12.50")], fails: &["0.125"] },

    InRange { from: "boolean", to: "picklist[true|no]", fits: &[("true", "true")], fails: &["false"] },
    InRange { from: "email", to: "picklist[a@b.example]", fits: &[("a@b.example", "a@b.example")], fails: &["c@b.example"] },
    InRange { from: "url", to: "picklist[https://a.example/]", fits: &[("https://a.example/", "https://a.example/")], fails: &["https://b.example/"] },

    InRange { from: "picklist[12|open]", to: "integer", fits: &[("12", "12")], fails: &["open"] },
    InRange { from: "picklist[1.50|open]", to: "decimal(6,2)", fits: &[("1.50", "1.50")], fails: &["open"] },
    InRange { from: "picklist[1.50|open]", to: "currency(6,2)", fits: &[("1.50", "1.50")], fails: &["open"] },
    InRange { from: "picklist[1.50|open]", to: "percent(6,2)", fits: &[("1.50", "1.50")], fails: &["open"] },
    InRange { from: "picklist[1.5|open]", to: "float", fits: &[("1.5", "1.5")], fails: &["open"] },
    InRange { from: "picklist[true|open]", to: "boolean", fits: &[("true", "true")], fails: &["open"] },
    InRange { from: "picklist[2025-01-31|open]", to: "date", fits: &[("2025-01-31", "2025-01-31")], fails: &["open"] },
    InRange { from: "picklist[2025-01-31T00:00:00Z|open]", to: "datetime", fits: &[("2025-01-31T00:00:00Z", "2025-01-31T00:00:00Z")], fails: &["open"] },
    InRange { from: "picklist[2025-01-31T00:00:00|open]", to: "local_datetime", fits: &[("2025-01-31T00:00:00", "2025-01-31T00:00:00")], fails: &["open"] },
    InRange { from: "picklist[a@b.example|open]", to: "email", fits: &[("a@b.example", "a@b.example")], fails: &["open"] },
    InRange { from: "picklist[https://a.example/|open]", to: "url", fits: &[("https://a.example/", "https://a.example/")], fails: &["open"] },
    InRange { from: "picklist[open|won]", to: "picklist[won|lost]", fits: &[("won", "won")], fails: &["open"] },
    InRange { from: "picklist[red|red;green]", to: "multi_picklist[red|green]", fits: &[("red", "red")], fails: &["red;green"] },
    InRange { from: "picklist[12|open]", to: "json", fits: &[("12", "12")], fails: &["open"] },
    InRange { from: "picklist[|open]", to: "lookup(account)", fits: &[("open", "open")], fails: &[""] },
    InRange { from: "picklist[0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ|open]", to: "id", fits: SAME_ID, fails: &["open"] },

    InRange { from: "multi_picklist[red|green]", to: "picklist[red|red;green]", fits: &[("red", "red")], fails: &["green", "red;green", ""] },
    InRange { from: "multi_picklist[red|green|blue]", to: "multi_picklist[blue|red]", fits: &[("red;blue", "blue;red"), ("", ""), ("red", "red")], fails: &["green", "red;green"] },

    InRange { from: "json", to: "integer", fits: &[("12", "12")], fails: &["null", "\"12\"", "1.5", "[]"] },
    InRange { from: "json", to: "decimal(6,2)", fits: &[("12.50", "12.50")], fails: &["null", "{}", "12.505"] },
    InRange { from: "json", to: "currency(6,2)", fits: &[("12.50", "12.50")], fails: &["null", "10000"] },
    InRange { from: "json", to: "percent(6,2)", fits: &[("12.50", "12.50")], fails: &["null"] },
    InRange { from: "json", to: "float", fits: &[("1.5", "1.5"), ("1e300", "1e300")], fails: &["null", "\"1\""] },
    InRange { from: "json", to: "boolean", fits: &[("true", "true")], fails: &["null", "1", "\"true\""] },

    InRange { from: "lookup(account)", to: "integer", fits: &[("12", "12")], fails: &["A-1"] },
    InRange { from: "lookup(account)", to: "email", fits: &[("a@b.example", "a@b.example")], fails: &["A-1"] },
    InRange { from: "lookup(account)", to: "url", fits: &[("https://a.example/", "https://a.example/")], fails: &["A-1"] },
    InRange { from: "lookup(account)", to: "picklist[A-1|A-2]", fits: &[("A-1", "A-1")], fails: &["A-3"] },
    InRange { from: "lookup(account)", to: "id", fits: SAME_ID, fails: &["A-1"] },
];

/// From, to, a value and what is left of it.
pub(super) const LOSSY: [(&str, &str, &str, &str); 2] = [
    (
        "datetime",
        "date",
        "1969-12-31T23:59:59.999999Z",
        "1969-12-31",
    ),
    (
        "local_datetime",
        "date",
        "2025-01-31T23:59:59",
        "2025-01-31",
    ),
];

/// Pairs that are in range by kind and exact by their parameters.
pub(super) const EXACT_BY_PARAMETERS: [(&str, &str); 20] = [
    ("decimal(12,2)", "decimal(14,2)"),
    ("decimal(12,2)", "decimal(14,4)"),
    ("decimal(12,2)", "currency(12,2)"),
    ("currency(12,2)", "percent(20,10)"),
    ("percent(9,4)", "decimal(9,4)"),
    ("integer", "decimal(19,0)"),
    ("integer", "currency(21,2)"),
    ("decimal(18,0)", "integer"),
    ("percent(1,0)", "integer"),
    ("decimal(15,3)", "float"),
    ("decimal(15,15)", "float"),
    ("picklist[a|b]", "picklist[c|b|a]"),
    ("picklist[a|b]", "multi_picklist[c|b|a]"),
    ("multi_picklist[a|b]", "multi_picklist[a|c|b]"),
    ("multi_picklist[a|b]", "multi_picklist[b|c|a]"),
    ("boolean", "picklist[no|true|false]"),
    ("picklist[a@b.example|c@d.example]", "email"),
    ("picklist[1|[2]]", "json"),
    ("picklist[a|b]", "lookup(account)"),
    ("picklist[https://a.example/]", "url"),
];
