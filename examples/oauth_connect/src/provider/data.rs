//! What is in Acme CRM: made up, and always the same.

use serde_json::{Value, json};

use super::Instance;

const FIRST: [&str; 12] = [
    "Ada", "Bo", "Chidi", "Dana", "Emre", "Freya", "Goro", "Hana", "Ivo", "Jun", "Kaia", "Lars",
];
const LAST: [&str; 11] = [
    "Adeyemi", "Brandt", "Castro", "Dvořák", "Eriksen", "Fujita", "Grant", "Haddad", "Ito",
    "Jensen", "Kaya",
];
const COMPANIES: [&str; 8] = [
    "Blue Heron",
    "Copper Kettle",
    "Dry Dock",
    "Ember",
    "Fernhill",
    "Glass Bridge",
    "Harbour",
    "Iron Gate",
];
const INDUSTRIES: [&str; 4] = ["Energy", "Food", "Logistics", "Software"];

/// How many contacts and accounts there are.
fn counts(instance: Instance) -> (usize, usize) {
    match instance {
        Instance::Production => (600, 40),
        Instance::Sandbox => (30, 5),
    }
}

/// Objects and their fields.
pub(crate) fn described() -> Value {
    let object = |name: &str, fields: &[(&str, &str)]| {
        let fields = fields
            .iter()
            .map(|(name, of)| json!({"name": name, "type": of}));
        let fields: Vec<Value> = fields.collect();
        json!({"name": name, "path": format!("/api/objects/{name}"), "fields": fields})
    };
    let account = [
        ("Id", "text"),
        ("Name", "text"),
        ("Industry", "text"),
        ("Employees", "integer"),
        ("ParentId", "text"),
    ];
    let contact = [
        ("Id", "text"),
        ("Email", "email"),
        ("FirstName", "text"),
        ("LastName", "text"),
        ("Birthday", "date"),
        ("AccountId", "text"),
    ];
    json!({"objects": [object("Account", &account), object("Contact", &contact)]})
}

/// The records behind `after`; `None` if there is no such object.
pub(crate) fn page(instance: Instance, object: &str, after: usize, limit: usize) -> Option<Value> {
    let (contacts, accounts) = counts(instance);
    let (count, record): (usize, fn(usize, usize) -> Value) = match object {
        "Account" => (accounts, account),
        "Contact" => (contacts, contact),
        _ => return None,
    };
    let end = after.saturating_add(limit).min(count);
    let records: Vec<Value> = (after..end)
        .map(|number| record(number, accounts))
        .collect();
    let next = (end < count).then(|| format!("/api/objects/{object}?limit={limit}&after={end}"));
    Some(json!({"records": records, "next": next}))
}

fn account(number: usize, _: usize) -> Value {
    let name = pick(&COMPANIES, number);
    let round = number / COMPANIES.len();
    json!({
        "Id": format!("A{number:04}"),
        "Name": if round == 0 { name.to_owned() } else { format!("{name} {}", round + 1) },
        "Industry": pick(&INDUSTRIES, number),
        "Employees": 5 + number * 37 % 900,
        // Each third belongs to one of the first.
        "ParentId": (number % 3 == 2).then(|| format!("A{:04}", number / 3)),
    })
}

fn contact(number: usize, accounts: usize) -> Value {
    let (first, last) = (pick(&FIRST, number), pick(&LAST, number));
    let mail = format!("{}.{number}@example.com", first.to_lowercase());
    let day = format!(
        "19{:02}-{:02}-{:02}",
        50 + number % 50,
        1 + number % 12,
        1 + number % 28
    );
    // What people have typed over the years.
    let mail = match number {
        7 => json!("call her instead"),
        19 => Value::Null,
        _ => json!(mail),
    };
    let day = match number {
        23 => json!("31.1.1990"),
        number if number % 4 == 0 => Value::Null,
        _ => json!(day),
    };
    json!({
        "Id": format!("C{number:05}"),
        "Email": mail,
        "FirstName": first,
        "LastName": last,
        "Birthday": day,
        "AccountId": format!("A{:04}", number % accounts),
    })
}

fn pick<'a>(of: &[&'a str], number: usize) -> &'a str {
    of.get(number % of.len()).copied().unwrap_or_default()
}
