//! What observers are told of a run.

use std::sync::Arc;

use futures::executor::block_on;
use serde_json::{Value, json};
use syncline::Tenant;
use syncline::host::{Context, Event, Observer, Timeline};
use syncline::job::{CommitPolicy, Job as _, Outcome, RunRequest, SyncJob};
use syncline::memory::{ManualClock, MemoryConnection, MemoryDataset, MemoryRejects, MemoryState};
use syncline::record::{Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};

/// Six records of which one is refused, in groups of three, with saved state.
fn run(observer: Arc<dyn Observer>) {
    let fields = |field_type| vec![Field::new("seats", field_type)];
    let schema = Schema::new(fields(FieldType::Text));
    let mut rows = RecordBuilder::new(&schema);
    for seats in ["1", "2", "secret", "4", "5", "6"] {
        rows.push(&json!({"seats": seats})).unwrap();
    }
    let dataset = MemoryDataset::new("usage", schema, vec![rows.finish().unwrap()]).unwrap();
    let home = MemoryConnection::new("home")
        .with_object(&ObjectSpec::new(
            "usage",
            Identity::Generated,
            fields(FieldType::Integer),
        ))
        .unwrap();
    let mapping = MappingSpec::new(vec![FieldMapping::direct("seats", "seats")]);
    let job = SyncJob::new("nightly", Arc::new(dataset)).to(
        Arc::new(home),
        DestinationSpec::new("usage", WriteMode::Insert, mapping),
    );
    let request = RunRequest::new(Arc::new(MemoryRejects::new()))
        .with_batch_rows(1)
        .with_commit(CommitPolicy::default().with_records(3))
        .with_state(Tenant::new("acme").unwrap(), Arc::new(MemoryState::new()));
    let clock = Arc::new(ManualClock::new(chrono::DateTime::UNIX_EPOCH));
    let context = Context::new().with_clock(clock).with_observer(observer);
    let report = block_on(job.run(&context, request)).unwrap();
    assert_eq!(report.outcome, Outcome::PartialSuccess);
}

#[test]
fn a_timeline_is_short_and_holds_no_values() {
    let start = "2025-01-31T06:00:00Z".parse().unwrap();
    let timeline = Timeline::new(Arc::new(ManualClock::new(start)));
    run(Arc::new(timeline.clone()));
    let told: Value = serde_json::to_value(&timeline).unwrap();
    let at = "2025-01-31T06:00:00Z";
    let progress = |records: u64, rejected: u64| json!({"at": at, "event": "progress", "records": records, "bytes": 0, "bytes_total": null, "rejected": rejected});
    assert_eq!(
        told,
        json!([
            {"at": at, "event": "run_started", "job": "nightly", "epoch": told[0]["epoch"], "resumed": 0, "resumed_bytes": 0},
            progress(2, 0),
            {"at": at, "event": "rejected", "destination": "usage", "reason": "bad_value", "count": 1},
            progress(3, 1),
            {"at": at, "event": "committed", "group": 1, "records": 3},
            progress(6, 1),
            {"at": at, "event": "committed", "group": 2, "records": 3},
            {"at": at, "event": "committed", "group": 3, "records": 0},
            {"at": at, "event": "run_finished", "job": "nightly", "outcome": "partial_success"},
        ])
    );
    assert!(!told.to_string().contains("secret"));
}

#[test]
fn a_timeline_that_is_full_still_tells_the_end() {
    let timeline = Timeline::new(Arc::new(ManualClock::new(chrono::DateTime::UNIX_EPOCH)));
    for group in 0..10_050 {
        timeline.observe(&Event::Committed { group, records: 1 });
    }
    timeline.observe(&Event::RunFinished {
        job: "nightly",
        outcome: "success",
    });
    assert_eq!((timeline.len(), timeline.left_out()), (10_001, 50));
    let told = serde_json::to_value(&timeline).unwrap();
    assert_eq!(told[10_000]["event"], "run_finished");
}

#[cfg(feature = "metrics")]
mod metrics {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use ::metrics::{
        Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
        SharedString, Unit,
    };
    use syncline::adapter::MetricsObserver;
    use syncline::host::{Event, Observer as _};

    /// Keeps each metric under its name and labels.
    #[derive(Debug, Default, Clone)]
    struct Kept(Arc<Mutex<BTreeMap<String, f64>>>);

    struct One(Kept, String);

    impl One {
        fn add(&self, value: f64) {
            *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += value;
        }
    }

    impl CounterFn for One {
        fn increment(&self, value: u64) {
            self.add(value as f64);
        }

        fn absolute(&self, _: u64) {
            panic!("counters are counted up");
        }
    }

    impl HistogramFn for One {
        fn record(&self, value: f64) {
            self.add(value);
        }
    }

    fn name(key: &Key) -> String {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        format!("{}{{{}}}", key.name(), labels.join(","))
    }

    impl Recorder for Kept {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(Arc::new(One(self.clone(), name(key))))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            panic!("there are no gauges");
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(Arc::new(One(self.clone(), name(key))))
        }
    }

    #[test]
    fn counts_have_the_names_and_labels_of_the_table() {
        let kept = Kept::default();
        ::metrics::with_local_recorder(&kept, || {
            let observer = Arc::new(MetricsObserver::new([("job", "nightly")]));
            super::run(observer.clone());
            let wait = std::time::Duration::from_millis(1500);
            observer.observe(&Event::Throttled {
                account: "crm",
                wait,
            });
            observer.observe(&Event::CircuitOpened {
                connection: "crm",
                rest: wait,
            });
            observer.observe(&Event::Retried {
                call: "read",
                kind: syncline::ErrorKind::Io,
                tries: 1,
                wait,
            });
            observer.observe(&Event::Drifted {
                dataset: "usage",
                changes: 2,
            });
            observer.observe(&Event::NotTold {
                items: 3,
                tries: 10,
                kind: syncline::ErrorKind::Io,
            });
        });
        let kept = kept.0.lock().unwrap().clone();
        let expected = [
            ("syncline_bytes_read_total{job=nightly}", 0.0),
            (
                "syncline_circuits_opened_total{job=nightly,connection=crm}",
                1.0,
            ),
            (
                "syncline_drift_changes_total{job=nightly,dataset=usage}",
                2.0,
            ),
            ("syncline_groups_committed_total{job=nightly}", 3.0),
            ("syncline_not_told_total{job=nightly,kind=io}", 3.0),
            ("syncline_records_read_total{job=nightly}", 6.0),
            (
                "syncline_records_rejected_total{job=nightly,reason=bad_value,destination=usage}",
                1.0,
            ),
            ("syncline_retries_total{job=nightly,call=read,kind=io}", 1.0),
            (
                "syncline_runs_total{job=nightly,outcome=partial_success}",
                1.0,
            ),
            ("syncline_throttled_seconds{job=nightly,account=crm}", 1.5),
        ];
        assert_eq!(
            kept,
            expected
                .map(|(name, value)| (name.to_owned(), value))
                .into()
        );
    }
}

#[cfg(feature = "tracing")]
mod tracing {
    use std::fmt::Debug;
    use std::sync::{Arc, Mutex};

    use ::tracing::field::{Field, Visit};
    use ::tracing::span::{Attributes, Id, Record};
    use ::tracing::{Metadata, Subscriber};
    use syncline::adapter::TracingObserver;

    /// Keeps each event as a line.
    #[derive(Debug, Default, Clone)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.0 += &format!(" {}={value:?}", field.name());
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "syncline"
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            panic!("there are no spans");
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &::tracing::Event<'_>) {
            let mut line = Line(event.metadata().level().to_string());
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }

        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn events_have_the_levels_and_fields_of_the_table() {
        let lines = Lines::default();
        ::tracing::subscriber::with_default(lines.clone(), || {
            super::run(Arc::new(TracingObserver))
        });
        let lines = lines.0.lock().unwrap().clone();
        let said = |part: &str| {
            assert!(
                lines.iter().any(|line| line.contains(part)),
                "{part} in {lines:#?}"
            );
        };
        let (began, ended) = lines[0].split_once(" epoch=").unwrap();
        assert_eq!(began, r#"INFO message=run_started job="nightly""#);
        assert!(ended.ends_with(" resumed=0 resumed_bytes=0"), "{ended}");
        said(r#"WARN message=rejected destination="usage" reason="bad_value" count=1"#);
        said("DEBUG message=progress records=6 bytes=0 rejected=1");
        said("DEBUG message=committed group=1 records=3");
        said(r#"INFO message=run_finished job="nightly" outcome="partial_success""#);
        assert!(!lines.concat().contains("secret"));
    }
}
