//! A small company: the systems that it uses, and what it syncs from them when.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use syncline::connector::Registry;
use syncline::host::{Context, HttpResponse};
use syncline::job::RunRequest;
use syncline::memory::{
    MemoryCipher, MemoryConnection, MemoryRejects, MemoryState, MemoryTransport,
};
use syncline::record::{Field, FieldType};
use syncline::scheduler::Timetables;
use syncline::spec::{
    ChainSpec, ConnectionSpec, DatasetSpec, DestinationSpec, FieldMapping, Identity, Incremental,
    JobSpec, LinkSpec, LookupSpec, MappingSpec, MatchPair, ObjectSpec, Priority, RunCondition,
    RunRetry, RunSettings, SourceSpec, SyncMode, WhileRunning, WriteMode,
};
use syncline::workspace::{Workspace, WorkspaceConfig, Workspaces};
use syncline::{Result, Tenant};

use super::outside::{Outside, System};

/// What a host keeps of its one customer.
pub(crate) struct Company {
    pub(crate) tenant: Tenant,
    pub(crate) workspace: Workspace,
    /// Has the jobs, for a scheduler.
    pub(crate) jobs: Workspaces,
    /// When they run.
    pub(crate) timetables: Timetables,
}

const fn at(hour: i64, minute: i64) -> i64 {
    hour * 60 + minute
}

/// Orders in each hour of the day.
const DEMAND: [i64; 24] = [
    2, 1, 0, 0, 0, 1, 4, 9, 15, 19, 24, 27, 34, 28, 22, 20, 25, 32, 41, 44, 38, 24, 12, 5,
];
/// When somebody signs up, and orders at once: minutes since midnight.
const NEW_CUSTOMERS: [i64; 4] = [at(9, 18), at(11, 33), at(14, 4), at(19, 20)];
const CUSTOMERS: i64 = 120;

/// How many orders there are by then.
fn orders(minute: i64) -> i64 {
    let hour = (minute / 60).clamp(0, 23) as usize;
    let before: i64 = DEMAND.iter().take(hour).sum();
    before + DEMAND[hour] * (minute - at(hour as i64, 0)).clamp(0, 60) / 60
}

fn order(number: i64) -> Value {
    let newcomer = NEW_CUSTOMERS.iter().position(|at| orders(*at) == number);
    let customer = match newcomer {
        Some(newcomer) => CUSTOMERS + newcomer as i64,
        None => number * 37 % CUSTOMERS,
    };
    json!({"number": number, "customer": customer, "total": format!("{}.90", 10 + number % 70)})
}

fn numbered(count: i64, record: fn(i64) -> Value) -> Vec<Value> {
    (0..count).map(record).collect()
}

fn worth(number: i64) -> Value {
    json!({"number": number, "amount": format!("{}.50", number % 90)})
}

fn counted(number: i64) -> Value {
    json!({"number": number, "pieces": number * 7 % 50})
}

fn told(number: i64) -> Value {
    json!({"number": number, "subject": format!("case {number}")})
}

/// What each system has.
fn systems() -> Vec<(&'static str, Vec<Outside>)> {
    let money = FieldType::Decimal {
        precision: 10,
        scale: 2,
    };
    let amount = [("amount", money.clone())];
    let pieces = [("pieces", FieldType::Integer)];
    let subject = [("subject", FieldType::Text)];

    let order_fields = [("customer", FieldType::Integer), ("total", money)];
    let order = Outside::new(
        "order",
        &order_fields,
        |_| 80,
        |minute| numbered(orders(minute), order),
    );
    let email = [("email", FieldType::Email)];
    let customer = Outside::new(
        "customer",
        &email,
        |_| 12,
        |minute| {
            let new = NEW_CUSTOMERS.iter().filter(|at| **at <= minute).count();
            numbered(
                CUSTOMERS + new as i64,
                |number| json!({"number": number, "email": format!("customer{number}@example.com")}),
            )
        },
    );
    let invoice = Outside::new("invoice", &amount, |_| 35, |_| numbered(300, worth));
    let product = Outside::new("product", &pieces, |_| 11, |_| numbered(200, counted));
    // The list of the day is there at 02:00; before, it is a rest of the day before.
    let price = Outside::new(
        "price",
        &amount,
        |_| 11,
        |minute| numbered(if minute < at(2, 0) { 40 } else { 200 }, worth),
    );

    // It rests at noon, unannounced.
    let transfer = Outside::new(
        "transfer",
        &amount,
        |_| 20,
        |minute| numbered(60 + minute / 30, worth),
    );
    let transfer = transfer.down(at(11, 50)..at(12, 25));

    // When stock is taken it has little time for others.
    let busy = |minute| {
        if (at(13, 0)..at(15, 30)).contains(&minute) {
            50
        } else {
            9
        }
    };
    let level = Outside::new("level", &pieces, busy, |_| numbered(180, counted));
    let parcel = Outside::new(
        "parcel",
        &pieces,
        |_| 15,
        |minute| numbered(20 + minute / 20, counted),
    );
    let shelf = Outside::new("shelf", &pieces, |_| 11, |_| numbered(150, counted));

    let escalation = Outside::new("escalation", &subject, |_| 30, |_| numbered(40, told));
    let ticket = Outside::new("ticket", &subject, |_| 30, |_| numbered(420, told));
    vec![
        ("shop", vec![order, customer, invoice, product, price]),
        ("bank", vec![transfer]),
        ("warehouse", vec![level, parcel, shelf]),
        ("desk", vec![escalation, ticket]),
    ]
}

/// Name, object, and when and how it runs.
fn jobs() -> Result<Vec<(&'static str, &'static str, RunSettings)>> {
    let runs = |text: &str| Ok::<_, syncline::Error>(RunSettings::new(text.parse()?));
    let by_chain = RunSettings::default();
    let payments = runs(r#"cron "0 7-19 * * MON-FRI" Europe/Berlin"#)?;
    let escalations = runs("every day at 09:00, 18:00 Europe/Berlin")?;
    Ok(vec![
        ("products", "product", by_chain.clone()),
        ("prices", "price", by_chain.clone()),
        ("shelves", "shelf", by_chain),
        (
            "invoices",
            "invoice",
            runs("every weekday at 06:30 Europe/Berlin")?,
        ),
        (
            "orders",
            "order",
            runs("every 15 minutes")?.with_priority(Priority::High),
        ),
        ("customers", "customer", runs("every hour")?),
        (
            "stock",
            "level",
            runs("every 20 minutes")?.with_while_running(WhileRunning::Skip),
        ),
        (
            "payments",
            "transfer",
            payments.with_retry(RunRetry::times(3).with_wait(600)),
        ),
        ("parcels", "parcel", runs(r#"on job "payments" success"#)?),
        (
            "escalations",
            "escalation",
            escalations.with_priority(Priority::High),
        ),
        (
            "archive",
            "ticket",
            runs("every day at 18:00 Europe/Berlin")?.with_priority(Priority::Low),
        ),
    ])
}

/// Products and prices, and shelves once the prices of the day are there. A run that came too early is tried again, and goes on at the prices.
fn nightly() -> Result<ChainSpec> {
    let all_prices = RunCondition::default().with_records(150);
    let links = vec![
        LinkSpec::new("products"),
        LinkSpec::new("prices"),
        LinkSpec::new("shelves").when(all_prices),
    ];
    let settings = RunSettings::new("every day at 01:30 Europe/Berlin".parse()?);
    let again = RunRetry::times(2).with_wait(1_500);
    Ok(ChainSpec::new("nightly", links).with_settings(settings.with_retry(again)))
}

/// A job that writes what an object has into the one of that name at home. An order refers to its customer there.
fn spec(name: &str, system: &str, object: &Outside, settings: RunSettings) -> JobSpec {
    let mut source = DatasetSpec::new(SourceSpec::Object(object.name.into()));
    if object.name == "order" {
        source.sync = SyncMode::Incremental(Incremental::new("number").with_key(["number"]));
    }
    let mapping = |field: &Field| match field.name.as_str() {
        "customer" => {
            let key = MatchPair::new("customer", "number");
            FieldMapping::lookup("customer", LookupSpec::new("customer", vec![key], "id"))
        }
        name => FieldMapping::direct(name, name),
    };
    let mapping = MappingSpec::new(object.fields.iter().map(mapping).collect());
    let to = DestinationSpec::new(object.name, WriteMode::upsert(["number"]), mapping);
    let spec = JobSpec::new(name, source.of_connection(system), vec![], vec![to]);
    spec.with_settings(settings)
}

/// The object at home.
fn home(object: &Outside) -> ObjectSpec {
    let field = |field: &Field| match field.name.as_str() {
        "customer" => Field::new("customer", FieldType::Lookup("customer".into())),
        _ => field.clone(),
    };
    let fields = object.fields.iter().map(field).collect();
    ObjectSpec::new(object.name, Identity::Generated, fields)
}

/// The company as it is on the evening before the day that begins at this midnight.
pub(crate) async fn found(context: &Context, midnight: DateTime<Utc>) -> Result<Company> {
    let (mut registry, mut objects) = (Registry::new(), MemoryConnection::new("home"));
    for (system, outside) in systems() {
        for object in &outside {
            objects = objects.with_object(&home(object))?;
        }
        registry = registry.with(Arc::new(System::new(system, midnight, outside)))?;
    }
    let tenant = Tenant::new("nordwind")?;
    let state = Arc::new(MemoryState::new());
    // No connection of this host needs to be authorized or calls anybody.
    let silent = MemoryTransport::new(|request| Ok(HttpResponse::of(request, 404, "")));
    let config = WorkspaceConfig::new(
        tenant.clone(),
        state.clone(),
        Arc::new(MemoryCipher::new()),
        Arc::new(silent),
        Arc::new(objects),
    );
    let workspace = Workspace::new(config.with_registry(Arc::new(registry)));

    for (system, _) in systems() {
        let connection = ConnectionSpec::new(system, system);
        workspace.connections().create(context, connection).await?;
    }
    for (name, object, settings) in jobs()? {
        for (system, outside) in systems() {
            if let Some(object) = outside.iter().find(|outside| outside.name == object) {
                let spec = spec(name, system, object, settings.clone());
                workspace.jobs().create(context, spec).await?;
            }
        }
    }
    workspace.chains().create(context, nightly()?).await?;

    let opened = workspace.clone();
    let jobs = Workspaces::new(
        move |_| Ok(opened.clone()),
        |_, _| RunRequest::new(Arc::new(MemoryRejects::new())),
    );
    let timetables = Timetables::new(Tenant::new("the host")?, state);
    jobs.put_all(context, &timetables, &tenant).await?;
    Ok(Company {
        tenant,
        workspace,
        jobs,
        timetables,
    })
}
