//! PostgreSQL's side: one connection, one prepared statement, documents as JSONB by primary key.
//!
//! `synchronous_commit` is set when the connection is made, so that both durabilities run in one
//! server with the same settings.

use crate::job::{Job, Operation};
use bytes::{BufMut, BytesMut};
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Statement};

/// One connection with its statement.
pub struct Connection {
    client: Client,
    statement: Statement,
    operation: Operation,
}

/// JSON text as a JSONB parameter, without building a tree of it.
#[derive(Debug)]
struct Json<'a>(&'a str);

impl ToSql for Json<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        // The version of JSONB's wire format.
        out.put_u8(1);
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::JSONB
    }

    to_sql_checked!();
}

/// Length of a JSONB value that came back.
struct JsonLength(usize);

impl<'a> FromSql<'a> for JsonLength {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<JsonLength, Box<dyn Error + Sync + Send>> {
        Ok(JsonLength(raw.len().saturating_sub(1)))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::JSONB
    }
}

impl Connection {
    /// Connects and prepares the job's statement.
    pub async fn open(job: &Job) -> Result<Connection, String> {
        let (host, port) = job.address.rsplit_once(':').ok_or("the address has no port")?;
        let mut config = Config::new();
        config.host(host).port(port.parse().map_err(|_| "the port is not a number")?).user(&job.user).dbname("postgres");
        config.options(format!("-c synchronous_commit={}", if job.sync { "on" } else { "off" }));
        let (client, connection) = config.connect(NoTls).await.map_err(|error| error.to_string())?;
        // Ends when the client is dropped; its errors reach the client's calls.
        drop(tokio::spawn(connection));
        let table = &job.collection;
        let text = match job.operation {
            Operation::Insert => format!("INSERT INTO {table} (key, document) VALUES ($1, $2)"),
            Operation::Read => format!("SELECT document FROM {table} WHERE key = $1"),
            Operation::Update => format!("UPDATE {table} SET document = document || $2 WHERE key = $1"),
            Operation::Write => return Err("PostgreSQL has no agency".to_owned()),
        };
        let statement = client.prepare(&text).await.map_err(|error| error.to_string())?;
        Ok(Connection { client, statement, operation: job.operation })
    }

    /// Does one operation; exactly one row must be touched.
    pub async fn perform(&mut self, key: &str, json: &str) -> Result<(), String> {
        let done = match self.operation {
            Operation::Read => {
                let row = self.client.query_one(&self.statement, &[&key]).await;
                row.map(|row| u64::from(row.get::<_, JsonLength>(0).0 > 0))
            }
            _ => self.client.execute(&self.statement, &[&key, &Json(json)]).await,
        };
        match done {
            Ok(1) => Ok(()),
            Ok(rows) => Err(format!("{rows} rows for {key}")),
            Err(error) => Err(error.to_string()),
        }
    }
}
