//! JSON Schemas as shapes of serde.

use serde_json::{Map, Value};

use super::super::description::Description;

/// Keys that do not restrict values.
const ANNOTATIONS: [&str; 8] =
    ["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$schema"];

static NO_SCHEMA: Value = Value::Null;

/// A schema, with the definitions to which it refers.
#[derive(Clone, Copy, Debug)]
pub(super) struct SchemaView<'a> {
    pub(super) schema: &'a Value,
    definitions: &'a Map<String, Value>,
}

/// Shape of the values of a schema, if they are compared by more than equality.
#[derive(Debug)]
pub(super) enum Shape<'a> {
    Null,
    Boolean,
    /// Range of integers.
    Integer(i128, i128),
    Text,
    List(SchemaView<'a>),
    Map(SchemaView<'a>),
    Tuple(Vec<SchemaView<'a>>),
    Struct(StructShape<'a>),
    /// Enum whose variants are told apart by their names, with the content of each.
    Variants(Vec<(&'a str, Option<SchemaView<'a>>)>),
    Other,
}

#[derive(Debug)]
pub(super) struct StructShape<'a> {
    pub(super) fields: Vec<(&'a str, SchemaView<'a>)>,
    pub(super) required: Vec<&'a str>,
    /// `true` if unknown fields are refused.
    pub(super) is_closed: bool,
}

impl<'a> SchemaView<'a> {
    pub(super) fn of(schema: Option<&'a Value>, description: &'a Description) -> Self {
        Self { schema: schema.unwrap_or(&NO_SCHEMA), definitions: &description.definitions }
    }

    pub(super) fn with(self, schema: &'a Value) -> Self {
        Self { schema, ..self }
    }

    /// Keys that restrict values.
    pub(super) fn keys(self) -> Vec<&'a str> {
        let keys = self.schema.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
        keys.filter(|key| !ANNOTATIONS.contains(key)).collect()
    }

    /// Follows references.
    pub(super) fn resolved(self) -> Self {
        let mut view = self;
        // A chain of references that is longer is a circle.
        for _ in 0..16 {
            let name = view.schema["$ref"].as_str().filter(|_| view.keys() == ["$ref"]);
            let target = name.and_then(|path| self.definitions.get(path.strip_prefix("#/$defs/")?));
            match target {
                Some(target) => view = self.with(target),
                None => break,
            }
        }
        view
    }

    fn has_only(self, allowed: &[&str]) -> bool {
        self.keys().iter().all(|key| allowed.contains(key))
    }

    /// Returns `true` if the values may be null, and the shape of the others.
    pub(super) fn shape(self) -> (bool, Shape<'a>) {
        let view = self.resolved();
        if let Some(inner) = view.nullable() {
            return (true, inner.shape().1);
        }
        match &view.schema["type"] {
            Value::String(name) => (false, view.shape_of(name)),
            Value::Array(names) => match &names[..] {
                [Value::String(name), Value::String(null)] if null == "null" => (true, view.shape_of(name)),
                _ => (false, Shape::Other),
            },
            _ if view.keys() == ["oneOf"] => (false, view.variants().map_or(Shape::Other, Shape::Variants)),
            _ => (false, Shape::Other),
        }
    }

    /// Returns the schema that is not null, of a choice between it and null.
    fn nullable(self) -> Option<Self> {
        let [inner, null] = &self.schema["anyOf"].as_array()?[..] else { return None };
        (self.keys() == ["anyOf"] && null["type"] == "null").then(|| self.with(inner))
    }

    fn shape_of(self, name: &str) -> Shape<'a> {
        let schema = self.schema;
        match name {
            "null" if self.has_only(&["type"]) => Shape::Null,
            "boolean" if self.has_only(&["type"]) => Shape::Boolean,
            "integer" if self.has_only(&["type", "format", "minimum", "maximum"]) => self.integer(),
            "string" if self.has_only(&["type"]) => Shape::Text,
            "string" if self.has_only(&["type", "enum", "const"]) => {
                self.names().map_or(Shape::Other, |names| {
                    Shape::Variants(names.into_iter().map(|name| (name, None)).collect())
                })
            }
            "array" if self.has_only(&["type", "items"]) => Shape::List(self.with(&schema["items"])),
            "array" if self.has_only(&["type", "prefixItems", "minItems", "maxItems"]) => {
                let elements = schema["prefixItems"].as_array().into_iter().flatten();
                Shape::Tuple(elements.map(|element| self.with(element)).collect())
            }
            "object"
                if self.has_only(&["type", "additionalProperties"])
                    && schema["additionalProperties"].is_object() =>
            {
                Shape::Map(self.with(&schema["additionalProperties"]))
            }
            "object" if self.has_only(&["type", "properties", "required", "additionalProperties"]) => {
                self.structure().map_or(Shape::Other, Shape::Struct)
            }
            _ => Shape::Other,
        }
    }

    fn integer(self) -> Shape<'a> {
        let (low, high) = match self.schema["format"].as_str() {
            Some("int8") => (i8::MIN.into(), i8::MAX.into()),
            Some("int16") => (i16::MIN.into(), i16::MAX.into()),
            Some("int32") => (i32::MIN.into(), i32::MAX.into()),
            Some("int64") => (i64::MIN.into(), i64::MAX.into()),
            Some("uint8") => (0, u8::MAX.into()),
            Some("uint16") => (0, u16::MAX.into()),
            Some("uint32") => (0, u32::MAX.into()),
            Some("uint64") => (0, u64::MAX.into()),
            _ => return Shape::Other,
        };
        let bound = |key: &str| self.schema[key].as_i64().map(i128::from);
        let low: i128 = bound("minimum").map_or(low, |minimum| minimum.max(low));
        let high: i128 = bound("maximum").map_or(high, |maximum| maximum.min(high));
        Shape::Integer(low, high)
    }

    /// Names of an enum without content, or of a part of one.
    pub(super) fn names(self) -> Option<Vec<&'a str>> {
        match (&self.schema["enum"], &self.schema["const"]) {
            (Value::Array(names), Value::Null) => {
                names.iter().filter(|name| !name.is_null()).map(Value::as_str).collect()
            }
            (Value::Null, Value::String(name)) => Some(vec![name]),
            _ => None,
        }
    }

    fn structure(self) -> Option<StructShape<'a>> {
        let is_closed = match &self.schema["additionalProperties"] {
            Value::Null => false,
            Value::Bool(false) => true,
            _ => return None,
        };
        let fields = self.schema["properties"].as_object().into_iter().flatten();
        let required = self.schema["required"].as_array().into_iter().flatten();
        Some(StructShape {
            fields: fields.map(|(name, field)| (name.as_str(), self.with(field))).collect(),
            required: required.filter_map(Value::as_str).collect(),
            is_closed,
        })
    }

    fn variants(self) -> Option<Vec<(&'a str, Option<Self>)>> {
        let mut variants = Vec::new();
        for alternative in self.schema["oneOf"].as_array()? {
            let view = self.with(alternative);
            if alternative["type"] == "string" && view.has_only(&["type", "enum", "const"]) {
                variants.extend(view.names()?.into_iter().map(|name| (name, None)));
                continue;
            }
            let structure = view.structure().filter(|_| alternative["type"] == "object")?;
            match (&structure.fields[..], &structure.required[..], structure.is_closed) {
                ([(name, content)], [required], true) if name == required => {
                    variants.push((*name, Some(*content)));
                }
                _ => return None,
            }
        }
        Some(variants)
    }
}
