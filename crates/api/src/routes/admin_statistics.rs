//! `GET /_admin/statistics` and its description: the old form of metrics.

use crate::call::Call;
use crate::measure::{SIZE_BOUNDS, TIME_BOUNDS};
use crate::reply::Reply;
use base::Result;
use rt::http::Method;
use rt::metrics::Histogram;
use serde_json::{Value as Json, json};

/// What the operating system says about this process (zeros where it says nothing).
#[derive(Default)]
pub struct Process {
    pub minor_faults: u64,
    pub major_faults: u64,
    pub user_s: f64,
    pub system_s: f64,
    pub threads: u64,
    pub resident_bytes: u64,
    pub virtual_bytes: u64,
}

impl Process {
    /// Reads `/proc/self/stat`.
    pub fn read() -> Self {
        std::fs::read_to_string("/proc/self/stat").ok().and_then(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// Fields are counted after the command's closing bracket, which may contain anything.
    fn parse(text: &str) -> Option<Self> {
        const TICKS_PER_S: f64 = 100.0;
        const PAGE_BYTES: u64 = 4096;
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        Some(Self {
            minor_faults: number(7),
            major_faults: number(9),
            user_s: number(11) as f64 / TICKS_PER_S,
            system_s: number(12) as f64 / TICKS_PER_S,
            threads: number(17),
            virtual_bytes: number(20),
            resident_bytes: number(21) * PAGE_BYTES,
        })
    }
}

pub fn handle(call: &Call) -> Result<Reply> {
    if *call.method() != Method::GET {
        return call.method_not_allowed();
    }
    let client = client(call);
    Ok(Reply::object(
        200,
        json!({
            "time": rt::clock::now_ms() as f64 / 1000.0,
            "enabled": true,
            "system": system(),
            "client": client,
            "clientUser": client,
            "http": http(call),
            "server": {
                "uptime": rt::clock::monotonic().saturating_sub(call.state.started).as_secs_f64(),
                "physicalMemory": physical_memory(),
                "threads": {"scheduler-threads": Process::read().threads, "in-progress": call.state.measures.in_progress.value(), "queued": 0},
            },
        }),
    ))
}

/// `GET /_admin/statistics-description`.
pub fn describe(call: &Call) -> Result<Reply> {
    if *call.method() != Method::GET {
        return call.method_not_allowed();
    }
    let figure = |group: &str, identifier: &str, name: &str, kind: &str, units: &str| json!({"group": group, "identifier": identifier, "name": name, "description": name, "type": kind, "units": units});
    let distribution = |identifier: &str, name: &str, cuts: &[f64], units: &str| {
        let mut out = figure("client", identifier, name, "distribution", units);
        out["cuts"] = cuts.into();
        out
    };
    Ok(Reply::object(
        200,
        json!({
            "groups": [
                {"group": "system", "name": "Process Statistics", "description": "Statistics about this process"},
                {"group": "client", "name": "Client Statistics", "description": "Statistics about requests"},
                {"group": "http", "name": "HTTP Request Statistics", "description": "Numbers of requests"},
                {"group": "server", "name": "Server Statistics", "description": "Statistics about this server"},
            ],
            "figures": [
                figure("system", "userTime", "User Time", "accumulated", "seconds"),
                figure("system", "systemTime", "System Time", "accumulated", "seconds"),
                figure("system", "numberOfThreads", "Number of Threads", "current", "number"),
                figure("system", "residentSize", "Resident Set Size", "current", "bytes"),
                figure("system", "virtualSize", "Virtual Memory Size", "current", "bytes"),
                distribution("totalTime", "Total Time", TIME_BOUNDS, "seconds"),
                distribution("bytesSent", "Bytes Sent", SIZE_BOUNDS, "bytes"),
                distribution("bytesReceived", "Bytes Received", SIZE_BOUNDS, "bytes"),
                figure("http", "requestsTotal", "Total requests", "accumulated", "number"),
                figure("server", "uptime", "Server Uptime", "current", "seconds"),
            ],
        }),
    ))
}

fn system() -> Json {
    let process = Process::read();
    let memory = physical_memory();
    json!({
        "minorPageFaults": process.minor_faults,
        "majorPageFaults": process.major_faults,
        "userTime": process.user_s,
        "systemTime": process.system_s,
        "numberOfThreads": process.threads,
        "residentSize": process.resident_bytes,
        "residentSizePercent": if memory == 0 { 0.0 } else { process.resident_bytes as f64 / memory as f64 },
        "virtualSize": process.virtual_bytes,
    })
}

fn client(call: &Call) -> Json {
    let measures = &call.state.measures;
    let total = distribution(&measures.time);
    // Requests do not wait in a queue, so all their time is the request's own.
    json!({
        "totalTime": total,
        "requestTime": total,
        "bytesSent": distribution(&measures.sent),
        "bytesReceived": distribution(&measures.received),
    })
}

fn distribution(histogram: &Histogram) -> Json {
    json!({"sum": histogram.sum(), "count": histogram.count(), "counts": histogram.counts()})
}

fn http(call: &Call) -> Json {
    let measures = &call.state.measures;
    let mut out = json!({
        "requestsTotal": measures.total.value(),
        "requestsSuperuser": measures.superuser.value(),
        "requestsUser": measures.total.value().saturating_sub(measures.superuser.value()),
        "requestsAsync": measures.asynchronous.value(),
        "requestsOther": measures.other_method.value(),
    });
    let names = ["requestsGet", "requestsHead", "requestsPost", "requestsPut", "requestsPatch", "requestsDelete", "requestsOptions"];
    for (name, (_, counter)) in names.iter().zip(&measures.by_method) {
        out[*name] = counter.value().into();
    }
    out
}

/// Bytes of memory of this machine.
fn physical_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_may_contain_brackets() {
        let text = "12 (a) b) S 1 2 3 4 5 6 70 8 90 10 250 350 13 14 15 16 18 18 19 4096000 300 99";
        let process = Process::parse(text).unwrap();
        assert_eq!((process.minor_faults, process.major_faults, process.threads), (70, 90, 18));
        assert!((process.user_s - 2.5).abs() < 1e-9 && (process.system_s - 3.5).abs() < 1e-9);
        assert_eq!((process.virtual_bytes, process.resident_bytes), (4_096_000, 300 * 4096));
        assert!(Process::parse("").is_none());
    }
}
