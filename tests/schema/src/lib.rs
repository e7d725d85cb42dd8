//! A schema accepts a document just when the reader does: the specs of the examples and the guides, and each of them with
//! one thing changed.
#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use syncline::spec::{
    ChainSpec, ConnectionSpec, DatasetSpec, DestinationSpec, ExportSpec, Expr, FileSource, JobSpec,
    MappingSpec, ObjectSpec, ScheduleSpec, ValueFormat, schemas,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn validator(name: &str) -> Validator {
    let (_, schema) = (schemas().into_iter().find(|(known, _)| *known == name)).expect(name);
    jsonschema::validator_for(&schema).expect(name)
}

fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(end));
    files.sort();
    files
}

/// The JSON documents in the raw texts of a program.
fn raw_documents(text: &str) -> Vec<Value> {
    let raw = text.split("r#").skip(1).filter_map(|behind| {
        let opened = behind.trim_start_matches('#');
        let end = format!("\"#{}", "#".repeat(behind.len() - opened.len()));
        opened.strip_prefix('"')?.split(&end).next()
    });
    raw.filter_map(|text| serde_json::from_str(text).ok())
        .filter(Value::is_object)
        .collect()
}

/// The JSON documents of the examples, the benchmarks and the guides, and those in the code of examples and guides.
fn documents() -> Vec<(String, Value)> {
    let mut documents = Vec::new();
    for folder in ["benches/jobs", "examples/data/nycflights"] {
        for path in files(folder, ".json") {
            let text = std::fs::read_to_string(&path).unwrap();
            documents.push((
                path.display().to_string(),
                serde_json::from_str(&text).unwrap(),
            ));
        }
    }
    for path in files("src/docs", ".md") {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, block) in text.split("```json\n").skip(1).enumerate() {
            let block = block.split("```").next().unwrap();
            let name = format!("{} block {number}", path.display());
            documents.push((name.clone(), serde_json::from_str(block).expect(&name)));
        }
    }
    let programs = [files("examples", ".rs"), files("src/docs", ".md")];
    for path in programs.concat() {
        let text = std::fs::read_to_string(&path).unwrap();
        let found = raw_documents(&text).into_iter().enumerate();
        documents.extend(
            found.map(|(number, document)| {
                (format!("{} raw text {number}", path.display()), document)
            }),
        );
    }
    documents
}

/// Whether a reader takes a document.
type Reads = fn(&Value) -> bool;

/// The kinds of document, with their readers.
fn readers() -> Vec<(&'static str, Reads)> {
    fn reads<T: DeserializeOwned>(document: &Value) -> bool {
        serde_json::from_value::<T>(document.clone()).is_ok()
    }
    vec![
        // With the version, which this checks before anything else.
        ("JobSpec", |document| {
            JobSpec::from_json(&document.to_string()).is_ok()
        }),
        ("DatasetSpec", reads::<DatasetSpec>),
        ("FileSource", reads::<FileSource>),
        ("ObjectSpec", reads::<ObjectSpec>),
        ("ConnectionSpec", reads::<ConnectionSpec>),
        ("ChainSpec", reads::<ChainSpec>),
        ("ExportSpec", |document| {
            ExportSpec::from_json(&document.to_string()).is_ok()
        }),
        ("DestinationSpec", reads::<DestinationSpec>),
        ("MappingSpec", reads::<MappingSpec>),
        ("Expr", reads::<Expr>),
        ("ValueFormat", reads::<ValueFormat>),
        ("ScheduleSpec", |document| {
            ScheduleSpec::from_json(&document.to_string()).is_ok()
        }),
    ]
}

#[test]
fn every_document_of_the_project_fits_a_schema() {
    let documents = documents();
    assert!(documents.len() >= 20, "{}", documents.len());
    let readers = readers();
    let mut jobs = 0;
    for (name, document) in &documents {
        let kinds: Vec<&str> = (readers.iter())
            .filter(|(_, reads)| reads(document))
            .map(|(kind, _)| *kind)
            .collect();
        assert!(!kinds.is_empty(), "{name} is no spec of any kind");
        for kind in kinds {
            let errors: Vec<String> = validator(kind)
                .iter_errors(document)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{name} as {kind}: {errors:?}");
            jobs += usize::from(kind == "JobSpec");
        }
    }
    assert!(jobs >= 10, "{jobs}");
}

/// The document with one change at one place, for every place and many changes.
fn changed(document: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    let other = [
        json!(true),
        json!(-1),
        json!(7),
        json!(1.5),
        json!(""),
        json!("text"),
        json!("no such word"),
        json!([]),
        json!({}),
        json!(["text"]),
    ];
    let mut pointers = Vec::new();
    collect(document, String::new(), &mut pointers);
    for pointer in pointers {
        let is_object = document.pointer(&pointer).unwrap().is_object();
        for value in &other {
            // serde also takes the values of an object as a list, which nobody should rely on.
            if is_object && value.is_array() {
                continue;
            }
            let mut copy = document.clone();
            *copy.pointer_mut(&pointer).unwrap() = value.clone();
            all.push(copy);
        }
        let place = document.pointer(&pointer).unwrap();
        if let Value::Object(fields) = place {
            let mut copy = document.clone();
            copy.pointer_mut(&pointer).unwrap()["no such key"] = json!(1);
            all.push(copy);
            for key in fields.keys() {
                let mut copy = document.clone();
                let fields = copy.pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
                fields.shift_remove(key);
                all.push(copy);
            }
        }
    }
    all
}

fn collect(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                collect(
                    value,
                    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    pointers,
                );
            }
        }
        Value::Array(values) => {
            for (i, value) in values.iter().enumerate() {
                collect(value, format!("{at}/{i}"), pointers);
            }
        }
        _ => {}
    }
    pointers.push(at);
}

#[test]
fn a_schema_refuses_what_the_reader_refuses_and_nothing_else() {
    let readers = readers();
    let (mut good, mut bad) = (0, 0);
    for (name, document) in documents() {
        for (kind, reads) in readers.iter().filter(|(_, reads)| reads(&document)) {
            let validator = validator(kind);
            for changed in changed(&document) {
                let reads = reads(&changed);
                assert_eq!(
                    validator.is_valid(&changed),
                    reads,
                    "{name} as {kind}: {changed}"
                );
                good += usize::from(reads);
                bad += usize::from(!reads);
            }
        }
    }
    assert!(good > 100 && bad > 100, "{good} good, {bad} bad");
}
