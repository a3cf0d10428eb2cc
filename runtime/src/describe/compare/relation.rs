//! Relation between the schema of a written value and that of its reader.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::schema_view::{SchemaView, Shape, StructShape};

/// Reason why two schemas are not known to be equal in a positional codec.
const UNKNOWN_ORDER: &str = "the order of its variants is not known; document each variant without fields";

/// Rules by which a written value fits its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// The codec writes the names of fields and variants.
    Named,
    /// The codec writes no names, so that only equal schemas fit, with their order.
    Positional,
    /// Only equal schemas fit, in any order of fields.
    Equal,
}

/// Finds the parts of written values that a reader cannot read.
#[derive(Debug)]
pub(super) struct Relation {
    rules: Rules,
    /// Pairs that are being compared, or were, by address. They are assumed to fit.
    assumed: BTreeSet<(usize, usize)>,
    /// Reasons by path.
    pub(super) failures: BTreeMap<String, String>,
}

impl Relation {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, assumed: BTreeSet::new(), failures: BTreeMap::new() }
    }

    pub(super) fn fail(&mut self, path: &str, reason: String) {
        self.failures.entry(path.to_owned()).or_insert(reason);
    }

    /// Checks that a reader of `read` can read each value of `written`.
    pub(super) fn fits(&mut self, written: SchemaView<'_>, read: SchemaView<'_>, path: &str) {
        let (written, read) = (written.resolved(), read.resolved());
        let address = |view: SchemaView<'_>| std::ptr::from_ref(view.schema) as usize;
        if !self.assumed.insert((address(written), address(read))) {
            return;
        }
        if self.rules != Rules::Named {
            return self.check_equal(written, read, path);
        }
        let ((null_written, written_shape), (null_read, read_shape)) = (written.shape(), read.shape());
        if null_written && !null_read {
            return self.fail(path, "it may be null, which its reader refuses".to_owned());
        }
        match (written_shape, read_shape) {
            (Shape::Null, Shape::Null) | (Shape::Boolean, Shape::Boolean) | (Shape::Text, Shape::Text) => {}
            (Shape::Integer(low, high), Shape::Integer(lowest, highest)) => {
                if low < lowest || high > highest {
                    let reason = format!("{low} to {high} is written, and {lowest} to {highest} is read");
                    self.fail(path, reason);
                }
            }
            (Shape::List(written), Shape::List(read)) => {
                if is_byte(written) != is_byte(read) {
                    return self.fail(path, "one version has bytes, and the other a list".to_owned());
                }
                self.fits(written, read, &format!("{path}[]"));
            }
            (Shape::Map(written), Shape::Map(read)) => self.fits(written, read, &format!("{path}.*")),
            (Shape::Tuple(written), Shape::Tuple(read)) if written.len() == read.len() => {
                for (index, (written, read)) in written.into_iter().zip(read).enumerate() {
                    self.fits(written, read, &format!("{path}.{index}"));
                }
            }
            (Shape::Struct(written), Shape::Struct(read)) => self.structs(&written, &read, path),
            (Shape::Variants(written), Shape::Variants(read)) => self.variants(&written, &read, path),
            _ => self.check_equal(written, read, path),
        }
    }

    fn structs(&mut self, written: &StructShape<'_>, read: &StructShape<'_>, path: &str) {
        for (name, field) in &written.fields {
            match read.fields.iter().find(|(other, _)| other == name) {
                Some((_, other)) => self.fits(*field, *other, &format!("{path}.{name}")),
                None if read.is_closed => {
                    self.fail(
                        &format!("{path}.{name}"),
                        "the field is written, and its reader refuses it".to_owned(),
                    );
                }
                None => {}
            }
        }
        for name in read.required.iter().filter(|name| !written.required.contains(name)) {
            let reason = "the field is required, and is not always written".to_owned();
            self.fail(&format!("{path}.{name}"), reason);
        }
    }

    fn variants(
        &mut self,
        written: &[(&str, Option<SchemaView<'_>>)],
        read: &[(&str, Option<SchemaView<'_>>)],
        path: &str,
    ) {
        for (name, content) in written {
            let path = format!("{path}.{name}");
            match (content, read.iter().find(|(other, _)| other == name).map(|(_, other)| other)) {
                (None, Some(None)) => {}
                (Some(content), Some(Some(other))) => self.fits(*content, *other, &path),
                (_, None) => {
                    self.fail(&path, "the variant is written, and is not known to its reader".to_owned())
                }
                _ => self.fail(&path, "the variant has fields in one version only".to_owned()),
            }
        }
    }

    /// Checks that both schemas are equal. Names the fields that differ.
    fn check_equal(&mut self, written: SchemaView<'_>, read: SchemaView<'_>, path: &str) {
        let mut equality = Equality { is_ordered: self.rules == Rules::Positional, ..Equality::default() };
        if equality.schemas(written, read) {
            return;
        }
        if let ((null, Shape::Struct(written)), (other_null, Shape::Struct(read))) =
            (written.shape(), read.shape())
        {
            let names = |shape: &StructShape<'_>| -> Vec<String> {
                shape.fields.iter().map(|(name, _)| (*name).to_owned()).collect()
            };
            if null == other_null && names(&written) == names(&read) {
                let before = self.failures.len();
                for ((name, field), (_, other)) in written.fields.iter().zip(&read.fields) {
                    self.fits(*field, *other, &format!("{path}.{name}"));
                }
                if self.failures.len() > before {
                    return;
                }
            }
        }
        self.fail(path, equality.reason.unwrap_or("the types differ").to_owned());
    }
}

/// Returns `true` if a list of these is sent as bytes.
fn is_byte(element: SchemaView<'_>) -> bool {
    element.resolved().schema["format"] == "uint8"
}

/// Compares schemas except for their annotations and the names of types.
#[derive(Debug, Default)]
struct Equality {
    /// `true` if the order of fields and variants counts.
    is_ordered: bool,
    assumed: BTreeSet<(usize, usize)>,
    reason: Option<&'static str>,
}

impl Equality {
    fn schemas(&mut self, one: SchemaView<'_>, other: SchemaView<'_>) -> bool {
        let (one, other) = (one.resolved(), other.resolved());
        let address = |view: SchemaView<'_>| std::ptr::from_ref(view.schema) as usize;
        if !self.assumed.insert((address(one), address(other))) {
            return true;
        }
        let (Value::Object(members), Value::Object(others)) = (one.schema, other.schema) else {
            return one.schema == other.schema;
        };
        let sorted =
            |view: SchemaView<'_>| view.keys().into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        if self.is_ordered && has_unknown_order(one) {
            self.reason = Some(UNKNOWN_ORDER);
            return false;
        }
        sorted(one) == sorted(other)
            && one
                .keys()
                .into_iter()
                .all(|key| self.members(key, one.with(&members[key]), other.with(&others[key])))
    }

    fn members(&mut self, key: &str, one: SchemaView<'_>, other: SchemaView<'_>) -> bool {
        match (key, one.schema, other.schema) {
            ("properties" | "patternProperties", Value::Object(fields), Value::Object(others)) => {
                let names = |fields: &Map<String, Value>| fields.keys().cloned().collect::<Vec<_>>();
                let is_same_order = !self.is_ordered || names(fields) == names(others);
                is_same_order
                    && fields.len() == others.len()
                    && fields.iter().all(|(name, field)| {
                        others.get(name).is_some_and(|found| self.schemas(one.with(field), other.with(found)))
                    })
            }
            ("enum", Value::Array(names), Value::Array(others)) if self.is_ordered => names == others,
            ("required" | "enum", Value::Array(names), Value::Array(others)) => {
                let sorted = |names: &[Value]| names.iter().map(Value::to_string).collect::<BTreeSet<_>>();
                sorted(names) == sorted(others)
            }
            ("oneOf" | "anyOf" | "allOf" | "prefixItems", Value::Array(elements), Value::Array(others)) => {
                elements.len() == others.len()
                    && elements
                        .iter()
                        .zip(others)
                        .all(|(element, found)| self.schemas(one.with(element), other.with(found)))
            }
            (_, Value::Object(_), Value::Object(_)) => self.schemas(one, other),
            _ => one.schema == other.schema,
        }
    }
}

/// Returns `true` if an enum has variants with and without fields, and the schema does not tell
/// their order.
fn has_unknown_order(view: SchemaView<'_>) -> bool {
    let alternatives = view.schema["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
    alternatives.len() > 1 && alternatives.iter().any(|alternative| alternative["enum"].is_array())
}
