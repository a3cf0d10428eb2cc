//! Counters of a worker's calls.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use isolated_workers_core::{Error, Request, Response};

use super::histogram::Histogram;
use super::status_report::{LatencyReport, StatusReport};

/// Maximum number of counted methods, so that names of messages that nobody answers take bounded
/// memory.
const MAX_METHODS: usize = 1024;

/// Maximum size in bytes of the text of the last error.
const MAX_ERROR_BYTES: usize = 1 << 10;

/// Counters of all methods.
#[derive(Debug)]
pub(super) struct CallCounters {
    began: Instant,
    /// Name of the default service.
    default_service: String,
    table: Mutex<CounterTable>,
}

#[derive(Debug, Default)]
struct CounterTable {
    /// Index in `methods` by name.
    names: HashMap<String, usize>,
    methods: Vec<MethodCounters>,
    last_error: Option<String>,
}

#[derive(Debug, Default)]
struct MethodCounters {
    in_flight: u64,
    done: u64,
    errors: u64,
    latency: Histogram,
}

impl CallCounters {
    pub(super) fn new(default_service: &str) -> Self {
        let table = Mutex::new(CounterTable::default());
        Self { began: Instant::now(), default_service: default_service.to_owned(), table }
    }

    /// Counts a call as in flight. `None` if too many methods are counted.
    pub(super) fn begin(self: &Arc<Self>, request: &Request) -> Option<CountedCall> {
        let method = match request.named_service().filter(|name| *name != self.default_service) {
            None => self.lock().begin(request.name())?,
            Some(service) => self.lock().begin(&format!("{service}.{}", request.name()))?,
        };
        Some(CountedCall { counters: Arc::clone(self), method, began: Instant::now(), is_answered: false })
    }

    /// Returns the counts.
    pub(super) fn report(&self) -> StatusReport {
        let table = self.lock();
        let counts = |count: fn(&MethodCounters) -> u64| -> BTreeMap<String, u64> {
            let counts = table.names.iter().map(|(name, at)| (name.clone(), count(&table.methods[*at])));
            counts.filter(|(_, count)| *count > 0).collect()
        };
        let answered = table.names.iter().map(|(name, at)| (name, &table.methods[*at]));
        let answered = answered.filter(|(_, method)| method.done + method.errors > 0);
        let latency = |MethodCounters { latency, .. }: &MethodCounters| LatencyReport {
            p50: latency.percentile(50),
            p99: latency.percentile(99),
        };
        StatusReport {
            uptime_ms: self.began.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
            pid: std::process::id(),
            in_flight: counts(|method| method.in_flight),
            done: counts(|method| method.done),
            errors: counts(|method| method.errors),
            latency_us: answered.map(|(name, method)| (name.clone(), latency(method))).collect(),
            last_error: table.last_error.clone(),
            ..StatusReport::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, CounterTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CounterTable {
    /// Returns the index of the method.
    fn begin(&mut self, name: &str) -> Option<usize> {
        let method = match self.names.get(name) {
            Some(method) => *method,
            None if self.methods.len() >= MAX_METHODS => return None,
            None => {
                self.methods.push(MethodCounters::default());
                self.names.insert(name.to_owned(), self.methods.len() - 1);
                self.methods.len() - 1
            }
        };
        self.methods[method].in_flight += 1;
        Some(method)
    }
}

/// A call in flight. It ends when this value is dropped.
#[derive(Debug)]
pub(super) struct CountedCall {
    counters: Arc<CallCounters>,
    /// Index of its method.
    method: usize,
    began: Instant,
    is_answered: bool,
}

impl CountedCall {
    /// Counts the answer. A call that streams items stays in flight until the last one.
    pub(super) fn answered(mut self, result: &mut Result<Response, Error>) {
        self.is_answered = true;
        let micros = self.began.elapsed().as_micros().try_into().unwrap_or(u64::MAX);
        // Written before the lock is taken, because the error may contain user code.
        let error = result.as_ref().err().map(|error| shortened(format!("{error:#}")));
        let mut table = self.counters.lock();
        let counters = &mut table.methods[self.method];
        counters.latency.add(micros);
        match error {
            None => counters.done += 1,
            Some(error) => {
                counters.errors += 1;
                table.last_error = Some(error);
            }
        }
        drop(table);
        if let Ok(response) = result
            && response.has_items()
        {
            response.hold(self);
        }
    }
}

impl Drop for CountedCall {
    fn drop(&mut self) {
        let mut table = self.counters.lock();
        let counters = &mut table.methods[self.method];
        counters.in_flight -= 1;
        if !self.is_answered && std::thread::panicking() {
            counters.errors += 1;
            table.last_error = Some("the handler panicked".to_owned());
        }
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_ERROR_BYTES {
        let mut end = MAX_ERROR_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use isolated_workers_core::{Body, ErrorKind, Items, Name};

    use super::*;

    fn counters() -> Arc<CallCounters> {
        Arc::new(CallCounters::new("Store"))
    }

    fn request(service: &str) -> Request {
        let mut request = Request::new(Name::from_static("get"), Body::empty());
        request.set_service(service);
        request
    }

    fn counts(counts: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
        counts.iter().map(|(name, count)| (name.as_str(), *count)).collect()
    }

    #[test]
    fn calls_are_counted_by_method_and_outcome() {
        let counters = counters();
        let call = counters.begin(&request("Store")).unwrap();
        let other = counters.begin(&request("Journal")).unwrap();
        assert_eq!(counts(&counters.report().in_flight), [("Journal.get", 1), ("get", 1)]);
        call.answered(&mut Ok(Response::default()));
        other.answered(&mut Err(Error::new(ErrorKind::Invalid, "é".repeat(MAX_ERROR_BYTES))));
        let report = counters.report();
        assert_eq!(counts(&report.in_flight), []);
        assert_eq!(counts(&report.done), [("get", 1)]);
        assert_eq!(counts(&report.errors), [("Journal.get", 1)]);
        assert_eq!(report.latency_us.len(), 2);
        assert!(report.last_error.unwrap().len() <= MAX_ERROR_BYTES);
    }

    #[test]
    fn a_dropped_call_is_neither_done_nor_an_error() {
        let counters = counters();
        drop(counters.begin(&request("Store")));
        let report = counters.report();
        assert_eq!(
            (counts(&report.in_flight), counts(&report.done), counts(&report.errors)),
            (vec![], vec![], vec![])
        );
    }

    #[test]
    fn a_call_that_streams_is_in_flight_until_its_last_item() {
        let counters = counters();
        let items = Items::failed(Error::new(ErrorKind::Invalid, "the last item"));
        let mut result = Ok(Response::with_items(items));
        counters.begin(&request("Store")).unwrap().answered(&mut result);
        assert_eq!(counts(&counters.report().in_flight), [("get", 1)]);
        drop(result);
        assert_eq!(counts(&counters.report().in_flight), []);
    }

    #[test]
    fn names_of_messages_take_bounded_memory() {
        let counters = counters();
        for number in 0..MAX_METHODS + 10 {
            let name = number.to_string();
            let counted = counters.begin(&Request::new(Name::from(name.as_str()), Body::empty()));
            assert_eq!(counted.is_some(), number < MAX_METHODS);
        }
    }
}
