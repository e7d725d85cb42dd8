//! Lookups: the index that is built once, and the live one.

use std::sync::Arc;

use futures::executor::block_on;
use proptest::prelude::*;
use syncline::connection::{Catalog, Connection, ConnectionInfo};
use syncline::dataset::Dataset;
use syncline::lookup::{Lookup, LookupIndex, LookupIndexBuilder, LookupKeys, LookupRequest, Match};
use syncline::memory::{MemoryConnection, MemoryDataset, MemoryObject};
use syncline::record::{Refusal, Schema};
use syncline::{ErrorKind, Result};

use super::*;

const NAMES: [&str; 3] = ["code", "name", "#size"];

fn object(rows: &[Vec<Cell>]) -> MemoryObject {
    let object = MemoryObject::new(&spec(Identity::None, &NAMES)).unwrap();
    object.insert(records(&NAMES, rows)).unwrap();
    object
}

/// The same lookup three ways: built from a dataset, built from chunks, and live.
fn lookups(object: &MemoryObject, request: &LookupRequest) -> Vec<Arc<dyn Lookup>> {
    let connection = MemoryConnection::new("home");
    connection.add(object.clone());
    let dataset = block_on(connection.dataset(&context(), "thing")).unwrap();
    let read = block_on(LookupIndex::read(&context(), &*dataset, request, 1 << 20)).unwrap();
    let mut builder = LookupIndexBuilder::new(request, object.schema(), 1 << 20).unwrap();
    for batch in object.scan().unwrap() {
        for row in 0..batch.num_rows() {
            builder.push(&batch.slice(row, 1)).unwrap();
        }
    }
    let live = block_on(connection.lookup(&context(), request.clone())).unwrap();
    vec![Arc::new(read), Arc::new(builder.finish().unwrap()), live]
}

fn find(lookup: &dyn Lookup, keys: Vec<ArrayRef>) -> Vec<(Match, String)> {
    let matches = block_on(lookup.resolve(&context(), LookupKeys::new(keys))).unwrap();
    matches
        .found
        .into_iter()
        .zip(cells(&matches.values))
        .collect()
}

#[test]
fn the_first_of_several_is_the_least_or_the_oldest() {
    let object = object(&rows![
        "a first 5",
        "a second -",
        "a third 3",
        "a fourth 3",
        "b only 1",
        "- lost 1",
        "c null -",
        "c none -"
    ]);
    let keys = || vec![text(&[Some("a"), Some("b"), Some("x"), None, Some("c")])];
    let request = LookupRequest::new("thing", vec!["code".into()], "name");
    for lookup in lookups(&object, &request) {
        let expected = [
            (Match::Many, "first"),
            (Match::One, "only"),
            (Match::None, "-"),
            (Match::Empty, "-"),
            (Match::Many, "null"),
        ];
        assert_eq!(
            find(&*lookup, keys()),
            expected.map(|(found, name)| (found, name.to_owned()))
        );
        assert!(lookup.info().in_memory && lookup.info().memory_bytes > 0);
        assert_eq!(
            (lookup.info().keys.len(), &*lookup.info().fetch.name),
            (1, "name")
        );
    }
    for lookup in lookups(&object, &request.with_order_by("size")) {
        assert_eq!(find(&*lookup, keys())[0], (Match::Many, "third".into()));
        assert_eq!(find(&*lookup, keys())[4], (Match::Many, "null".into()));
    }
}

/// Sought for each asking row anew, the least would take two hundred million comparisons.
#[test]
fn a_key_of_very_many_records_is_gone_through_once_a_batch() {
    let object = MemoryObject::new(&spec(Identity::None, &NAMES)).unwrap();
    let count = 60_000;
    let sizes: ArrayRef = Arc::new(Int64Array::from_iter_values((0..count).rev()));
    let codes = StringViewArray::from_iter_values((0..count).map(|i| ["a", "b"][(i % 2) as usize]));
    let codes: ArrayRef = Arc::new(codes);
    let all = RecordBatch::try_from_iter([("code", codes), ("size", sizes)]).unwrap();
    object.insert(all).unwrap();
    let connection = MemoryConnection::new("home");
    connection.add(object);
    let request = LookupRequest::new("thing", vec!["code".into()], "size").with_order_by("size");
    let lookup = block_on(connection.lookup(&context(), request)).unwrap();
    let asked = StringViewArray::from_iter_values((0..8192).map(|i| ["a", "b"][i % 2]));
    let found = find(&*lookup, vec![Arc::new(asked)]);
    assert_eq!(found.len(), 8192);
    for (i, answer) in found.iter().enumerate() {
        assert_eq!(*answer, (Match::Many, ["1", "0"][i % 2].to_owned()));
    }
}

#[test]
fn several_keys_must_all_match_in_the_asked_order() {
    let object = object(&rows!["a x 1", "a y 2", "b x 3"]);
    let request = LookupRequest::new("thing", vec!["size".into(), "code".into()], "size");
    for lookup in lookups(&object, &request) {
        let keys = vec![
            numbers(&[Some("2"), Some("2"), None, Some("1")]),
            text(&[Some("a"), Some("b"), Some("a"), None]),
        ];
        let found: Vec<Match> = find(&*lookup, keys).iter().map(|found| found.0).collect();
        assert_eq!(found, [Match::One, Match::None, Match::Empty, Match::Empty]);
        let swapped = vec![text(&[Some("a")]), numbers(&[Some("1")])];
        let wrong = block_on(lookup.resolve(&context(), LookupKeys::new(swapped)));
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Contract);
    }
}

#[test]
fn an_unknown_field_a_bad_record_and_a_tight_budget_are_told() {
    let object = object(&rows!["a x 1", "secret y 2"]);
    let dataset =
        MemoryDataset::new("thing", object.schema().clone(), object.scan().unwrap()).unwrap();
    let read = |dataset: &dyn Dataset,
                key: &str,
                fetch: &str,
                order: &str,
                budget|
     -> Result<LookupIndex> {
        let request = LookupRequest::new("thing", vec![key.into()], fetch).with_order_by(order);
        block_on(LookupIndex::read(&context(), dataset, &request, budget))
    };
    for names in [
        ["colour", "name", "size"],
        ["code", "colour", "size"],
        ["code", "name", "colour"],
    ] {
        let error = read(&dataset, names[0], names[1], names[2], 1 << 20).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("colour"));
        let connection = MemoryConnection::new("home");
        connection.add(object.clone());
        let request =
            LookupRequest::new("thing", vec![names[0].into()], names[1]).with_order_by(names[2]);
        let error = block_on(connection.lookup(&context(), request)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let error = read(&dataset, "code", "name", "size", 100).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    let bad = dataset.with_reject(1, Refusal::new(Reason::BadValue, "scripted").of("size"));
    let error = read(&bad, "code", "name", "size", 1 << 20).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let message = error.to_string();
    assert!(message.contains("thing#1") && message.contains("size") && !message.contains("secret"));
}

/// A connection that leaves its lookups to the default.
#[derive(Debug)]
struct Plain(MemoryConnection);

#[async_trait::async_trait]
impl Connection for Plain {
    fn info(&self) -> &ConnectionInfo {
        self.0.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        self.0.discover(context).await
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        self.0.dataset(context, object).await
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        self.0.destination(context, object).await
    }
}

#[test]
fn a_connection_looks_up_by_reading_its_object_if_it_knows_no_better_way() {
    let object = object(&rows!["a x 1", "b y 2"]);
    let home = MemoryConnection::new("home");
    home.add(object.clone());
    let plain = Plain(home);
    let request = |fetch: &str| LookupRequest::new("thing", vec!["code".into()], fetch);
    let lookup = block_on(plain.lookup(&context(), request("name"))).unwrap();
    object.insert(records(&NAMES, &rows!["c z 3"])).unwrap();
    // The object as it was.
    let keys = vec![text(&[Some("b"), Some("c")])];
    let expected = [(Match::One, "y".to_owned()), (Match::None, "-".to_owned())];
    assert_eq!(find(&*lookup, keys), expected);
    let unknown = block_on(plain.lookup(&context(), request("colour"))).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let elsewhere = LookupRequest::new("other", vec!["code".into()], "name");
    let unknown = block_on(plain.lookup(&context(), elsewhere)).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);

    let catalog = block_on(plain.discover(&context())).unwrap();
    assert_eq!(catalog.object("thing").unwrap().schema, *object.schema());
    assert!(block_on(plain.destination(&context(), "thing")).is_ok());
    assert!(block_on(plain.dataset(&context(), "other")).is_err());
}

#[test]
fn an_empty_object_matches_nothing() {
    let object = object(&[]);
    let request = LookupRequest::new("thing", vec!["code".into()], "size").with_order_by("name");
    for lookup in lookups(&object, &request) {
        assert_eq!(
            find(&*lookup, vec![text(&[Some("a")])]),
            [(Match::None, "-".to_owned())]
        );
        assert_eq!(find(&*lookup, vec![text(&[])]), []);
    }
}

#[test]
fn an_index_holds_no_more_than_it_needs() {
    let schema = Schema::new(vec![
        Field::new("code", FieldType::Text),
        Field::new("note", FieldType::Text),
    ]);
    let codes =
        StringViewArray::from_iter_values((0..1000).map(|i| format!("a code of some length {i}")));
    let notes = StringViewArray::from_iter_values((0..1000).map(|i| format!("{i:0500}")));
    let columns: Vec<ArrayRef> = vec![Arc::new(codes), Arc::new(notes)];
    let records = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
    let request = LookupRequest::new("thing", vec!["code".into()], "code").with_order_by("note");
    let mut builder = LookupIndexBuilder::new(&request, &schema, 1 << 30).unwrap();
    builder.push(&records).unwrap();
    let bytes = builder.finish().unwrap().info().memory_bytes;
    assert!(bytes < 1000 * (16 + 30 + 22), "{bytes}");
}

#[test]
fn a_slice_counts_for_itself_only() {
    let schema = Schema::new(vec![
        Field::new("code", FieldType::Text),
        Field::new("size", FieldType::Integer),
    ]);
    let count = 100_000;
    // Short texts stand in the views alone; nulls make a bitmap.
    let codes = (0..count).map(|i| (i % 7 > 0).then(|| i.to_string()));
    let sizes = (0..count).map(|i| (i % 5 > 0).then_some(i));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(codes.collect::<StringViewArray>()),
        Arc::new(sizes.collect::<Int64Array>()),
    ];
    let records = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
    let request = LookupRequest::new("thing", vec!["code".into()], "size");
    let build = |budget, to: usize| {
        let mut builder = LookupIndexBuilder::new(&request, &schema, budget)?;
        for from in (0..to).step_by(1000) {
            builder.push(&records.slice(from, 1000))?;
        }
        builder.finish()
    };
    let rows = count as u64;
    let index = build(rows * (16 + 16 + 8 + 2), count as usize).unwrap();
    assert!(index.info().memory_bytes < rows * (16 + 16 + 8 + 2));
    let one = build(1 << 30, 1000).unwrap().info().memory_bytes;
    assert!(one < 60_000, "{one}");
}

#[test]
fn what_keys_of_several_records_take_counts_too() {
    let schema = Schema::new(vec![Field::new("size", FieldType::Integer)]);
    let pairs: ArrayRef = Arc::new(Int64Array::from_iter_values((0..10_000).map(|i| i / 2)));
    let records = RecordBatch::try_new(Arc::clone(schema.arrow()), vec![pairs]).unwrap();
    let request = LookupRequest::new("thing", vec!["size".into()], "size");
    let build = |budget| {
        let mut builder = LookupIndexBuilder::new(&request, &schema, budget).unwrap();
        builder.push(&records).unwrap();
        builder.finish()
    };
    let bytes = build(1 << 30).unwrap().info().memory_bytes;
    assert!(bytes > 10_000 * (8 + 16) + 1024);
    let error = build(bytes - 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(error.to_string().contains("thing"));
    assert_eq!(build(bytes).unwrap().info().memory_bytes, bytes);
}

#[test]
fn a_budget_is_kept_while_the_object_is_read() {
    let schema = Schema::new(vec![Field::new("size", FieldType::Integer)]);
    let sizes: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
    let request = LookupRequest::new("thing", vec!["size".into()], "size");
    let records = RecordBatch::try_new(Arc::clone(schema.arrow()), vec![sizes.clone()]).unwrap();
    let push_twice = |budget| {
        let mut builder = LookupIndexBuilder::new(&request, &schema, budget).unwrap();
        builder.push(&records)?;
        builder.push(&records)
    };
    let both = 2 * (sizes.get_array_memory_size() as u64 + 100 * 16);
    push_twice(both).unwrap();
    let error = push_twice(both - 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(error.to_string().contains("200"), "{error}");
    // Rows of few bytes and few rows of many bytes.
    assert!(push_twice(both / 2 - 1).is_err());
}

#[test]
fn an_index_counts_what_it_holds() {
    let columns = ["code", "size", "age"];
    let fields = columns.map(|name| Field::new(name, FieldType::Integer));
    let schema = Schema::new(fields.to_vec());
    // Each code is that of two records.
    let numbers =
        |by: i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values((0..2000).map(|n| n / by))) };
    let records = vec![numbers(2), numbers(1), numbers(1)];
    let records = RecordBatch::try_new(Arc::clone(schema.arrow()), records).unwrap();
    let bytes = |fetch: &str, order_by: Option<&str>| {
        let mut request = LookupRequest::new("thing", vec!["code".into()], fetch);
        request.order_by = order_by.map(Into::into);
        let mut builder = LookupIndexBuilder::new(&request, &schema, 1 << 30).unwrap();
        builder.push(&records).unwrap();
        builder.finish().unwrap().info().memory_bytes
    };
    let column = records.column(0).get_array_memory_size() as u64;
    // What is fetched beside the key is a column more; what orders is let go, but not which record is the first of each code.
    assert_eq!(bytes("size", None) - bytes("code", None), column);
    let firsts = bytes("size", Some("age")) - bytes("size", None);
    assert!((1000 * 9..2000 * 9).contains(&firsts), "{firsts}");
    assert!(bytes("code", None) > column + 1000 * (8 + 96));
}

const WORDS: [Cell; 6] = [
    None,
    Some("a"),
    Some("b"),
    Some("a word of more than twelve bytes"),
    Some("a word of more, too"),
    Some(""),
];

proptest! {
    /// The order of the other object's records decides nothing but which of several comes first.
    #[test]
    fn a_permutation_changes_no_answer(
        rows in prop::collection::vec((0..6usize, 0..4i64), 0..60),
        seed in any::<prop::sample::Index>(),
        asked in prop::collection::vec((0..6usize, 0..5i64), 1..150),
    ) {
        let row = |(i, &(word, number)): (usize, &(usize, i64))| -> Vec<Cell> {
            let number: &'static str = ["0", "1", "2", "3", "4"][number as usize];
            let name: &'static str = Box::leak(format!("the name of record number {i}").into_boxed_str());
            vec![WORDS[word], Some(name), Some(number)]
        };
        let rows: Vec<Vec<Cell>> = rows.iter().enumerate().map(row).collect();
        let mut permuted = rows.clone();
        permuted.reverse();
        if !permuted.is_empty() {
            permuted.rotate_left(seed.index(rows.len()));
        }
        let keys = || vec![
            text(&asked.iter().map(|&(word, _)| WORDS[word]).collect::<Vec<_>>()),
            numbers(&asked.iter().map(|&(_, n)| Some(["0", "1", "2", "3", "4"][n as usize])).collect::<Vec<_>>()),
        ];
        let request = LookupRequest::new("thing", vec!["code".into(), "size".into()], "name");
        let mut answers = Vec::new();
        for rows in [&rows, &permuted] {
            for lookup in lookups(&object(rows), &request) {
                answers.push(find(&*lookup, keys()));
            }
        }
        for (i, &(word, number)) in asked.iter().enumerate() {
            let number = Some(["0", "1", "2", "3", "4"][number as usize]);
            let hits: Vec<&Vec<Cell>> =
                rows.iter().filter(|row| row[0] == WORDS[word] && row[2] == number).collect();
            let expected = match (WORDS[word], hits.len()) {
                (None, _) => Match::Empty,
                (_, 0) => Match::None,
                (_, 1) => Match::One,
                _ => Match::Many,
            };
            for answer in &answers {
                prop_assert_eq!(answer[i].0, expected);
                if expected == Match::One {
                    prop_assert_eq!(Some(answer[i].1.as_str()), hits[0][1]);
                }
            }
            // The three kinds agree on the first of several, too.
            prop_assert!(answers[..3].iter().all(|answer| answer[i] == answers[0][i]));
        }
    }
}
