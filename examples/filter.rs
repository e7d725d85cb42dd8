//! Evaluates a filter or a formula over a CSV file with a header:
//!
//! ```text
//! filter FILE.csv EXPR [--formula NAME] [--type COLUMN=TYPE]...
//! ```
//!
//! EXPR is JSON, or a file of it; columns are texts unless a type is told. Prints the rows that are kept, or all with
//! the formula's value as a last column, as CSV; refused rows go to the error output with their place and reason.
//! Exit code: 0 success, 2 some rows refused, 1 failed, 64 bad usage or a wrong expression.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use futures::StreamExt as _;
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::expr::{Evaluated, Filter, Formula};
use syncline::file::{DelimitedDataset, DelimitedEncoder, LocalFiles};
use syncline::host::{Context, FileStore};
use syncline::record::array::RecordBatch;
use syncline::record::array::cast::AsArray as _;
use syncline::record::{Batch, FieldType, Position, Refusal};
use syncline::spec::{Column, Delimited, Expr, FileSource};
use syncline::{Error, ErrorKind, Problem, Result};

struct Arguments {
    file: String,
    expr: String,
    formula: Option<String>,
    types: Vec<(String, FieldType)>,
}

fn arguments() -> Option<Arguments> {
    let (mut plain, mut formula, mut types) = (Vec::new(), None, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--formula" => formula = Some(words.next()?),
            "--type" => {
                let told = words.next()?;
                let (column, field_type) = told.split_once('=')?;
                types.push((column.to_owned(), field_type.parse().ok()?));
            }
            _ => plain.push(word),
        }
    }
    let [file, expr] = <[String; 2]>::try_from(plain).ok()?;
    Some(Arguments {
        file,
        expr,
        formula,
        types,
    })
}

fn invalid(problems: Vec<Problem>) -> Error {
    Error::invalid("the expression is wrong", problems)
}

fn read_expr(text: &str) -> Result<Expr> {
    let text = match text.trim_start().starts_with('{') {
        true => text.to_owned(),
        false => std::fs::read_to_string(text).map_err(|error| {
            Error::new(ErrorKind::Invalid, "EXPR cannot be read").because(error)
        })?,
    };
    serde_json::from_str(&text).map_err(|error| invalid(vec![Problem::new("", error.to_string())]))
}

async fn run(arguments: Arguments) -> Result<bool> {
    let expr = read_expr(&arguments.expr)?;
    let context = Context::new();
    let path = Path::new(&arguments.file);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let files: Arc<dyn FileStore> = Arc::new(LocalFiles::new(path.with_file_name("")));
    // Without columns first, to learn which there are.
    let bare = FileSource::new(name, Vec::<Column>::new());
    let bare_file = DelimitedDataset::open(&context, Arc::clone(&files), &bare).await?;
    let column = |name: &String| {
        let told = arguments.types.iter().find(|(other, _)| other == name);
        let field_type = told.map(|(_, field_type)| field_type.clone());
        Column::new(name, field_type.unwrap_or(FieldType::Text))
    };
    let source = FileSource::new(bare.name, bare_file.info().columns.iter().map(column));
    let dataset = DelimitedDataset::open(&context, files, &source).await?;
    let schema = dataset.schema();
    let formula = Formula::compile(&expr, schema, "expression").map_err(invalid)?;
    if arguments.formula.is_none() {
        Filter::compile(&expr, schema, "expression").map_err(invalid)?;
    }
    let encoder = DelimitedEncoder::new(&Delimited::csv())?;
    let mut out = Vec::new();
    let names = schema.fields().iter().map(|field| &field.name);
    encoder.header(names.chain(&arguments.formula), &mut out)?;
    let mut all_good = true;
    let mut batches = dataset.read(&context, ReadRequest::new());
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let Evaluated {
            column, refused, ..
        } = formula.evaluate(&batch.records)?;
        let mut tell = |place: Position, refusal: &Refusal| {
            all_good = false;
            eprintln!("{place}: {}: {}", refusal.reason.code(), refusal.message);
        };
        let mut keep = vec![true; batch.len()];
        for (row, refusal) in &refused {
            keep[*row as usize] = false;
            tell(batch.origins.position(*row as usize), refusal);
        }
        for reject in &batch.rejects {
            tell(reject.position.clone(), &reject.refusal);
        }
        if arguments.formula.is_none() {
            let answers = column.as_boolean().iter();
            keep = answers.map(|answer| answer == Some(true)).collect();
        }
        let columns = schema.fields().iter().map(|field| field.name.clone());
        let columns = columns.zip(batch.records.columns().iter().cloned());
        let columns = columns.chain(arguments.formula.clone().zip(Some(column)));
        let whole = Batch::new(RecordBatch::try_from_iter(columns)?, batch.origins);
        encoder.batch(&whole.filter(&keep.into())?.records, &mut out)?;
        let closed = |error| Error::new(ErrorKind::Io, "nobody reads on").because(error);
        std::io::stdout().write_all(&out).map_err(closed)?;
        out.clear();
    }
    Ok(all_good)
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("usage: filter FILE.csv EXPR [--formula NAME] [--type COLUMN=TYPE]...");
        return ExitCode::from(64);
    };
    match futures::executor::block_on(run(arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(if error.kind() == ErrorKind::Invalid {
                64
            } else {
                1
            })
        }
    }
}
