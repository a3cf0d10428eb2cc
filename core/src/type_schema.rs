//! JSON Schemas of types, with definitions that several of them share.

use std::fmt;

use serde_json::{Map, Value};

/// Source of the JSON Schema of a type. With the feature `schema`, `TypeSchema::of` creates it.
#[derive(Clone, Copy)]
pub struct TypeSchema {
    #[cfg(feature = "schema")]
    make: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// There is none without the feature.
    #[cfg(not(feature = "schema"))]
    make: std::convert::Infallible,
}

#[cfg(feature = "schema")]
impl TypeSchema {
    /// Returns the source of the schema of `T`.
    pub const fn of<T: schemars::JsonSchema>() -> Self {
        Self { make: |generator| generator.subschema_for::<T>() }
    }
}

impl fmt::Debug for TypeSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypeSchema").finish_non_exhaustive()
    }
}

/// Generates schemas whose named types are definitions of one document.
///
/// A type may have one schema for what is written and another for what is read, for example because
/// of `#[serde(default)]`. Such a type gets two definitions.
#[derive(Debug)]
pub struct Definitions {
    #[cfg(feature = "schema")]
    read: schemars::SchemaGenerator,
    #[cfg(feature = "schema")]
    written: schemars::SchemaGenerator,
}

#[cfg(not(feature = "schema"))]
impl Definitions {
    /// Creates the generator. Without the feature `schema`, there are no types to generate schemas
    /// of.
    #[expect(clippy::new_without_default, reason = "the generator has no default state to share")]
    pub fn new() -> Self {
        Self {}
    }

    /// Returns the schema of a value that a worker reads.
    pub fn read(&mut self, schema: Option<TypeSchema>) -> Value {
        schema.map_or(Value::Null, |schema| match schema.make {})
    }

    /// Returns the schema of a value that a worker writes.
    pub fn written(&mut self, schema: Option<TypeSchema>) -> Value {
        self.read(schema)
    }

    /// Returns the definitions. Joins those that are equal in both directions, and adapts the
    /// references in `document`.
    pub fn finish(self, _: &mut Value) -> Map<String, Value> {
        Map::new()
    }
}

#[cfg(feature = "schema")]
impl Definitions {
    /// Creates the generator.
    #[expect(clippy::new_without_default, reason = "the generator has no default state to share")]
    pub fn new() -> Self {
        let settings = schemars::generate::SchemaSettings::draft2020_12;
        let written = settings().for_serialize().with(|settings| settings.definitions_path = WRITTEN.into());
        Self { read: settings().into_generator(), written: written.into_generator() }
    }

    /// Returns the schema of a value that a worker reads. `null` if it is not known.
    pub fn read(&mut self, schema: Option<TypeSchema>) -> Value {
        schema.map_or(Value::Null, |schema| (schema.make)(&mut self.read).to_value())
    }

    /// Returns the schema of a value that a worker writes. `null` if it is not known.
    pub fn written(&mut self, schema: Option<TypeSchema>) -> Value {
        schema.map_or(Value::Null, |schema| (schema.make)(&mut self.written).to_value())
    }

    /// Returns the definitions. Joins those that are equal in both directions, and adapts the
    /// references in `document`.
    pub fn finish(mut self, document: &mut Value) -> Map<String, Value> {
        let mut all = self.read.take_definitions(true);
        let written = self.written.take_definitions(true);
        let differing = differing(&all, &written);
        let rename = |name: &str| match differing.contains(name) {
            true => format!("{name}.written"),
            false => name.to_owned(),
        };
        for (name, mut definition) in written {
            change_references(&mut definition, &rename);
            all.insert(rename(&name), definition);
        }
        change_references(document, &rename);
        all
    }
}

/// Path of the definitions of written values, until they are joined with those of read ones.
#[cfg(feature = "schema")]
const WRITTEN: &str = "/$written";

/// Returns the names whose definitions are not the same in both directions.
#[cfg(feature = "schema")]
fn differing(read: &Map<String, Value>, written: &Map<String, Value>) -> std::collections::BTreeSet<String> {
    let mut differing = std::collections::BTreeSet::new();
    // A definition that refers to one that differs does so too.
    loop {
        let before = differing.len();
        for (name, definition) in written {
            let mut joined = definition.clone();
            change_references(&mut joined, &|name| match differing.contains(name) {
                true => format!("{name}.written"),
                false => name.to_owned(),
            });
            if read.get(name).is_some_and(|read| *read != joined) {
                differing.insert(name.clone());
            }
        }
        if differing.len() == before {
            return differing;
        }
    }
}

/// Makes references to definitions of written values lead to the common ones.
#[cfg(feature = "schema")]
fn change_references(value: &mut Value, rename: &dyn Fn(&str) -> String) {
    match value {
        Value::Array(elements) => {
            elements.iter_mut().for_each(|element| change_references(element, rename));
        }
        Value::Object(members) => {
            for (key, member) in members {
                let name = member.as_str().filter(|_| key == "$ref");
                let name = name.and_then(|path| path.strip_prefix("#/$written/"));
                match name {
                    Some(name) => *member = format!("#/$defs/{}", rename(name)).into(),
                    None => change_references(member, rename),
                }
            }
        }
        _ => {}
    }
}
