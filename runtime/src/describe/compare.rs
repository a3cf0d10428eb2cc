//! Comparison of two descriptions: which hosts can go on calling which workers.

mod relation;
mod schema_view;

use std::collections::BTreeMap;
use std::fmt;

use self::relation::{Relation, Rules};
use self::schema_view::SchemaView;
use super::description::{DescribedArgument, DescribedMethod, DescribedService, Description};

/// Consequence of a change. Ordered from harmless to harmful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Compatibility {
    /// Nothing has changed.
    Same,
    /// Something was added. Hosts of both versions can call workers of both versions, except for
    /// what was added.
    Additive,
    /// Hosts of one version can no longer call workers of the other version, but the reverse works.
    OneWay,
    /// Neither version can call the other one, or it could not be confirmed.
    Breaking,
}

impl Compatibility {
    /// Name of the class: `same`, `additive`, `one-way` or `breaking`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Additive => "additive",
            Self::OneWay => "one-way",
            Self::Breaking => "breaking",
        }
    }
}

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A difference between two descriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Service, method and field, separated by dots: `Printer.print.page.number`.
    pub path: String,
    /// Description of the difference.
    pub text: String,
    /// `true` if a host of the old version cannot use this part of a new worker.
    pub breaks_old_hosts: bool,
    /// `true` if a host of the new version cannot use this part of an old worker.
    pub breaks_new_hosts: bool,
}

impl Difference {
    /// Consequence of this difference.
    pub fn class(&self) -> Compatibility {
        match (self.breaks_old_hosts, self.breaks_new_hosts) {
            (false, false) => Compatibility::Additive,
            (true, true) => Compatibility::Breaking,
            _ => Compatibility::OneWay,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, text, .. } = self;
        let whom = match (self.breaks_old_hosts, self.breaks_new_hosts) {
            (true, false) => ", so an old host cannot call a new worker",
            (false, true) => ", so a new host cannot call an old worker",
            _ => "",
        };
        write!(f, "{}: `{path}`: {text}{whom}", self.class())
    }
}

/// Differences between two descriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// All differences. Empty if there are none.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// Consequence of all differences together.
    pub fn class(&self) -> Compatibility {
        let broken = |breaks: fn(&Difference) -> bool| self.differences.iter().any(breaks);
        match (broken(|found| found.breaks_old_hosts), broken(|found| found.breaks_new_hosts)) {
            (true, true) => Compatibility::Breaking,
            (false, false) if self.differences.is_empty() => Compatibility::Same,
            (false, false) => Compatibility::Additive,
            _ => Compatibility::OneWay,
        }
    }

    fn add(&mut self, path: String, text: impl Into<String>, [old_hosts, new_hosts]: [bool; 2]) {
        let text = text.into();
        let difference = Difference { path, text, breaks_old_hosts: old_hosts, breaks_new_hosts: new_hosts };
        self.differences.push(difference);
    }
}

/// Lists the differences, one in a line.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for difference in &self.differences {
            write!(f, "{separator}{difference}")?;
            separator = "\n";
        }
        Ok(())
    }
}

impl Description {
    /// Compares the services of two versions of a worker, for hosts and workers that use the codec
    /// of this name.
    ///
    /// A codec with names of fields, `json` or `cbor`, allows methods and fields to be added, and
    /// fields to be removed that the reader does not need. Any other codec allows methods to be
    /// added, and nothing else. Types without a schema are compared by their text only.
    ///
    /// What cannot be confirmed counts as breaking. The schemas must be those that serde follows:
    /// `JsonSchema` written by hand, and `#[schemars(..)]` attributes, may differ from it.
    pub fn compare(old: &Self, new: &Self, codec: &str) -> Comparison {
        let rules = match codec.trim_start_matches("compressed+") {
            "json" | "cbor" => Rules::Named,
            _ => Rules::Positional,
        };
        let mut comparison = Comparison::default();
        for service in &old.services {
            match new.service(&service.name) {
                None => comparison.add(service.name.clone(), "the service was removed", [true, false]),
                Some(other) => {
                    let versions = Versions { old, new, rules };
                    versions.compare_services(service, other, &mut comparison);
                }
            }
        }
        for service in new.services.iter().filter(|service| old.service(&service.name).is_none()) {
            comparison.add(service.name.clone(), "the service was added", [false, false]);
        }
        comparison
    }
}

struct Versions<'a> {
    old: &'a Description,
    new: &'a Description,
    rules: Rules,
}

/// Failures of one direction, by path.
type Failures = BTreeMap<String, String>;

impl Versions<'_> {
    fn compare_services(&self, old: &DescribedService, new: &DescribedService, found: &mut Comparison) {
        for method in &old.methods {
            let path = format!("{}.{}", old.name, method.name);
            match new.method(&method.name) {
                None => found.add(path, "the method was removed", [true, false]),
                Some(other) => self.compare_methods(method, other, path, found),
            }
        }
        for method in new.methods.iter().filter(|method| old.method(&method.name).is_none()) {
            found.add(format!("{}.{}", new.name, method.name), "the method was added", [false, false]);
        }
        if old.methods.is_empty() && new.methods.is_empty() && old.fingerprint != new.fingerprint {
            found.add(
                old.name.clone(),
                "the fingerprint differs, and the methods are not known",
                [true, true],
            );
        }
    }

    fn compare_methods(
        &self,
        old: &DescribedMethod,
        new: &DescribedMethod,
        path: String,
        found: &mut Comparison,
    ) {
        let flags = |method: &DescribedMethod| {
            [method.oneway, method.streams, method.takes.is_some()]
                .map(|flag| if flag { "is" } else { "is not" })
        };
        let names = ["oneway", "a stream of items", "a taker of items"];
        for ((name, old), new) in names.into_iter().zip(flags(old)).zip(flags(new)) {
            if old != new {
                found.add(path.clone(), format!("the method {old} {name}, and then {new}"), [true, true]);
            }
        }
        // A host of the old version calls a worker of the new one, and the reverse.
        let for_old_hosts = self.failures(old, new, [self.old, self.new]);
        let for_new_hosts = self.failures(new, old, [self.new, self.old]);
        let paths: std::collections::BTreeSet<&String> =
            for_old_hosts.keys().chain(for_new_hosts.keys()).collect();
        for part in &paths {
            let breaks = [for_old_hosts.contains_key(*part), for_new_hosts.contains_key(*part)];
            let text = for_old_hosts.get(*part).or_else(|| for_new_hosts.get(*part)).cloned();
            let path = if part.is_empty() { path.clone() } else { format!("{path}.{part}") };
            found.add(path, text.unwrap_or_default(), breaks);
        }
        if paths.is_empty() && self.changed(old, new) {
            found.add(path, "the types have changed", [false, false]);
        }
    }

    /// Returns `true` if the types of a method are not exactly the same.
    fn changed(&self, old: &DescribedMethod, new: &DescribedMethod) -> bool {
        let strict = Versions { rules: Rules::Equal, ..*self };
        !strict.failures(old, new, [self.old, self.new]).is_empty()
    }

    /// Schema of an argument that a caller writes. Without names of fields, a type is compared with
    /// itself: that a reader does without a field is of no use there.
    fn written<'a>(&self, argument: &'a DescribedArgument) -> Option<&'a serde_json::Value> {
        let written = argument.written.as_ref().filter(|_| self.rules == Rules::Named);
        written.or(argument.schema.as_ref())
    }

    /// Returns the reasons why `host` cannot call `worker`.
    fn failures(
        &self,
        host: &DescribedMethod,
        worker: &DescribedMethod,
        [of_host, of_worker]: [&Description; 2],
    ) -> Failures {
        let mut relation = Relation::new(self.rules);
        let of_host = |schema| SchemaView::of(schema, of_host);
        let of_worker = |schema| SchemaView::of(schema, of_worker);
        let is_known = [host, worker].map(is_known);
        if is_known != [true, true] {
            if host.hash != worker.hash || is_known[0] != is_known[1] {
                relation.fail("", "the definitions differ, and the schemas are not known".to_owned());
            }
            return relation.failures;
        }
        if self.rules == Rules::Positional {
            let names = |method: &DescribedMethod| -> Vec<String> {
                method.arguments.iter().map(|argument| argument.name.clone()).collect()
            };
            if names(host) != names(worker) {
                relation.fail("", "the names or the order of the arguments differ".to_owned());
                return relation.failures;
            }
        }
        for argument in &worker.arguments {
            let sent = host.arguments.iter().find(|sent| sent.name == argument.name);
            match sent {
                Some(sent) if argument.required && !sent.required => {
                    relation.fail(&argument.name, "the argument is required, and may be missing".to_owned());
                }
                Some(sent) => {
                    relation.fits(
                        of_host(self.written(sent)),
                        of_worker(argument.schema.as_ref()),
                        &argument.name,
                    );
                }
                None if argument.required => {
                    relation.fail(&argument.name, "the argument is required, and is not sent".to_owned());
                }
                None => {}
            }
        }
        if let (Some(sent), Some(taken)) = (&host.takes, &worker.takes) {
            relation.fits(of_host(self.written(sent)), of_worker(taken.schema.as_ref()), &taken.name);
        }
        let answers = [
            ("reply", &worker.reply, &host.reply, &host.reply_read),
            ("error", &worker.error, &host.error, &host.error_read),
            ("items", &worker.items, &host.items, &host.items_read),
        ];
        for (part, written, expected, read) in answers {
            let read = read.as_ref().filter(|_| self.rules == Rules::Named).or(expected.as_ref());
            match (written, read) {
                (None, None) => {}
                (Some(written), Some(read)) => {
                    relation.fits(of_worker(Some(written)), of_host(Some(read)), part);
                }
                _ => relation.fail(part, "only one of both versions has it".to_owned()),
            }
        }
        relation.failures
    }
}

/// Returns `true` if the types of a method are known.
fn is_known(method: &DescribedMethod) -> bool {
    let answer = if method.streams { &method.items } else { &method.reply };
    let takes = method.takes.iter().chain(&method.arguments);
    answer.is_some() && takes.into_iter().all(|argument| argument.schema.is_some())
}
