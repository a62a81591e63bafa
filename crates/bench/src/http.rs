//! HTTP/1.1 with keep-alive, as little of it as a measurement needs: one request under way on a
//! connection, bodies with a length or in chunks.
//!
//! Invariant: after a complete answer nothing of it is left in the buffer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer larger than this is an error.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// One connection with its buffers.
pub struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    buffer: Vec<u8>,
}

/// How the length of an answer's body is told.
#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunks,
}

impl Connection {
    /// Connects to `host:port`.
    pub async fn open(address: &str) -> Result<Connection, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Connection { stream, out: Vec::with_capacity(1024), buffer: Vec::with_capacity(4096) })
    }

    /// Sends a request and reads its answer; returns the status, `body_of` tells the body.
    pub async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<u16, String> {
        self.out.clear();
        for part in [method, " ", path, " HTTP/1.1\r\nHost: 127.0.0.1\r\n"] {
            self.out.extend_from_slice(part.as_bytes());
        }
        if !body.is_empty() || method != "GET" {
            self.out.extend_from_slice(format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()).as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body.as_bytes());
        self.stream.write_all(&self.out).await.map_err(|error| format!("sending: {error}"))?;
        self.buffer.clear();
        self.receive().await
    }

    /// The last answer, head and body, for messages about failures.
    pub fn answer(&self) -> String {
        String::from_utf8_lossy(self.buffer.get(..self.buffer.len().min(600)).unwrap_or_default()).replace("\r\n", " ")
    }

    async fn receive(&mut self) -> Result<u16, String> {
        let (status, head_length, framing) = loop {
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
            self.read_more().await?;
        };
        loop {
            let complete = match framing {
                Framing::Length(length) => self.buffer.len() >= head_length.saturating_add(length),
                Framing::Chunks => has_all_chunks(self.buffer.get(head_length..).unwrap_or_default())?,
            };
            if complete {
                return Ok(status);
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<(), String> {
        if self.buffer.len() > ANSWER_BYTES_MAX {
            return Err("the answer is too large".to_owned());
        }
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err("the server closed the connection".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("receiving: {error}")),
        }
    }
}

/// Status, length of the head and framing of the body, once the head is complete.
fn parse_head(buffer: &[u8]) -> Result<Option<(u16, usize, Framing)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut response = httparse::Response::new(&mut headers);
    let head_length = match response.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("not HTTP: {error}")),
    };
    let status = response.code.unwrap_or(0);
    let mut framing = Framing::Length(0);
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).unwrap_or("");
            framing = Framing::Length(text.trim().parse().map_err(|_| format!("Content-Length {text}"))?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunks;
        }
    }
    Ok(Some((status, head_length, framing)))
}

/// Whether the last chunk and the empty line after it have arrived.
fn has_all_chunks(mut body: &[u8]) -> Result<bool, String> {
    loop {
        match httparse::parse_chunk_size(body) {
            Ok(httparse::Status::Complete((start, size))) => {
                let end = start.saturating_add(usize::try_from(size).unwrap_or(usize::MAX)).saturating_add(2);
                let Some(rest) = body.get(end..) else { return Ok(false) };
                if size == 0 {
                    return Ok(true);
                }
                body = rest;
            }
            Ok(httparse::Status::Partial) => return Ok(false),
            Err(_) => return Err("a chunk without a size".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_their_bodies() {
        let head = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello";
        for cut in 0..head.len() - 5 {
            assert!(matches!(parse_head(&head[..cut]), Ok(None)), "cut at {cut}");
        }
        assert!(matches!(parse_head(head), Ok(Some((201, 43, Framing::Length(5))))));
        assert!(matches!(parse_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), Ok(Some((200, _, Framing::Chunks)))));
        assert!(parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n").is_err());
        assert!(parse_head(b"SSH-2.0\r\n\r\n").is_err());
    }

    #[test]
    fn chunks_are_complete_with_the_last_byte_only() {
        let body = b"5\r\nhello\r\n3\r\n...\r\n0\r\n\r\n";
        for cut in 0..body.len() {
            assert_eq!(has_all_chunks(&body[..cut]), Ok(false), "cut at {cut}");
        }
        assert_eq!(has_all_chunks(body), Ok(true));
        assert!(has_all_chunks(b"zz\r\n").is_err());
    }
}
