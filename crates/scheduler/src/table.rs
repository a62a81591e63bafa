//! What runs where, as a table for people.

use crate::task::Task;
use std::path::Path;

/// Lines with kind, name, endpoint, process, state and directory of each task.
pub fn render(tasks: &[Task], data_dir: &Path, is_alive: impl Fn(&Task) -> bool) -> String {
    let head = ["KIND", "NAME", "ENDPOINT", "PID", "STATE", "DIRECTORY"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(tasks.iter().map(|task| row(task, data_dir, &is_alive)));
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn row(task: &Task, data_dir: &Path, is_alive: &impl Fn(&Task) -> bool) -> [String; 6] {
    let lost = task.process.is_some() && !is_alive(task);
    [
        task.kind.public_name().to_owned(),
        task.server_id.as_ref().map_or_else(|| task.name.clone(), |id| format!("{} ({})", task.name, short(id))),
        task.endpoint(),
        task.process.map_or_else(|| "-".to_owned(), |process| process.pid.to_string()),
        if lost { "GONE".to_owned() } else { task.state.to_string() },
        data_dir.join(&task.name).display().to_string(),
    ]
}

/// Ids with a long random part are cut.
fn short(id: &str) -> &str {
    id.char_indices().nth(13).map_or(id, |(end, _)| id.get(..end).unwrap_or(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Kind, ProcessId, State};

    #[test]
    fn columns_line_up_and_lost_processes_show() {
        let mut first = Task::new(Kind::Agent, 1, "127.0.0.1", 8531);
        first.process = Some(ProcessId { pid: 4711, started_ticks: 1 });
        first.state = State::Running;
        let mut second = Task::new(Kind::Secondary, 1, "127.0.0.1", 8532);
        second.server_id = Some("Secondary001".to_owned());
        let text = render(&[first.clone(), second.clone()], Path::new("/data"), |_| true);
        let expected = "KIND       NAME                       ENDPOINT              PID   STATE    DIRECTORY\n\
                        agent      agent1                     tcp://127.0.0.1:8531  4711  RUNNING  /data/agent1\n\
                        secondary  secondary1 (Secondary001)  tcp://127.0.0.1:8532  -     NEW      /data/secondary1\n";
        assert_eq!(text, expected);
        assert!(render(&[first], Path::new("/data"), |_| false).contains("GONE"));
    }
}
