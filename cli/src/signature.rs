//! Descriptions of workers as text, like traits.

use std::fmt::Write;

use isolated_workers::describe::{DescribedArgument, DescribedMethod, Description};
use serde_json::Value;

use crate::schema;

/// Text of all services of a worker, and of the types that they use.
pub(crate) fn of_worker(description: &Description) -> String {
    let mut text = String::new();
    for service in &description.services {
        push_docs(&mut text, &service.docs, "");
        let _ = writeln!(text, "service {} {{", service.name);
        for method in &service.methods {
            push_docs(&mut text, &method.docs, "    ");
            let _ = writeln!(text, "    {}", of_method(method));
        }
        text.push_str("}\n\n");
    }
    for (name, definition) in &description.definitions {
        push_docs(&mut text, definition["description"].as_str().unwrap_or_default(), "");
        let _ = writeln!(text, "type {name} = {}", schema::to_text(definition));
    }
    text
}

fn push_docs(text: &mut String, docs: &str, indent: &str) {
    for line in docs.trim().lines() {
        let _ = writeln!(text, "{indent}/// {}", line.trim());
    }
}

/// Signature of a method. What the worker does not say is left out.
pub(crate) fn of_method(method: &DescribedMethod) -> String {
    let mut arguments: Vec<_> = method.arguments.iter().map(of_argument).collect();
    arguments.extend(method.takes.as_ref().map(|items| match &items.schema {
        Some(schema) => format!("{}: stream of {}", items.name, schema::to_text(schema)),
        None => format!("{}: stream", items.name),
    }));
    let mut text = format!("{}({})", method.name, arguments.join(", "));
    let is_value = |schema: &&Value| schema["type"] != "null";
    let reply = match (method.streams, &method.items) {
        (true, Some(items)) => Some(format!("stream of {}", schema::to_text(items))),
        (true, None) => Some("stream".to_owned()),
        (false, _) => method.reply.as_ref().filter(is_value).map(schema::to_text),
    };
    if let Some(reply) = reply {
        let _ = write!(text, " -> {reply}");
    }
    if let Some(error) = method.error.as_ref().filter(is_value) {
        let _ = write!(text, " or error {}", schema::to_text(error));
    }
    let flags = [("oneway", method.oneway), ("idempotent", method.idempotent), ("blocking", method.blocking)];
    let flags = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned());
    let notes: Vec<_> = flags.chain(method.timeout_ms.map(limit)).collect();
    if !notes.is_empty() {
        let _ = write!(text, "  // {}", notes.join(", "));
    }
    text
}

fn of_argument(argument: &DescribedArgument) -> String {
    let mark = if argument.required { "" } else { "?" };
    match &argument.schema {
        Some(schema) => format!("{}: {}", argument.name, schema::to_text(schema)),
        None => format!("{}{mark}", argument.name),
    }
}

fn limit(milliseconds: u64) -> String {
    match milliseconds {
        0 => "no timeout".to_owned(),
        _ => format!("timeout {milliseconds} ms"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_description_reads_like_a_trait() {
        let number = json!({ "type": "integer", "format": "int64" });
        let description = json!({
            "isolated-workers": 1,
            "services": [{
                "name": "Store",
                "docs": "Keeps pages.",
                "methods": [
                    { "name": "get", "docs": " A page.\n Or none.", "arguments": [{ "name": "id", "schema": number }],
                      "reply": { "$ref": "#/$defs/Page" }, "error": { "type": "string" }, "idempotent": true },
                    { "name": "watch", "arguments": [{ "name": "from", "required": false }], "streams": true,
                      "takes": { "name": "marks" }, "timeout_ms": 0 },
                    { "name": "clear", "reply": { "type": "null" } },
                ],
            }],
            "$defs": { "Page": { "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"] } },
        });
        let description = Description::from_json(&description.to_string()).unwrap();
        let text = "/// Keeps pages.\nservice Store {\n    /// A page.\n    /// Or none.\n    get(id: i64) -> Page or \
                    error string  // idempotent\n    watch(from?, marks: stream) -> stream  // no timeout\n    \
                    clear()\n}\n\ntype Page = {text: string}\n";
        assert_eq!(of_worker(&description), text);
    }
}
