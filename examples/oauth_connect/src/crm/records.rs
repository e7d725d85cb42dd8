//! The records of an object, page by page.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value};
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::host::Context;
use syncline::record::{
    Batch, Cursor, Field, FieldType, Origins, Position, RawRecord, RecordBuilder, Reject, Schema,
    SourceRecords,
};
use syncline::{Error, ErrorKind, Result};

use super::api::Api;

/// What an object is like, and how its records are read. The places are JSON pointers.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// The object.
    pub(crate) name: String,
    /// The path of its first page.
    pub(crate) first_page: String,
    /// Where an answer has its records.
    pub(crate) records: String,
    /// Where it has the path or URL of the next page; nothing there behind the last.
    pub(crate) next: String,
    /// The fields, and where a record has each.
    pub(crate) fields: Vec<(Field, String)>,
}

impl Shape {
    /// What Acme CRM says of its objects.
    pub(crate) fn described(answer: &Value, page_size: i64) -> Result<Vec<Shape>> {
        let malformed = || {
            let message = "the system describes its objects in a way that is not known";
            Error::new(ErrorKind::Malformed, message)
        };
        let field = |field: &Value| {
            let name = field["name"].as_str()?;
            // What this connector does not know is text.
            let of = field["type"].as_str()?.parse().unwrap_or(FieldType::Text);
            Some((Field::new(name, of), format!("/{name}")))
        };
        let shape = |object: &Value| {
            let name = object["name"].as_str()?;
            let fields = object["fields"].as_array()?.iter().map(field);
            Some(Shape {
                name: name.to_owned(),
                first_page: format!("{}?limit={page_size}", object["path"].as_str()?),
                records: "/records".into(),
                next: "/next".into(),
                fields: fields.collect::<Option<_>>()?,
            })
        };
        let objects = answer["objects"].as_array().ok_or_else(malformed)?;
        let shapes = objects.iter().map(shape).collect::<Option<_>>();
        shapes.ok_or_else(malformed)
    }

    pub(crate) fn schema(&self) -> Schema {
        let fields = self.fields.iter().map(|(field, _)| field.clone());
        Schema::new(fields.collect::<Vec<_>>())
    }
}

/// The records of one object.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    api: Api,
    shape: Arc<Shape>,
    info: DatasetInfo,
    schema: Schema,
}

/// How far a read has come: written as `<records so far> <page>`, behind the last page without one.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    record: u64,
    page: Option<String>,
}

impl Place {
    fn of(cursor: &Cursor) -> Result<Self> {
        let (record, page) = match cursor.as_str().split_once(' ') {
            Some((record, page)) => (record, Some(page.to_owned())),
            None => (cursor.as_str(), None),
        };
        let unknown = |_| Error::new(ErrorKind::OtherLineage, "no page has this cursor");
        let record = record.parse().map_err(unknown)?;
        Ok(Place { record, page })
    }

    fn cursor(&self) -> Cursor {
        let record = self.record;
        Cursor::new(match &self.page {
            Some(page) => format!("{record} {page}"),
            None => record.to_string(),
        })
    }
}

impl Records {
    pub(crate) fn new(api: Api, shape: Shape) -> Self {
        let columns: Vec<String> = shape.fields.iter().map(|(f, _)| f.name.clone()).collect();
        Records {
            api,
            info: DatasetInfo::new(&shape.name, columns).with_resume("records and page, 1"),
            schema: shape.schema(),
            shape: Arc::new(shape),
        }
    }

    /// One page, and the place behind it; `None` behind the last.
    async fn page(
        &self,
        context: &Context,
        place: &Place,
        columns: &[usize],
    ) -> Result<Option<(Batch, Place)>> {
        let Some(path) = &place.page else {
            return Ok(None);
        };
        let answer = self.api.get(context, path).await?;
        let records = answer
            .pointer(&self.shape.records)
            .and_then(Value::as_array);
        let records = records.ok_or_else(|| {
            let message = "the system answered without a list of records where one was expected";
            Error::new(ErrorKind::Malformed, message).with("object", &self.info.name)
        })?;
        let page = Arc::new(Page {
            object: self.info.name.as_str().into(),
            first: place.record,
            records: records.clone(),
            shape: Arc::clone(&self.shape),
        });
        let next = answer.pointer(&self.shape.next).and_then(Value::as_str);
        let next = Place {
            record: place.record + records.len() as u64,
            page: next.map(str::to_owned),
        };
        let batch = page.batch(&self.schema, columns)?;
        Ok(Some((batch.with_resume(next.cursor()), next)))
    }
}

impl Dataset for Records {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let first = Place {
            record: 0,
            page: Some(self.shape.first_page.clone()),
        };
        let asked = || {
            let from = request.resume.as_ref().map_or(Ok(first), Place::of)?;
            let until = request.until.as_ref().map(Place::of).transpose()?;
            Ok((request.positions(&self.schema)?, from, until))
        };
        let (columns, from, until) = match asked() {
            Ok(asked) => asked,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let (records, context) = (self.clone(), context.clone());
        let pages = stream::try_unfold(from, move |place| {
            let (records, context) = (records.clone(), context.clone());
            let (columns, until) = (columns.clone(), until.clone());
            async move {
                if until.as_ref() == Some(&place) {
                    return Ok(None);
                }
                records.page(&context, &place, &columns).await
            }
        });
        let pieces = move |page: Batch| stream::iter(page.pieces(request.batch_rows)).map(Ok);
        pages.map_ok(pieces).try_flatten().boxed()
    }
}

/// The records of one answer, kept for those that are refused later.
#[derive(Debug)]
struct Page {
    object: Arc<str>,
    first: u64,
    records: Vec<Value>,
    shape: Arc<Shape>,
}

impl Page {
    /// Its records with these columns. One with a value that is none of its field's type is refused, with all that it had.
    fn batch(self: Arc<Self>, schema: &Schema, columns: &[usize]) -> Result<Batch> {
        let wanted: Vec<&(Field, String)> = columns
            .iter()
            .filter_map(|&column| self.shape.fields.get(column))
            .collect();
        let fields: Vec<Field> = columns
            .iter()
            .filter_map(|&column| schema.fields().get(column).cloned())
            .collect();
        let mut builder = RecordBuilder::new(&Schema::new(fields));
        let (mut rows, mut rejects) = (Vec::new(), Vec::new());
        for (number, record) in (0u32..).zip(&self.records) {
            let cell = |(field, place): &&(Field, String)| {
                Some((field.name.clone(), record.pointer(place)?.clone()))
            };
            let row: Map<String, Value> = wanted.iter().filter_map(cell).collect();
            match builder.push_map(&row) {
                Ok(()) => rows.push(number),
                Err(refusal) => {
                    let (position, raw) = (self.position(number), self.raw(number));
                    rejects.push(Reject::new(position, refusal, raw));
                }
            }
        }
        let first = self.first;
        let origins = Origins::new(self, first, rows);
        Ok(Batch::new(builder.finish()?, origins).with_rejects(rejects))
    }
}

impl SourceRecords for Page {
    fn position(&self, record: u32) -> Position {
        Position::new(Arc::clone(&self.object), self.first + u64::from(record))
    }

    fn raw(&self, record: u32) -> RawRecord {
        let record = self.records.get(record as usize);
        let cell = |(_, place): &(Field, String)| match record?.pointer(place)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone().into()),
            other => Some(other.to_string().into()),
        };
        RawRecord::Cells(self.shape.fields.iter().map(cell).collect())
    }
}
