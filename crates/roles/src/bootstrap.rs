//! The first start of a single server: the database `_system`, the system collections of all
//! databases, and the user `root`. Every later start finds them and changes nothing.

use crate::single::Single;
use base::{Result, code};
use database::Context;
use database::catalog::Database;
use database::database_input::SYSTEM;
use database::document::{DocumentOptions, DocumentRequest, Operation};
use serde_json::Value as Json;
use velocypack::Value;

impl Single {
    /// Makes what is missing. `root_user` is the `_users` document of root, stored if there is no
    /// user at all: an administrator may have removed root later.
    pub async fn bootstrap(&self, root_user: Option<&Json>) -> Result<()> {
        self.bootstrap_databases().await?;
        let has_users = self.local().storage().collection(SYSTEM, "_users")?.count() > 0;
        match root_user.filter(|_| !has_users) {
            Some(user) => self.create_root_user(user).await,
            None => Ok(()),
        }
    }

    async fn create_root_user(&self, user: &Json) -> Result<()> {
        let request = DocumentRequest {
            operation: Operation::Insert,
            documents: vec![Value::from_serde(user)],
            options: DocumentOptions { wait_for_sync: Some(true), ..DocumentOptions::default() },
        };
        let mut results = self.local().documents(&Context::superuser(), SYSTEM, "_users", request).await?;
        match results.items.pop() {
            Some(Err(fault)) if fault.code() != code::ARANGO_UNIQUE_CONSTRAINT_VIOLATED => Err(fault),
            _ => Ok(()),
        }
    }
}

/// The database that always exists.
pub(crate) fn system_database() -> Database {
    Database { id: "1".into(), name: SYSTEM.into(), sharding: String::new(), replication_factor: 1, write_concern: 1 }
}
