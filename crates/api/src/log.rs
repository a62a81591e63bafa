//! The log that `/_admin/log` shows: what the server must offer to have it shown.

/// One line of the log.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Grows with every line.
    pub id: u64,
    /// `FATAL`, `ERROR`, `WARNING`, `INFO`, `DEBUG` or `TRACE`.
    pub level: &'static str,
    /// Topic, for example `cluster`.
    pub topic: String,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// Text.
    pub message: String,
}

/// The last lines of the log and its levels.
pub trait LogBook: Send + Sync {
    /// The lines kept, oldest first.
    fn entries(&self) -> Vec<LogEntry>;
    /// Level of each topic.
    fn levels(&self) -> Vec<(String, String)>;
    /// Changes the level of a topic (`all` for every one).
    ///
    /// # Errors
    /// Unknown topic or level.
    fn set_level(&self, topic: &str, level: &str) -> base::Result<()>;
}
