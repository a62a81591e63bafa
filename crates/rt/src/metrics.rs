//! Counters, gauges and histograms that any crate may keep; `/_admin/metrics/v2` prints them.
//!
//! Invariant: a metric is created once per name and labels and lives as long as the process, so
//! counting is one atomic operation.

use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Present value.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds `amount`, which may be negative.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Present value.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often a measured value fell into which range.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One per bound and one for everything above.
    buckets: Vec<AtomicU64>,
    /// Sum in millionths, which an atomic integer can add up.
    sum_millionths: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum_millionths: AtomicU64::new(0) }
    }

    /// Counts one value.
    pub fn observe(&self, value: f64) {
        let at = self.bounds.iter().position(|&bound| value <= bound).unwrap_or(self.bounds.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_millionths.fetch_add((value.max(0.0) * 1e6) as u64, Ordering::Relaxed);
    }

    /// Number of values counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// Number of values in each range, the one above all bounds last.
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect()
    }

    /// Sum of the values counted.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum_millionths.load(Ordering::Relaxed) as f64 / 1e6
    }
}

#[derive(Clone)]
enum Kind {
    Counter(Arc<Counter>),
    Gauge(Arc<Gauge>),
    Histogram(Arc<Histogram>),
}

struct Family {
    help: &'static str,
    /// By label text, for example `role="SINGLE"`.
    members: BTreeMap<String, Kind>,
}

static REGISTRY: RwLock<BTreeMap<&'static str, Family>> = RwLock::new(BTreeMap::new());

/// The counter of this name, created on first use.
#[must_use]
pub fn counter(name: &'static str, help: &'static str) -> Arc<Counter> {
    labelled_counter(name, help, "")
}

/// The counter of this name and labels (`key="value",…`), created on first use.
#[must_use]
pub fn labelled_counter(name: &'static str, help: &'static str, labels: &str) -> Arc<Counter> {
    match member(name, help, labels, || Kind::Counter(Arc::default())) {
        Kind::Counter(counter) => counter,
        // A name used for two kinds is a slip of ours; the second user counts for himself.
        _ => Arc::default(),
    }
}

/// The gauge of this name, created on first use.
#[must_use]
pub fn gauge(name: &'static str, help: &'static str) -> Arc<Gauge> {
    match member(name, help, "", || Kind::Gauge(Arc::default())) {
        Kind::Gauge(gauge) => gauge,
        _ => Arc::default(),
    }
}

/// The histogram of this name, created on first use with these upper bounds in ascending order.
#[must_use]
pub fn histogram(name: &'static str, help: &'static str, bounds: &'static [f64]) -> Arc<Histogram> {
    match member(name, help, "", || Kind::Histogram(Arc::new(Histogram::new(bounds)))) {
        Kind::Histogram(histogram) => histogram,
        _ => Arc::new(Histogram::new(bounds)),
    }
}

fn member(name: &'static str, help: &'static str, labels: &str, make: impl FnOnce() -> Kind) -> Kind {
    if let Some(found) = REGISTRY.read().get(name).and_then(|family| family.members.get(labels)) {
        return found.clone();
    }
    let mut registry = REGISTRY.write();
    let family = registry.entry(name).or_insert_with(|| Family { help, members: BTreeMap::new() });
    family.members.entry(labels.to_owned()).or_insert_with(make).clone()
}

/// All metrics in Prometheus' text format, each line with `labels` added.
#[must_use]
pub fn render(labels: &str) -> String {
    let mut out = String::new();
    for (name, family) in REGISTRY.read().iter() {
        let kind = match family.members.values().next() {
            Some(Kind::Counter(_)) => "counter",
            Some(Kind::Gauge(_)) => "gauge",
            Some(Kind::Histogram(_)) => "histogram",
            None => continue,
        };
        let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
        for (own, metric) in &family.members {
            let all = join(labels, own);
            match metric {
                Kind::Counter(counter) => line(&mut out, name, &all, counter.value()),
                Kind::Gauge(gauge) => line(&mut out, name, &all, gauge.value()),
                Kind::Histogram(histogram) => render_histogram(&mut out, name, &all, histogram),
            }
        }
    }
    out
}

fn render_histogram(out: &mut String, name: &str, labels: &str, histogram: &Histogram) {
    let mut total = 0;
    for (at, bucket) in histogram.buckets.iter().enumerate() {
        total += bucket.load(Ordering::Relaxed);
        let bound = histogram.bounds.get(at).map_or_else(|| "+Inf".to_owned(), ToString::to_string);
        line(out, &format!("{name}_bucket"), &join(labels, &format!("le=\"{bound}\"")), total);
    }
    line(out, &format!("{name}_sum"), labels, histogram.sum());
    line(out, &format!("{name}_count"), labels, total);
}

/// Writes one metric whose value is known only now (uptime, memory, …).
pub fn write_line(out: &mut String, name: &str, help: &str, kind: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    line(out, name, labels, value);
}

fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = if labels.is_empty() { writeln!(out, "{name} {value}") } else { writeln!(out, "{name}{{{labels}}} {value}") };
}

fn join(first: &str, second: &str) -> String {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second.to_owned(),
        (_, true) => first.to_owned(),
        _ => format!("{first},{second}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_the_same_metric_and_is_printed_with_labels() {
        counter("test_requests_total", "Requests").add(2);
        counter("test_requests_total", "Requests").increment();
        labelled_counter("test_by_kind_total", "By kind", "kind=\"a\"").increment();
        let seconds = histogram("test_seconds", "Time", &[0.5, 1.0]);
        seconds.observe(0.25);
        seconds.observe(3.0);
        let text = render("role=\"SINGLE\"");
        assert!(text.contains("# TYPE test_requests_total counter\ntest_requests_total{role=\"SINGLE\"} 3\n"), "{text}");
        assert!(text.contains("test_by_kind_total{role=\"SINGLE\",kind=\"a\"} 1\n"));
        assert!(text.contains("test_seconds_bucket{role=\"SINGLE\",le=\"0.5\"} 1\n"));
        assert!(text.contains("test_seconds_bucket{role=\"SINGLE\",le=\"+Inf\"} 2\n"));
        assert!(text.contains("test_seconds_sum{role=\"SINGLE\"} 3.25\n"));
    }
}
