//! Bookings in an embedded database. What is personal in them is sealed before it gets here.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, MultimapTableDefinition, ReadableDatabase, ReadableTable, TableDefinition};

use crate::booking::Booking;

/// The id of a booking, its JSON.
const BOOKINGS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("bookings");
/// The blind index of an e-mail address, the ids of its bookings.
const BY_EMAIL: MultimapTableDefinition<'_, &[u8], &str> =
    MultimapTableDefinition::new("bookings_by_email");

/// The reason why the database did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the database cannot be opened")]
    Open(#[from] redb::DatabaseError),
    #[error("the database began no transaction")]
    Transaction(#[from] redb::TransactionError),
    #[error("a table of the database cannot be opened")]
    Table(#[from] redb::TableError),
    #[error("the database cannot be read or written")]
    Storage(#[from] redb::StorageError),
    #[error("the database did not commit")]
    Commit(#[from] redb::CommitError),
    #[error("a stored booking cannot be read")]
    Corrupt(#[from] serde_json::Error),
    #[error("the database task ended early")]
    Task(#[from] tokio::task::JoinError),
}

/// The database. Each call runs on a thread that may block.
#[derive(Clone)]
pub(crate) struct Store(Arc<Database>);

impl Store {
    /// Opens the database in this folder, or makes it.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let database = Database::create(folder.join("bookings.redb"))?;
        let write = database.begin_write()?;
        write.open_table(BOOKINGS)?;
        write.open_multimap_table(BY_EMAIL)?;
        write.commit()?;
        Ok(Self(Arc::new(database)))
    }

    /// Keeps a booking whose personal fields are sealed, findable by the blind index of its e-mail address.
    pub(crate) async fn insert(
        &self,
        booking: Booking,
        email_index: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.run(move |database| {
            let json = serde_json::to_vec(&booking)?;
            let write = database.begin_write()?;
            write
                .open_table(BOOKINGS)?
                .insert(booking.id.as_str(), json.as_slice())?;
            write
                .open_multimap_table(BY_EMAIL)?
                .insert(email_index.as_slice(), booking.id.as_str())?;
            write.commit()?;
            Ok(())
        })
        .await
    }

    /// One booking.
    pub(crate) async fn get(&self, id: String) -> Result<Option<Booking>, StoreError> {
        self.run(move |database| {
            let table = database.begin_read()?.open_table(BOOKINGS)?;
            let found = table.get(id.as_str())?;
            Ok(found
                .map(|json| serde_json::from_slice(json.value()))
                .transpose()?)
        })
        .await
    }

    /// All bookings that `wanted` picks, at most `limit`, by id, which is by age.
    pub(crate) async fn list(
        &self,
        limit: usize,
        wanted: impl Fn(&Booking) -> bool + Send + 'static,
    ) -> Result<Vec<Booking>, StoreError> {
        self.run(move |database| {
            let table = database.begin_read()?.open_table(BOOKINGS)?;
            let mut found = Vec::new();
            for entry in table.iter()? {
                let booking: Booking = serde_json::from_slice(entry?.1.value())?;
                if wanted(&booking) {
                    found.push(booking);
                }
                if found.len() == limit {
                    break;
                }
            }
            Ok(found)
        })
        .await
    }

    /// The bookings under any of these blind indexes.
    pub(crate) async fn by_email(&self, indexes: Vec<Vec<u8>>) -> Result<Vec<Booking>, StoreError> {
        self.run(move |database| {
            let read = database.begin_read()?;
            let (by_email, bookings) = (
                read.open_multimap_table(BY_EMAIL)?,
                read.open_table(BOOKINGS)?,
            );
            let mut found = Vec::new();
            for index in indexes {
                for id in by_email.get(index.as_slice())? {
                    if let Some(json) = bookings.get(id?.value())? {
                        found.push(serde_json::from_slice(json.value())?);
                    }
                }
            }
            Ok(found)
        })
        .await
    }

    /// Removes a booking and its indexes; answers whether it was there.
    pub(crate) async fn remove(
        &self,
        id: String,
        email_indexes: Vec<Vec<u8>>,
    ) -> Result<bool, StoreError> {
        self.run(move |database| {
            let write = database.begin_write()?;
            let removed = write.open_table(BOOKINGS)?.remove(id.as_str())?.is_some();
            for index in email_indexes {
                write
                    .open_multimap_table(BY_EMAIL)?
                    .remove(index.as_slice(), id.as_str())?;
            }
            write.commit()?;
            Ok(removed)
        })
        .await
    }

    /// Whether the database answers.
    pub(crate) async fn is_healthy(&self) -> bool {
        self.run(|database| Ok(database.begin_read()?.open_table(BOOKINGS).map(drop)?))
            .await
            .is_ok()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&database)).await?
    }
}
