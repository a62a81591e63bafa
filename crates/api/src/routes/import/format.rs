//! The formats of an import: one document per line, one array of documents, or a line of attribute
//! names followed by lines of values. Pure.

use base::{Error, Result, code};
use velocypack::{Slice, Value};

/// What one line or array member holds.
pub enum Entry {
    Document(Value),
    Empty,
    /// Cannot be read; says why.
    Broken(String),
}

/// Takes a body apart.
pub fn read(body: &[u8], kind: &str, ignore_missing: bool) -> Result<Vec<Entry>> {
    match kind {
        "" => read_values(body, ignore_missing),
        "documents" => Ok(read_lines(body)),
        "array" | "list" => read_array(body),
        "auto" => match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => read_array(body),
            _ => Ok(read_lines(body)),
        },
        other => Err(Error::bad_parameter(format!("invalid value '{other}' of 'type'"))),
    }
}

/// Lines without their ends; what follows the last end counts only if it is not empty.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii)
}

fn read_lines(body: &[u8]) -> Vec<Entry> {
    lines(body).map(read_line).collect()
}

fn read_line(line: &[u8]) -> Entry {
    if line.is_empty() {
        return Entry::Empty;
    }
    match Value::parse_json(line) {
        Ok(document) => Entry::Document(document),
        Err(error) => Entry::Broken(format!("JSON parse error ({error}), offending context: {}", shown(line))),
    }
}

fn read_array(body: &[u8]) -> Result<Vec<Entry>> {
    let parsed = crate::call::parse_json(body)?;
    if !parsed.as_slice().is_array() {
        return Err(Error::new(code::HTTP_BAD_PARAMETER, "expecting a JSON array in the request"));
    }
    Ok(parsed.as_slice().elements().map(|document| Entry::Document(document.to_value())).collect())
}

fn read_values(body: &[u8], ignore_missing: bool) -> Result<Vec<Entry>> {
    let mut rest = lines(body).skip_while(|line| line.is_empty());
    // Compat: ArangoDB says "second line" here.
    let no_header = || Error::new(code::HTTP_BAD_PARAMETER, "no JSON array found in second line");
    let header = rest.next().and_then(|line| Value::parse_json(line).ok()).ok_or_else(no_header)?;
    if !header.as_slice().is_array() {
        return Err(no_header());
    }
    let names: Vec<&str> = header.as_slice().elements().map(|name| name.as_str().unwrap_or_default()).collect();
    if names.iter().any(|name| name.is_empty()) {
        return Err(Error::new(code::HTTP_BAD_PARAMETER, "attribute names must be non-empty strings"));
    }
    Ok(rest.map(|line| read_row(&names, line, ignore_missing)).collect())
}

fn read_row(names: &[&str], line: &[u8], ignore_missing: bool) -> Entry {
    let row = match read_line(line) {
        Entry::Document(row) if row.as_slice().is_array() => row,
        Entry::Document(row) => return Entry::Broken(format!("no valid JSON array data, offending context: {}", row.to_json())),
        other => return other,
    };
    let values: Vec<Slice<'_>> = row.as_slice().elements().collect();
    if values.len() > names.len() || (values.len() < names.len() && !ignore_missing) {
        return Entry::Broken(format!("wrong number of JSON values (got {}, expected {})", values.len(), names.len()));
    }
    // Compat: nulls are not stored.
    let members = names.iter().zip(values).filter(|(_, value)| !value.is_null());
    Entry::Document(Value::object(members.map(|(name, value)| (*name, value.to_value()))))
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line.get(..200).unwrap_or(line)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(body: &str, kind: &str) -> Vec<String> {
        let entries = read(body.as_bytes(), kind, false).unwrap();
        let text = |entry: &Entry| match entry {
            Entry::Document(document) => document.to_json(),
            Entry::Empty => "-".into(),
            Entry::Broken(why) => format!("! {why}"),
        };
        entries.iter().map(text).collect()
    }

    #[test]
    fn three_formats() {
        assert_eq!(show("{\"a\":1}\n\n{\"b\":2}\n", "documents"), ["{\"a\":1}", "-", "{\"b\":2}"]);
        assert_eq!(show("[{\"a\":1},2]", "list"), ["{\"a\":1}", "2"]);
        assert_eq!(show(" [1]", "auto"), ["1"]);
        assert_eq!(show("{}\n", "auto"), ["{}"]);
        let rows = show("[\"_key\",\"v\"]\n[\"a\",1]\n[\"b\",null]\n[\"c\"]\n{}\n", "");
        assert_eq!(rows[..2], ["{\"_key\":\"a\",\"v\":1}", "{\"_key\":\"b\"}"]);
        assert_eq!(rows[2], "! wrong number of JSON values (got 1, expected 2)");
        assert!(rows[3].starts_with("! no valid JSON array"));
        assert!(show("{\n", "documents")[0].starts_with("! JSON parse error"));
    }

    #[test]
    fn bodies_that_are_refused_as_a_whole() {
        let message = |body: &str, kind: &str| read(body.as_bytes(), kind, false).err().map(|error| error.message().to_owned());
        assert_eq!(message("{\"_key\": \"foo\"}", "").as_deref(), Some("no JSON array found in second line"));
        assert_eq!(message("{}", "list").as_deref(), Some("expecting a JSON array in the request"));
        assert!(message("", "xml").is_some());
    }
}
