//! Bytes in flight: of batches that were read and are not written yet.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use futures::Stream;

use crate::host::Bug;
use crate::record::Batch;

/// How much may be in flight, and how much is. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Flight(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    budget: u64,
    /// How many batches may be in flight.
    most: AtomicUsize,
    batches: AtomicUsize,
    bytes: AtomicU64,
    /// The most that one batch took so far when it was mapped; 0 before the first was.
    largest: AtomicU64,
}

/// A batch in flight: it is so until this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    flight: Flight,
    /// What it took when it was read.
    read: u64,
    /// What it counts for.
    bytes: u64,
}

impl Flight {
    /// So many bytes, and so many batches.
    pub(super) fn new(budget: u64, most: usize) -> Self {
        Flight(Arc::new(Inner {
            budget,
            most: AtomicUsize::new(most),
            batches: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            largest: AtomicU64::new(0),
        }))
    }

    /// From now on so many batches may be in flight, whatever is by now.
    pub(super) fn set_most(&self, most: usize) {
        self.0.most.store(most, Ordering::Release);
    }

    /// Whether another batch as large as the largest so far has room. One that is alone always has; and the first is alone
    /// until it is mapped, since before that nobody knows how large a batch becomes.
    fn has_room(&self) -> bool {
        let Inner {
            budget,
            most,
            batches,
            bytes,
            largest,
        } = &*self.0;
        if batches.load(Ordering::Acquire) >= most.load(Ordering::Acquire) {
            return false;
        }
        let bytes = bytes.load(Ordering::Acquire);
        let largest = largest.load(Ordering::Acquire);
        let fits = largest > 0 && bytes.saturating_add(largest) <= *budget;
        bytes == 0 || fits || Bug::NoMemoryBudget.is_on()
    }

    /// A batch was read. Until it is mapped it counts as the largest so far.
    pub(super) fn charge(&self, read: u64) -> Charge {
        self.0.batches.fetch_add(1, Ordering::AcqRel);
        let mut charge = Charge {
            flight: self.clone(),
            read,
            bytes: 0,
        };
        charge.set(read.max(self.0.largest.load(Ordering::Acquire)));
        charge
    }

    /// The stream, which is not asked for its next batch while there is no room; what it was asked for it may bring to its end,
    /// or the call would hold its place at the other side. Whoever polls it must poll it again when a batch was dropped: nobody
    /// wakes it.
    pub(super) fn gate<S: Stream + Unpin>(&self, stream: S) -> Gate<S> {
        Gate {
            flight: self.clone(),
            asked: false,
            stream,
        }
    }
}

impl Charge {
    /// The batch will be mapped later: it counts as if that took as much as it takes now.
    pub(super) fn not_mapped_yet(&mut self) {
        self.mapped(self.read);
    }

    /// The batch was mapped, which took so much more.
    pub(super) fn mapped(&mut self, more: u64) {
        self.set(self.read.saturating_add(more));
        let largest = &self.flight.0.largest;
        largest.fetch_max(self.bytes, Ordering::AcqRel);
    }

    /// One byte at least, so that a batch is never nothing.
    fn set(&mut self, bytes: u64) {
        let before = std::mem::replace(&mut self.bytes, bytes.max(1));
        let all = &self.flight.0.bytes;
        all.fetch_add(self.bytes, Ordering::AcqRel);
        all.fetch_sub(before, Ordering::AcqRel);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let Inner { batches, bytes, .. } = &*self.flight.0;
        bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        batches.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A stream that waits for room.
pub(super) struct Gate<S> {
    flight: Flight,
    /// Whether a batch is under way.
    asked: bool,
    stream: S,
}

impl<S: Stream + Unpin> Stream for Gate<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if !self.asked && !self.flight.has_room() {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.stream).poll_next(task);
        self.asked = polled.is_pending();
        polled
    }
}

/// What a batch holds that was read. Its rows show their records as they were read, and hold what was read for that.
pub(super) fn held_by(batch: &Batch) -> u64 {
    bytes_of(&batch.records) + batch.bytes_read
}

/// What the values of these rows take, whatever larger arrays they are slices of.
pub(super) fn bytes_of(records: &RecordBatch) -> u64 {
    let columns = records.columns().iter();
    columns.map(|column| bytes_of_column(column)).sum()
}

fn bytes_of_column(column: &dyn Array) -> u64 {
    let rows = column.len() as u64;
    let nulls = column.nulls().map_or(0, |_| rows / 8 + 1);
    let values = match column.data_type() {
        DataType::Utf8View => {
            // Texts of up to twelve bytes stand in their view.
            let views = column.as_string_view().views().iter();
            let texts = views.map(|view| u64::from(*view as u32));
            rows * 16 + texts.filter(|bytes| *bytes > 12).sum::<u64>()
        }
        DataType::Boolean => rows / 8 + 1,
        DataType::Null => 0,
        other => match other.primitive_width() {
            Some(width) => rows * width as u64,
            None => column.get_array_memory_size() as u64,
        },
    };
    nulls + values
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::sync::Arc;

    use arrow_array::{ArrayRef, BooleanArray, Int64Array, StringViewArray};
    use futures::{FutureExt as _, StreamExt as _, stream};

    use super::*;
    use crate::record::RowsAsRead;

    #[test]
    fn a_batch_is_let_in_when_the_largest_so_far_has_room() {
        let flight = Flight::new(100, 9);
        let mut gate = flight.gate(stream::iter(1..));
        let mut next = || gate.next().now_or_never().flatten();
        assert_eq!(next(), Some(1));
        let mut first = flight.charge(30);
        assert_eq!(next(), None, "how large it becomes nobody knows yet");
        first.mapped(10);
        assert_eq!(next(), Some(2), "twice 40 have room");
        let mut second = flight.charge(10);
        assert_eq!(next(), None, "the second may become 40 as well");
        second.mapped(5);
        assert_eq!(next(), Some(3), "55 and 40 have room");
        drop((first, second));
        let mut large = flight.charge(1_000);
        assert_eq!(next(), None);
        large.mapped(0);
        drop(large);
        assert_eq!(next(), Some(4), "one that is larger than all goes alone");
        let _other = flight.charge(0);
        assert_eq!(next(), None);
    }

    #[test]
    fn a_batch_that_was_asked_for_may_come_and_no_more_than_so_many_do() {
        let flight = Flight::new(100, 2);
        let (mut send, receive) = futures::channel::mpsc::channel(9);
        let mut gate = flight.gate(receive);
        let mut next = || gate.next().now_or_never().flatten();
        assert_eq!(next(), None, "it is asked for");
        let mut charges = vec![flight.charge(200)];
        send.try_send(1).unwrap();
        assert_eq!(next(), Some(1), "there is no room, but it was under way");
        send.try_send(2).unwrap();
        assert_eq!(next(), None);
        charges.clear();
        for _ in 0..2 {
            let mut small = flight.charge(1);
            small.mapped(0);
            charges.push(small);
        }
        assert_eq!(next(), None, "two are in flight");
        charges.pop();
        assert_eq!(next(), Some(2));
    }

    #[test]
    fn a_slice_takes_what_its_own_rows_take() {
        let long = "x".repeat(100);
        let texts = StringViewArray::from(vec![Some("short"), None, Some(&*long), Some(&*long)]);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("texts", Arc::new(texts)),
            ("numbers", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
            ("flags", Arc::new(BooleanArray::from(vec![true; 4]))),
        ];
        let records = RecordBatch::try_from_iter_with_nullable(
            columns
                .into_iter()
                .map(|(name, column)| (name, column, true)),
        );
        let records = records.unwrap();
        assert_eq!(bytes_of(&records), (4 * 16 + 200 + 1) + 4 * 8 + 1);
        assert_eq!(bytes_of(&records.slice(0, 2)), (2 * 16 + 1) + 2 * 8 + 1);
        // A batch holds what it was read from too.
        let origins = RowsAsRead::new("rows", 0, records.clone()).into_origins();
        let mut batch = Batch::new(records.clone(), origins);
        assert_eq!(held_by(&batch), bytes_of(&records));
        batch.bytes_read = 1000;
        assert_eq!(held_by(&batch), bytes_of(&records) + 1000);
    }
}
