//! What a connection offers, and how that changes.

use serde::{Deserialize, Serialize};

use super::life::ConnectionAction;
use super::open::{Asks, patient};
use super::{Connections, JobRef, Provisioned};
use crate::Result;
use crate::connection::{Catalog, ObjectInfo};
use crate::host::Context;
use crate::job::{Change, DriftReport};
use crate::record::{Field, Schema};
use crate::spec::{DriftMode, SourceSpec};

/// What looking at a connection's objects anew has shown, and done.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refreshed {
    /// The objects.
    pub catalog: Catalog,
    /// How they differ from what was there when they were looked at last; the first time all are new.
    pub change: CatalogChange,
    /// What became of the jobs that the connector gives.
    pub jobs: Provisioned,
    /// Jobs whose source has changed or is gone, before any of them runs.
    pub touched: Vec<TouchedJob>,
}

/// How two catalogs differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CatalogChange {
    /// Objects that are new.
    pub added: Vec<String>,
    /// Objects that are gone.
    pub removed: Vec<String>,
    /// Objects with other fields than before.
    pub changed: Vec<ObjectChange>,
}

/// How the fields of an object differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ObjectChange {
    /// The object.
    pub object: String,
    /// The changes, in the order of the fields of then, new ones behind.
    pub changes: Vec<Change>,
}

/// A job whose source is no longer what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TouchedJob {
    /// The job.
    pub job: JobRef,
    /// The object that it reads.
    pub object: String,
    /// What has changed; `None` if the object is gone.
    pub changes: Option<Vec<Change>>,
}

/// An object as it is saved.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedObject {
    name: String,
    fields: Vec<Field>,
    can_be_looked_up: bool,
}

impl CatalogChange {
    /// How `now` differs from `then`.
    ///
    /// ```
    /// use syncline::connection::{Catalog, ObjectInfo};
    /// use syncline::record::{Field, FieldType, Schema};
    /// use syncline::workspace::CatalogChange;
    ///
    /// let object = |name| ObjectInfo::new(name, Schema::new(vec![Field::new("email", FieldType::Email)]));
    /// let then = Catalog::new(vec![object("user"), object("lead")]);
    /// let change = CatalogChange::between(&then, &Catalog::new(vec![object("user"), object("contact")]));
    /// assert_eq!((change.added, change.removed), (vec!["contact".to_owned()], vec!["lead".to_owned()]));
    /// assert!(change.changed.is_empty());
    /// ```
    pub fn between(then: &Catalog, now: &Catalog) -> Self {
        let not_in =
            |catalog: &Catalog, object: &&ObjectInfo| catalog.object(&object.name).is_none();
        let names = |of: &Catalog, other: &Catalog| {
            let objects = of.objects.iter().filter(|object| not_in(other, object));
            objects.map(|object| object.name.clone()).collect()
        };
        let changed = now.objects.iter().filter_map(|object| {
            let before = then.object(&object.name)?;
            let drift = DriftReport::between(&before.schema, &object.schema, DriftMode::Freeze);
            (!drift.changes.is_empty()).then(|| ObjectChange {
                object: object.name.clone(),
                changes: drift.changes,
            })
        });
        CatalogChange {
            added: names(now, then),
            removed: names(then, now),
            changed: changed.collect(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Connections<'_> {
    /// Looks at its objects anew, tells how they differ from the last time, and gives it the jobs of its connector that fit what the account
    /// shows. Jobs that were edited stay as they are.
    ///
    /// # Errors
    /// As [`open`](Self::open), and those of finding objects.
    pub async fn refresh(self, context: &Context, id: &str) -> Result<Refreshed> {
        let view = self.may(context, id, ConnectionAction::Refresh).await?;
        let opened = self.opened(context, id, &view.spec, Asks::ForMore).await?;
        let catalog = patient(context, opened).discover(context).await?;
        let then = self.catalog(context, id).await?;
        let change = CatalogChange::between(&then, &catalog);
        // Of the jobs that are new nothing has changed.
        let touched = self.touched(context, id, &change).await?;
        let jobs = self.provision(context, &view, &catalog).await?;
        // Last: whoever breaks off before sees the same changes again.
        let save = |saved: &mut Vec<SavedObject>| {
            *saved = catalog.objects.iter().map(SavedObject::of).collect();
            Ok(())
        };
        let documents = self.0.documents(context);
        documents.change(&self.catalog_key(id)?, save).await?;
        Ok(Refreshed {
            catalog,
            change,
            jobs,
            touched,
        })
    }

    /// Its objects as they were when they were looked at last; none if they never were.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn catalog(self, context: &Context, id: &str) -> Result<Catalog> {
        self.0.roster(context).await?.connection(id)?;
        let documents = self.0.documents(context);
        let saved: Option<Vec<SavedObject>> = documents.load(&self.catalog_key(id)?).await?;
        let objects = saved.unwrap_or_default().into_iter();
        Ok(Catalog::new(objects.map(SavedObject::info).collect()))
    }

    async fn touched(
        self,
        context: &Context,
        id: &str,
        change: &CatalogChange,
    ) -> Result<Vec<TouchedJob>> {
        let mut touched = Vec::new();
        if change.removed.is_empty() && change.changed.is_empty() {
            return Ok(touched);
        }
        for view in self.0.jobs().list(context).await? {
            let SourceSpec::Object(object) = &view.spec.dataset.source else {
                continue;
            };
            let changed = change
                .changed
                .iter()
                .find(|changed| changed.object == *object);
            let gone = change.removed.contains(object);
            if view.connection.as_deref() == Some(id) && (gone || changed.is_some()) {
                touched.push(TouchedJob {
                    job: JobRef::of(&view),
                    object: object.clone(),
                    changes: changed.map(|changed| changed.changes.clone()),
                });
            }
        }
        Ok(touched)
    }
}

impl SavedObject {
    fn of(object: &ObjectInfo) -> Self {
        SavedObject {
            name: object.name.clone(),
            fields: object.schema.fields().to_vec(),
            can_be_looked_up: object.can_be_looked_up,
        }
    }

    fn info(self) -> ObjectInfo {
        let mut info = ObjectInfo::new(self.name, Schema::new(self.fields));
        info.can_be_looked_up = self.can_be_looked_up;
        info
    }
}
