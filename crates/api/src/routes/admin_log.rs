//! `/_admin/log`: the last lines of the log, and its levels.

use crate::call::Call;
use crate::log::{LogBook, LogEntry};
use crate::reply::Reply;
use base::{Error, Result, code};
use rt::http::Method;
use serde_json::{Map, Value as Json, json};

/// Levels from the gravest on; `/_admin/log` numbers them so.
const LEVELS: [&str; 6] = ["FATAL", "ERROR", "WARNING", "INFO", "DEBUG", "TRACE"];

pub fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    call.need_admin()?;
    let Some(book) = call.state.options.log.as_deref() else { return Err(Error::from(code::NOT_IMPLEMENTED)) };
    match (call.method(), parts) {
        (&Method::GET, ["entries"]) => Ok(entries(&select(call, book)?)),
        (&Method::GET, []) => Ok(columns(&select(call, book)?)),
        (&Method::GET, ["level"]) => Ok(levels(book)),
        (&Method::PUT, ["level"]) => set_levels(call, book),
        (&Method::GET | &Method::PUT | &Method::DELETE, _) => call.unknown_path(),
        _ => call.method_not_allowed(),
    }
}

/// The lines asked for and the number of lines before `offset` and `size` applied.
fn select(call: &Call, book: &dyn LogBook) -> Result<(usize, Vec<LogEntry>)> {
    let number = |name: &str| call.parameter(name).and_then(|text| text.parse::<u64>().ok());
    let (start, search) = (number("start").unwrap_or(0), call.parameter("search").map(str::to_lowercase));
    let exact = call.parameter("level").map(rank).transpose()?;
    let upto = rank(call.parameter("upto").unwrap_or("info"))?;
    let fits = |entry: &LogEntry| {
        let level = LEVELS.iter().position(|&name| name == entry.level).unwrap_or(LEVELS.len());
        exact.map_or(level <= upto, |exact| level == exact)
            && entry.id >= start
            && search.as_ref().is_none_or(|search| entry.message.to_lowercase().contains(search.as_str()))
    };
    let mut lines: Vec<LogEntry> = book.entries().into_iter().filter(fits).collect();
    let total = lines.len();
    if call.parameter("sort").is_some_and(|order| order.eq_ignore_ascii_case("desc")) {
        lines.reverse();
    }
    let size = number("size").unwrap_or(u64::MAX);
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok((total, lines.into_iter().skip(count(number("offset").unwrap_or(0))).take(count(size)).collect()))
}

fn rank(level: &str) -> Result<usize> {
    let by_number = level.parse().ok().filter(|&number: &usize| number < LEVELS.len());
    let by_name = LEVELS.iter().position(|name| name.eq_ignore_ascii_case(level));
    by_number.or(by_name).ok_or_else(|| Error::bad_parameter(format!("unknown log level '{level}'")))
}

fn entries((total, lines): &(usize, Vec<LogEntry>)) -> Reply {
    let messages: Vec<Json> = lines
        .iter()
        .map(|line| {
            let date = rt::clock::iso(line.time_ms);
            json!({"id": line.id, "topic": line.topic, "level": line.level, "date": date, "message": line.message})
        })
        .collect();
    Reply::tree(200, json!({"total": total, "messages": messages}))
}

fn columns((total, lines): &(usize, Vec<LogEntry>)) -> Reply {
    let column = |cell: fn(&LogEntry) -> Json| lines.iter().map(cell).collect::<Json>();
    let rank = |line: &LogEntry| LEVELS.iter().position(|&name| name == line.level).unwrap_or(LEVELS.len()).into();
    Reply::tree(
        200,
        json!({
            "totalAmount": total,
            "lid": column(|line| line.id.into()),
            "topic": column(|line| line.topic.as_str().into()),
            "level": column(rank),
            "timestamp": column(|line| (line.time_ms / 1000).into()),
            "text": column(|line| line.message.as_str().into()),
        }),
    )
}

fn levels(book: &dyn LogBook) -> Reply {
    Reply::tree(200, book.levels().into_iter().map(|(topic, level)| (topic, Json::from(level))).collect::<Map<_, _>>().into())
}

fn set_levels(call: &Call, book: &dyn LogBook) -> Result<Reply> {
    match call.tree()? {
        Json::String(level) => book.set_level("general", &level)?,
        Json::Object(wanted) => {
            for (topic, level) in &wanted {
                let Some(level) = level.as_str() else { return Err(Error::bad_parameter("a log level must be a string")) };
                book.set_level(topic, level)?;
            }
        }
        _ => return Err(Error::bad_parameter("expecting a JSON object or string")),
    }
    Ok(levels(book))
}
