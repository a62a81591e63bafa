//! One client: a connection to one of the sides and the requests that it sends.
//!
//! Invariant: a status other than the one that acknowledges the operation is a failure.

use crate::http;
use crate::job::{Job, Operation, Random, Side, write_document, write_patch, write_value};
use crate::postgres;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::cell::Cell;
use std::fmt::Write;
use std::rc::Rc;

/// A client and the buffers that it reuses.
pub struct Client {
    job: Rc<Job>,
    connection: Connection,
    next_number: Rc<Cell<u64>>,
    random: Random,
    key: String,
    path: String,
    body: String,
}

enum Connection {
    Http(http::Connection),
    Postgres(Box<postgres::Connection>),
}

impl Connection {
    async fn open(job: &Job) -> Result<Connection, String> {
        Ok(match job.side {
            Side::Postgres => Connection::Postgres(Box::new(postgres::Connection::open(job).await?)),
            Side::Documents | Side::Agency | Side::Etcd => Connection::Http(http::Connection::open(&job.address).await?),
        })
    }
}

impl Client {
    /// Connects. `next_number` numbers the new documents of all clients.
    pub async fn open(job: Rc<Job>, number: usize, next_number: Rc<Cell<u64>>) -> Result<Client, String> {
        let connection = Connection::open(&job).await?;
        let [key, path, body] = [String::new(), String::new(), String::new()];
        Ok(Client { job, connection, next_number, random: Random::new(number), key, path, body })
    }

    /// Makes a new connection in place of a broken one.
    pub async fn reopen(&mut self) -> Result<(), String> {
        self.connection = Connection::open(&self.job).await?;
        Ok(())
    }

    /// Does one operation and waits until the server has acknowledged it.
    pub async fn perform(&mut self) -> Result<(), String> {
        let number = self.choose_key();
        let (method, expected) = self.write_request(number);
        match &mut self.connection {
            Connection::Postgres(connection) => connection.perform(&self.key, &self.body).await,
            Connection::Http(connection) => {
                let status = connection.send(method, &self.path, &self.body).await?;
                if expected.contains(&status) { Ok(()) } else { Err(connection.answer()) }
            }
        }
    }

    fn choose_key(&mut self) -> u64 {
        let number = match self.job.operation {
            Operation::Insert => self.next_number.replace(self.next_number.get() + 1),
            Operation::Read | Operation::Update | Operation::Write => self.random.below(self.job.keys),
        };
        self.key.clear();
        let _ = write!(self.key, "{}{number}", self.job.prefix);
        number
    }

    /// Fills path and body; returns the method and the statuses that acknowledge the operation.
    fn write_request(&mut self, number: u64) -> (&'static str, &'static [u16]) {
        self.path.clear();
        self.body.clear();
        match self.job.side {
            Side::Documents => self.write_document_request(number),
            Side::Postgres => {
                match self.job.operation {
                    Operation::Insert => write_document(&mut self.body, None, number),
                    Operation::Update => write_patch(&mut self.body, self.random.below(1 << 20)),
                    Operation::Read | Operation::Write => {}
                }
                ("", &[])
            }
            Side::Agency => self.write_agency_request(),
            Side::Etcd => self.write_etcd_request(),
        }
    }

    fn write_document_request(&mut self, number: u64) -> (&'static str, &'static [u16]) {
        let (collection, sync) = (&self.job.collection, if self.job.sync { "?waitForSync=true" } else { "" });
        match self.job.operation {
            Operation::Insert => {
                let _ = write!(self.path, "/_api/document/{collection}{sync}");
                write_document(&mut self.body, Some(&self.key), number);
                ("POST", &[201, 202])
            }
            Operation::Read | Operation::Write => {
                let _ = write!(self.path, "/_api/document/{collection}/{}", self.key);
                ("GET", &[200])
            }
            Operation::Update => {
                let _ = write!(self.path, "/_api/document/{collection}/{}{sync}", self.key);
                write_patch(&mut self.body, self.random.below(1 << 20));
                ("PATCH", &[201, 202])
            }
        }
    }

    fn write_agency_request(&mut self) -> (&'static str, &'static [u16]) {
        if self.job.operation == Operation::Read {
            self.path.push_str("/_api/agency/read");
            let _ = write!(self.body, "[[\"/bench/{}\"]]", self.key);
        } else {
            self.path.push_str("/_api/agency/write");
            let _ = write!(self.body, "[[{{\"/bench/{}\":\"", self.key);
            write_value(&mut self.body, self.random.below(1 << 20));
            self.body.push_str("\"}]]");
        }
        ("POST", &[200])
    }

    fn write_etcd_request(&mut self) -> (&'static str, &'static [u16]) {
        let key = BASE64.encode(&self.key);
        if self.job.operation == Operation::Read {
            self.path.push_str("/v3/kv/range");
            let _ = write!(self.body, "{{\"key\":\"{key}\"}}");
        } else {
            self.path.push_str("/v3/kv/put");
            let mut value = String::new();
            write_value(&mut value, self.random.below(1 << 20));
            let _ = write!(self.body, "{{\"key\":\"{key}\",\"value\":\"{}\"}}", BASE64.encode(value));
        }
        ("POST", &[200])
    }
}
