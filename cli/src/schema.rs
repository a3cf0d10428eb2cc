//! JSON Schema as a short text, such as `i64` or `[Page]`.

use serde_json::Value;

/// Text of a schema. What it cannot say shortly is `any`.
pub(crate) fn to_text(schema: &Value) -> String {
    if let Some(path) = schema["$ref"].as_str() {
        return path.rsplit('/').next().unwrap_or(path).to_owned();
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(variants) = schema[key].as_array() {
            return alternatives(variants.iter().map(to_text));
        }
    }
    if let Some(constant) = schema.get("const") {
        return constant.to_string();
    }
    if let Some(values) = schema["enum"].as_array() {
        return alternatives(values.iter().map(Value::to_string));
    }
    match &schema["type"] {
        Value::String(name) => of_type(name, schema),
        Value::Array(names) => {
            alternatives(names.iter().filter_map(Value::as_str).map(|name| of_type(name, schema)))
        }
        _ => "any".to_owned(),
    }
}

/// Joins alternatives. A value that may be `null` has a question mark.
fn alternatives(texts: impl Iterator<Item = String>) -> String {
    let mut texts: Vec<_> = texts.collect();
    let count = texts.len();
    texts.retain(|text| text != "null");
    let joined = texts.join(" | ");
    match (texts.len() < count, texts.len()) {
        (true, 1) => format!("{joined}?"),
        (true, _) => format!("({joined})?"),
        (false, _) => joined,
    }
}

fn of_type(name: &str, schema: &Value) -> String {
    match name {
        "integer" | "number" => match schema["format"].as_str() {
            Some("double") => "f64".to_owned(),
            Some("float") => "f32".to_owned(),
            Some(format) => format.replace("uint", "u").replace("int", "i"),
            None => name.to_owned(),
        },
        "boolean" => "bool".to_owned(),
        "array" => match schema["prefixItems"].as_array() {
            Some(items) => format!("({})", items.iter().map(to_text).collect::<Vec<_>>().join(", ")),
            None => format!("[{}]", to_text(&schema["items"])),
        },
        "object" => of_object(schema),
        other => other.to_owned(),
    }
}

fn of_object(schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object() else {
        return match &schema["additionalProperties"] {
            values @ Value::Object(_) => format!("{{name: {}}}", to_text(values)),
            _ => "{}".to_owned(),
        };
    };
    let required: Vec<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = properties.iter().map(|(name, schema)| {
        let text = to_text(schema);
        let mark = if required.contains(&name.as_str()) || text.ends_with('?') { "" } else { "?" };
        format!("{name}: {text}{mark}")
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_a_short_text() {
        for (schema, text) in [
            (json!({ "type": "integer", "format": "int64" }), "i64"),
            (json!({ "type": "integer", "format": "uint8", "minimum": 0 }), "u8"),
            (json!({ "type": "number", "format": "double" }), "f64"),
            (json!({ "type": "array", "items": { "$ref": "#/$defs/Page" } }), "[Page]"),
            (json!({ "type": ["string", "null"] }), "string?"),
            (json!({ "anyOf": [{ "$ref": "#/$defs/Page" }, { "type": "null" }] }), "Page?"),
            (json!({ "enum": ["Up", "Down"] }), r#""Up" | "Down""#),
            (
                json!({ "type": "array", "prefixItems": [{ "type": "string" }, { "type": "boolean" }] }),
                "(string, bool)",
            ),
            (json!({ "type": "object", "additionalProperties": { "type": "null" } }), "{name: null}"),
            (
                json!({
                    "type": "object",
                    "properties": { "a": { "type": "string" }, "b": { "type": "string" } },
                    "required": ["a"],
                }),
                "{a: string, b: string?}",
            ),
            (json!(true), "any"),
        ] {
            assert_eq!(to_text(&schema), text, "{schema}");
        }
    }
}
