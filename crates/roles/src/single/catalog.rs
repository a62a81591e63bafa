//! Databases, collections and indexes of the single server.
//!
//! Definitions change one at a time. A change that has begun runs to its end even if the client
//! goes away.

use super::{Single, shown};
use base::{Error, Result, code};
use database::catalog::{Collection, Database, Index};
use database::collection_input::{self, CollectionLimits};
use database::database_input;
use database::index_input::{self, Placement};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use storage::Storage;

impl Single {
    /// Creates a database with its system collections.
    pub(super) async fn make_database(&self, database: Database) -> Result<Database> {
        let databases_max = self.options.databases_max;
        let server_number = self.options.server_number;
        self.define(move |storage| {
            if storage.database(&database.name).is_ok() {
                return Err(Error::with_detail(code::ARANGO_DUPLICATE_NAME, format!("duplicate database name '{}'", database.name)));
            }
            if storage.databases().len() as u64 >= databases_max {
                return Err(Error::new(code::RESOURCE_LIMIT, format!("unable to create more than {databases_max} databases")));
            }
            create_database(storage, database, server_number)
        })
        .await
    }

    /// Drops a database with everything that uses it.
    pub(super) async fn remove_database(&self, name: &str) -> Result<()> {
        if name == database_input::SYSTEM {
            return Err(code::FORBIDDEN.into());
        }
        self.storage().database(name)?;
        self.queries.drop_database(name);
        let aborted = self.local.transactions().drop_database(name);
        let name = name.to_owned();
        self.define(move |storage| {
            drop(aborted);
            storage.drop_database(&name)
        })
        .await
    }

    /// Creates a collection.
    pub(super) async fn make_collection(&self, db: &str, properties: &Json) -> Result<Collection> {
        self.storage().database(db)?;
        let limits = CollectionLimits { wait_for_sync_default: self.options.wait_for_sync, ..CollectionLimits::single() };
        let collection = collection_input::create(properties, &limits)?;
        let (db, server_number) = (db.to_owned(), self.options.server_number);
        self.define(move |storage| create_collection(storage, &db, collection, server_number)).await
    }

    /// Drops a collection that no graph uses.
    pub(super) async fn remove_collection(&self, db: &str, name: &str, allow_system: bool) -> Result<Collection> {
        let collection = self.storage().collection(db, name)?;
        let info = collection.info();
        if info.is_system && (!allow_system || database_input::is_system_collection(&info.name)) {
            return Err(code::FORBIDDEN.into());
        }
        if let Some(graph) = self.graph_that_uses(db, &info.name).await? {
            let text = format!("{}: '{graph}'", code::GRAPH_MUST_NOT_DROP_COLLECTION.text());
            return Err(Error::new(code::GRAPH_MUST_NOT_DROP_COLLECTION, text));
        }
        let dropped = shown(&collection);
        self.local.abort_transactions_on(&info.name).await;
        let (db, name) = (db.to_owned(), info.name.clone());
        self.define(move |storage| storage.drop_collection(&db, &name).map(drop)).await?;
        Ok(dropped)
    }

    /// Changes properties.
    pub(super) async fn alter_collection(&self, db: &str, name: &str, properties: &Json) -> Result<Collection> {
        let (db, name, properties) = (db.to_owned(), name.to_owned(), properties.clone());
        self.define(move |storage| {
            storage.change_collection(&db, &name, |collection| {
                *collection = collection_input::change(collection, &properties, &CollectionLimits::single())?;
                Ok(())
            })?;
            Ok(shown(&*storage.collection(&db, &name)?))
        })
        .await
    }

    /// Renames a collection, also in the definitions of graphs.
    pub(super) async fn relabel_collection(&self, db: &str, name: &str, new_name: &str) -> Result<Collection> {
        let collection = self.storage().collection(db, name)?;
        let info = collection.info();
        if info.is_system {
            return Err(code::FORBIDDEN.into());
        }
        collection_input::check_name(new_name, false)?;
        if info.name == new_name {
            return Ok(shown(&collection));
        }
        let (database, old, new) = (db.to_owned(), info.name.clone(), new_name.to_owned());
        let renamed = self
            .define(move |storage| {
                if storage.collection(&database, &new).is_ok_and(|other| other.info().name == new) {
                    return Err(duplicate(&new));
                }
                storage.rename_collection(&database, &old, &new)?;
                Ok(shown(&*storage.collection(&database, &new)?))
            })
            .await?;
        self.rename_in_graphs(db, &info.name, new_name).await?;
        Ok(renamed)
    }

    /// Creates an index, or finds that it is there already.
    pub(super) async fn make_index(&self, db: &str, collection: &str, definition: &Json) -> Result<(Index, bool)> {
        let (db, collection) = (db.to_owned(), collection.to_owned());
        self.storage().collection(&db, &collection)?;
        let wanted = index_input::definition(definition)?;
        // Indexes may take long to fill; storage itself keeps changes of one collection apart.
        let storage = Arc::clone(self.storage());
        let build = move || {
            let info = storage.collection(&db, &collection)?.info();
            match index_input::place(&info, wanted, &storage.next_number()?.to_string())? {
                Placement::Existing(index) => Ok((index, false)),
                Placement::New(index) => storage.create_index(&db, &info.name, index),
            }
        };
        self.local.workers().run(build).await
    }

    /// Drops an index.
    pub(super) async fn remove_index(&self, db: &str, collection: &str, index: &str) -> Result<Index> {
        let info = self.storage().collection(db, collection)?.info();
        let found = index_input::find(&info, index)?.clone();
        index_input::check_droppable(&found)?;
        let (storage, db) = (Arc::clone(self.storage()), db.to_owned());
        self.local.workers().run(move || storage.drop_index(&db, &info.name, &found.id)).await
    }

    /// Runs a change of definitions on a thread that may block, after those before it.
    pub(super) async fn define<T: Send + 'static>(&self, change: impl FnOnce(&Storage) -> Result<T> + Send + 'static) -> Result<T> {
        let turn = Arc::clone(&self.definitions).lock_owned().await;
        let storage = Arc::clone(self.storage());
        self.local
            .workers()
            .run(move || {
                let result = change(&storage);
                drop(turn);
                result
            })
            .await
    }
}

/// Creates a database and its system collections. May block.
pub(crate) fn create_database(storage: &Storage, database: Database, server_number: u64) -> Result<Database> {
    let database = storage.create_database(&database)?;
    create_system_collections(storage, &database.name, server_number)?;
    Ok(database)
}

/// Creates what is missing of a database's system collections. May block.
pub(crate) fn create_system_collections(storage: &Storage, database: &str, server_number: u64) -> Result<()> {
    for wanted in database_input::system_collections(database) {
        if storage.collection(database, wanted.name).is_err() {
            let given = json!({"name": wanted.name, "type": u8::from(wanted.kind), "isSystem": true});
            let collection = collection_input::create(&given, &CollectionLimits::single())?;
            create_collection(storage, database, collection, server_number)?;
        }
        let info = storage.collection(database, wanted.name)?.info();
        for (fields, unique) in wanted.indexes {
            let mut index = Index::plain("", "persistent", "", fields, *unique);
            index.sparse = *unique;
            if let Placement::New(index) = index_input::place(&info, index, &storage.next_number()?.to_string())? {
                storage.create_index(database, wanted.name, index)?;
            }
        }
    }
    Ok(())
}

fn create_collection(storage: &Storage, database: &str, mut collection: Collection, server_number: u64) -> Result<Collection> {
    // A collection may also be named by its id, so the name found must be the very name.
    if storage.collection(database, &collection.name).is_ok_and(|other| other.info().name == collection.name) {
        return Err(duplicate(&collection.name));
    }
    collection.id = storage.next_number()?.to_string();
    collection.globally_unique_id =
        if collection.is_system { collection.name.clone() } else { format!("h{server_number:X}/{}", collection.id) };
    let created = storage.create_collection(database, collection)?;
    Ok(shown(&created))
}

fn duplicate(name: &str) -> Error {
    Error::new(code::ARANGO_DUPLICATE_NAME, format!("duplicate name: '{name}'"))
}

impl Single {
    /// Makes `_system` and missing system collections of all databases.
    pub(crate) async fn bootstrap_databases(&self) -> Result<()> {
        let server_number = self.options.server_number;
        self.define(move |storage| {
            if storage.database(database_input::SYSTEM).is_err() {
                create_database(storage, crate::bootstrap::system_database(), server_number)?;
            }
            for database in storage.databases() {
                create_system_collections(storage, &database.name, server_number)?;
            }
            Ok(())
        })
        .await
    }
}
