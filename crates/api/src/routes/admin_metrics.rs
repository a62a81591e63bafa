//! `/_admin/metrics` and `/_admin/metrics/v2`: counters in Prometheus' text format.

use super::admin_statistics::Process;
use crate::call::Call;
use crate::reply::Reply;
use base::Result;
use rt::http::Method;
use rt::metrics::{render, write_line};

pub fn handle(call: &Call) -> Result<Reply> {
    if *call.method() != Method::GET {
        return call.method_not_allowed();
    }
    let mut labels = format!("role=\"{}\"", call.backend().role().as_str());
    if let Some(id) = call.backend().server_id() {
        labels = format!("{labels},shortname=\"{}\"", id.replace(['"', '\\', '\n'], ""));
    }
    let mut out = render(&labels);
    let process = Process::read();
    let uptime_s = rt::clock::monotonic().saturating_sub(call.state.started).as_secs_f64();
    let mut gauge = |name: &str, help: &str, value: f64| write_line(&mut out, name, help, "gauge", &labels, value);
    gauge("arangodb_server_statistics_server_uptime_total", "Number of seconds elapsed since server start", uptime_s);
    gauge("arangodb_process_statistics_resident_set_size", "Resident set size of this process [bytes]", process.resident_bytes as f64);
    gauge("arangodb_process_statistics_virtual_memory_size", "Virtual memory size of this process [bytes]", process.virtual_bytes as f64);
    gauge("arangodb_process_statistics_number_of_threads", "Number of threads of this process", process.threads as f64);
    gauge("arangodb_process_statistics_user_time", "CPU time in user mode [s]", process.user_s);
    gauge("arangodb_process_statistics_system_time", "CPU time in kernel mode [s]", process.system_s);
    Ok(Reply::other(200, "text/plain; version=0.0.4; charset=utf-8", out))
}
