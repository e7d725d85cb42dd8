//! Connections, their destinations and lookups, with patience.

use std::sync::Arc;

use arrow_array::ArrayRef;
use async_trait::async_trait;

use super::retry::was_not_made;
use super::timeouts::Call;
use super::{Patience, UnansweredInserts};
use crate::connection::{Catalog, Connection, ConnectionInfo};
use crate::dataset::Dataset;
use crate::destination::{
    CommitReport, CommitRequest, Destination, DestinationInfo, OpenRequest, Opened, Patch,
    WriteReport, Writer,
};
use crate::host::{Bug, Context};
use crate::lookup::{Lookup, LookupInfo, LookupKeys, LookupMatches, LookupRequest};
use crate::record::{Batch, Schema};
use crate::spec::DuplicateKeys;
use crate::{Error, Result};

impl Patience {
    /// The connection, with patience; and so are its datasets, destinations, writers and lookups.
    pub fn connection(&self, connection: Arc<dyn Connection>) -> Arc<dyn Connection> {
        Arc::new(Connected {
            patience: self.clone(),
            connection,
        })
    }

    /// A lookup that only computes stays as it is.
    fn lookup(&self, lookup: Arc<dyn Lookup>) -> Arc<dyn Lookup> {
        match lookup.info().in_memory {
            true => lookup,
            false => Arc::new(LookedUp {
                patience: self.clone(),
                lookup,
            }),
        }
    }
}

#[derive(Debug)]
struct Connected {
    patience: Patience,
    connection: Arc<dyn Connection>,
}

#[async_trait]
impl Connection for Connected {
    fn info(&self) -> &ConnectionInfo {
        self.connection.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        let context = &Patience::context(context);
        let discover = || self.connection.discover(context);
        self.patience
            .call(Call::Prepare, Some(context), discover)
            .await
    }

    async fn check(&self, context: &Context) -> Result<()> {
        let context = &Patience::context(context);
        let check = || self.connection.check(context);
        self.patience
            .call(Call::Prepare, Some(context), check)
            .await
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        let context = &Patience::context(context);
        let dataset = || self.connection.dataset(context, object);
        let dataset = self
            .patience
            .call(Call::Prepare, Some(context), dataset)
            .await?;
        Ok(self.patience.dataset(dataset))
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        let context = &Patience::context(context);
        let destination = || self.connection.destination(context, object);
        Ok(Arc::new(Written {
            destination: self
                .patience
                .call(Call::Prepare, Some(context), destination)
                .await?,
            patience: self.patience.clone(),
        }))
    }

    async fn lookup(&self, context: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        let context = &Patience::context(context);
        let lookup = || self.connection.lookup(context, request.clone());
        let lookup = self
            .patience
            .call(Call::Prepare, Some(context), lookup)
            .await?;
        Ok(self.patience.lookup(lookup))
    }
}

#[derive(Debug)]
struct Written {
    patience: Patience,
    destination: Arc<dyn Destination>,
}

impl Written {
    /// Whether a batch that comes twice is there once.
    fn may_repeat(&self, request: &OpenRequest) -> bool {
        let can = self.destination.info().capabilities;
        let by_key = can.keyed
            && (request.mode).writes_again_alike(request.fields.iter().map(|field| field.on))
            // A row that comes again would be a duplicate of itself.
            && request.duplicates != DuplicateKeys::Reject;
        let allowed = self.patience.retry().unanswered_inserts == UnansweredInserts::Repeat;
        can.dedups_batches || by_key || allowed || Bug::PlainInsertTriedAgain.is_on()
    }
}

#[async_trait]
impl Destination for Written {
    fn info(&self) -> &DestinationInfo {
        self.destination.info()
    }

    fn schema(&self) -> &Schema {
        self.destination.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        let may_repeat = self.may_repeat(&request);
        let context = &Patience::context(context);
        let open = || self.destination.open(context, request.clone());
        let opened = self.patience.call(Call::Open, Some(context), open).await?;
        let writer = Writing {
            patience: self.patience.clone(),
            writer: opened.writer,
            may_repeat,
        };
        Ok(Opened::new(Box::new(writer)).with_checkpoint(opened.checkpoint))
    }
}

#[derive(Debug)]
struct Writing {
    patience: Patience,
    writer: Box<dyn Writer>,
    may_repeat: bool,
}

#[async_trait]
impl Writer for Writing {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        let context = &Patience::context(context);
        let mut tries = self.patience.tries(Call::Write);
        loop {
            let write = self.writer.write(context, batch.clone());
            match self.patience.once(Call::Write, Some(context), write).await {
                Ok(report) => return Ok(report),
                Err(error) if self.may_repeat || was_not_made(error.kind()) => {
                    tries.fail(error).await?
                }
                Err(error) => return Err(unanswered(error)),
            }
        }
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        let context = &Patience::context(context);
        let mut tries = self.patience.tries(Call::Commit);
        loop {
            let commit = self.writer.commit(context, request.clone());
            match self
                .patience
                .once(Call::Commit, Some(context), commit)
                .await
            {
                Ok(report) => return Ok(report),
                Err(error) => tries.fail(error).await?,
            }
        }
    }

    async fn abort(&mut self, context: &Context) -> Result<()> {
        let context = &Patience::context(context);
        let abort = self.writer.abort(context);
        self.patience.once(Call::Commit, Some(context), abort).await
    }

    async fn lookup(
        &mut self,
        context: &Context,
        request: LookupRequest,
    ) -> Result<Arc<dyn Lookup>> {
        let context = &Patience::context(context);
        let mut tries = self.patience.tries(Call::Prepare);
        loop {
            let lookup = self.writer.lookup(context, request.clone());
            match self
                .patience
                .once(Call::Prepare, Some(context), lookup)
                .await
            {
                Ok(lookup) => return Ok(self.patience.lookup(lookup)),
                Err(error) => tries.fail(error).await?,
            }
        }
    }

    async fn patch(&mut self, context: &Context, patch: Patch) -> Result<()> {
        let context = &Patience::context(context);
        let mut tries = self.patience.tries(Call::Write);
        loop {
            let set = self.writer.patch(context, patch.clone());
            match self.patience.once(Call::Write, Some(context), set).await {
                Ok(()) => return Ok(()),
                Err(error) => tries.fail(error).await?,
            }
        }
    }

    /// What a delete did whose answer was lost is not found again. All of its records had been found in front of it and are gone
    /// behind it, so if one came to no answer, each of them counts.
    async fn delete(&mut self, context: &Context, ids: ArrayRef) -> Result<u64> {
        let context = &Patience::context(context);
        let mut tries = self.patience.tries(Call::Write);
        let mut lost = false;
        loop {
            let delete = self.writer.delete(context, Arc::clone(&ids));
            match self.patience.once(Call::Write, Some(context), delete).await {
                Ok(_) if lost => return Ok((ids.len() - ids.null_count()) as u64),
                Ok(count) => return Ok(count),
                Err(error) => {
                    lost |= !was_not_made(error.kind());
                    tries.fail(error).await?;
                }
            }
        }
    }
}

/// Says why a write was not tried again that might have been.
fn unanswered(error: Error) -> Error {
    match error.retry() {
        crate::Retry::Never => error,
        _ => error.with(
            "not tried again",
            "its rows could be there twice, or changed as if they had been there before",
        ),
    }
}

#[derive(Debug)]
struct LookedUp {
    patience: Patience,
    lookup: Arc<dyn Lookup>,
}

#[async_trait]
impl Lookup for LookedUp {
    fn info(&self) -> &LookupInfo {
        self.lookup.info()
    }

    async fn resolve(&self, context: &Context, keys: LookupKeys) -> Result<LookupMatches> {
        let context = &Patience::context(context);
        let resolve = || self.lookup.resolve(context, keys.clone());
        self.patience
            .call(Call::Lookup, Some(context), resolve)
            .await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::time::Duration;

    use arrow_array::Int64Array;
    use futures::executor::block_on;

    use super::*;
    use crate::destination::{DestinationCapabilities, WriteField};
    use crate::policy::{RetryPolicy, Timeouts};
    use crate::spec::{Identity, WriteMode, WriteOn};
    use crate::{ErrorKind, Retry};

    /// Is only asked what it is.
    #[derive(Debug)]
    struct Asked(DestinationInfo, Schema);

    #[async_trait]
    impl Destination for Asked {
        fn info(&self) -> &DestinationInfo {
            &self.0
        }

        fn schema(&self) -> &Schema {
            &self.1
        }

        async fn open(&self, _: &Context, _: OpenRequest) -> Result<Opened> {
            Err(Error::contract("nobody opens it"))
        }
    }

    #[test]
    fn only_what_comes_to_the_same_is_written_again() {
        let may_repeat = |can: DestinationCapabilities, mode, on, retry| {
            let info = DestinationInfo::new("person", Identity::Generated, can);
            let written = Written {
                patience: Patience::new(&Context::new(), retry, Timeouts::default()),
                destination: Arc::new(Asked(info, Schema::new(vec![]))),
            };
            let fields = vec![WriteField::new("name"), WriteField::new("status").on(on)];
            written.may_repeat(&OpenRequest::new("people", fields, mode))
        };
        let (upsert, update) = (WriteMode::upsert(["name"]), WriteMode::update(["name"]));
        let (always, never) = (RetryPolicy::default(), RetryPolicy::never());
        let plain = DestinationCapabilities::new();
        let mut keyed = plain;
        keyed.keyed = true;
        for (mode, on, repeats) in [
            (&WriteMode::Insert, WriteOn::Always, false),
            (&upsert, WriteOn::Always, true),
            (&upsert, WriteOn::Insert, true),
            // It would find the records that it made itself, and change them.
            (&upsert, WriteOn::Update, false),
            (&update, WriteOn::Update, true),
        ] {
            for retry in [always, never] {
                let repeat = may_repeat(keyed, mode.clone(), on, retry);
                assert_eq!(repeat, repeats, "{mode:?}, {on:?}");
            }
            assert!(!may_repeat(plain, mode.clone(), on, always));
            let knows = keyed.with_dedup_of_batches();
            assert!(may_repeat(knows, mode.clone(), on, always));
            let allowed = always.with_unanswered_inserts(UnansweredInserts::Repeat);
            assert!(may_repeat(keyed, mode.clone(), on, allowed));
        }
    }

    /// Deletes one record, behind a failure.
    #[derive(Debug)]
    struct Deletes(Option<ErrorKind>);

    #[async_trait]
    impl Writer for Deletes {
        async fn write(&mut self, _: &Context, _: Batch) -> Result<WriteReport> {
            Err(Error::contract("nobody writes"))
        }

        async fn commit(&mut self, _: &Context, _: CommitRequest) -> Result<CommitReport> {
            Err(Error::contract("nobody commits"))
        }

        async fn abort(&mut self, _: &Context) -> Result<()> {
            Ok(())
        }

        async fn delete(&mut self, _: &Context, _: ArrayRef) -> Result<u64> {
            match self.0.take() {
                Some(kind) => Err(Error::new(kind, "failed").retrying(Retry::Now)),
                None => Ok(1),
            }
        }
    }

    #[test]
    fn deletes_count_as_lost_only_where_they_may_have_been_made() {
        let count = |failure| {
            let retry = RetryPolicy::default().with_backoff(Duration::ZERO, Duration::ZERO);
            let mut writing = Writing {
                patience: Patience::new(&Context::new(), retry, Timeouts::default()),
                writer: Box::new(Deletes(failure)),
                may_repeat: true,
            };
            let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
            block_on(writing.delete(&Context::new(), ids)).unwrap()
        };
        assert_eq!(count(None), 1);
        assert_eq!(count(Some(ErrorKind::Timeout)), 3);
        assert_eq!(count(Some(ErrorKind::QuotaSpent)), 1);
        assert_eq!(count(Some(ErrorKind::CircuitOpen)), 1);
    }
}
