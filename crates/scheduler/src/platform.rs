//! Where tasks run. The scheduler's decisions do not know it; a platform is a thin driver.
//!
//! There is one platform so far: processes of this machine (`local`).

pub mod local;

use crate::machine::Stop;
use crate::task::{ProcessId, Task};

/// A place where tasks can run.
pub trait Platform: Send + Sync + 'static {
    /// Starts a task. `ended` is called once, when the process has ended, with a sentence such as
    /// "was killed by signal 9".
    fn launch(&self, task: &Task, arguments: &[String], ended: Box<dyn FnOnce(ProcessId, String) + Send>) -> Result<ProcessId, String>;

    /// Looks for a process of the task that an earlier scheduler has started, and watches it.
    fn find(&self, task: &Task, ended: Box<dyn FnOnce(ProcessId, String) + Send>) -> Option<ProcessId>;

    /// Ends a process; nothing happens if it has ended already.
    fn end(&self, process: ProcessId, stop: Stop);

    /// Why the task cannot be started here, before anything is touched.
    fn obstacle(&self, task: &Task) -> Option<String>;
}
