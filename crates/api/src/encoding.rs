//! Compressed bodies: gzip and deflate, in requests and answers.
//!
//! Limit: a decompressed body is bounded, so that a small request cannot fill the memory.
//! Compat: `deflate` is the zlib format, which is what drivers send and read.

use base::{Error, Result, code};
use flate2::Compression;
use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use rt::http::{Bytes, HeaderValue, Request, Response, header};
use std::io::{Read, Write};

/// Replaces a compressed body by what it contains.
pub fn decompress(request: &mut Request, bytes_max: usize) -> Result<()> {
    let Some(encoding) = request.header("content-encoding") else { return Ok(()) };
    let body = match encoding.trim().to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => read_bounded(GzDecoder::new(request.body.as_ref()), bytes_max)?,
        "deflate" => read_bounded(ZlibDecoder::new(request.body.as_ref()), bytes_max)?,
        // Compat: ArangoDB takes unknown encodings as they are.
        _ => return Ok(()),
    };
    request.body = body;
    request.headers.remove(header::CONTENT_ENCODING);
    Ok(())
}

fn read_bounded(decoder: impl Read, bytes_max: usize) -> Result<Bytes> {
    let mut out = Vec::new();
    let read = decoder.take(bytes_max as u64 + 1).read_to_end(&mut out);
    if let Err(error) = read {
        return Err(Error::new(code::HTTP_BAD_PARAMETER, format!("cannot decompress request body: {error}")));
    }
    if out.len() > bytes_max {
        return Err(Error::new(code::HTTP_BAD_PARAMETER, format!("request body is larger than {bytes_max} bytes")).status(413));
    }
    Ok(out.into())
}

/// Compresses an answer of at least `bytes_min` bytes if the client accepts it.
pub fn compress(response: &mut Response, accepted: Option<&HeaderValue>, bytes_min: usize) {
    if bytes_min == 0 || response.body.len() < bytes_min || response.headers.contains_key(header::CONTENT_ENCODING) {
        return;
    }
    let Some(accepted) = accepted.and_then(|value| value.to_str().ok()) else { return };
    let offers = |name: &str| accepted.split(',').any(|entry| entry.split(';').next().is_some_and(|word| word.trim() == name));
    let (name, packed) = if offers("gzip") {
        ("gzip", pack(GzEncoder::new(Vec::new(), Compression::fast()), &response.body, GzEncoder::finish))
    } else if offers("deflate") {
        ("deflate", pack(ZlibEncoder::new(Vec::new(), Compression::fast()), &response.body, ZlibEncoder::finish))
    } else {
        return;
    };
    if let Some(packed) = packed.filter(|packed| packed.len() < response.body.len()) {
        response.body = packed.into();
        response.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
}

fn pack<E: Write>(mut encoder: E, body: &[u8], finish: impl FnOnce(E) -> std::io::Result<Vec<u8>>) -> Option<Vec<u8>> {
    encoder.write_all(body).ok()?;
    finish(encoder).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rt::http::Method;

    fn compressed(name: &'static str, text: &str) -> Request {
        let mut response = Response::new(200).with_body("text/plain", text.to_owned());
        compress(&mut response, Some(&HeaderValue::from_static(name)), 1);
        assert_eq!(response.header("content-encoding"), Some(name));
        let mut request = Request::new(Method::POST, "/", response.body);
        request.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        request
    }

    #[test]
    fn both_formats_round_trip_and_are_bounded() {
        let text = "abc".repeat(1000);
        for name in ["gzip", "deflate"] {
            let mut request = compressed(name, &text);
            decompress(&mut request, 1 << 20).unwrap();
            assert_eq!(request.body, text.as_bytes());
            let mut bomb = compressed(name, &text);
            assert_eq!(decompress(&mut bomb, 100).unwrap_err().http_status(), 413);
        }
    }

    #[test]
    fn broken_bodies_are_refused() {
        let mut request = Request::new(Method::POST, "/", "no gzip");
        request.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(decompress(&mut request, 100).unwrap_err().http_status(), 400);
    }
}
