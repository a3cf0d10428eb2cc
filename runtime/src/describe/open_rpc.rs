//! Descriptions as OpenRPC documents.

use serde_json::{Map, Value, json};

use super::description::{DescribedMethod, Description};

impl Description {
    /// Returns the description as an [OpenRPC](https://spec.open-rpc.org) 1.3.2 document, for tools
    /// that read that format.
    ///
    /// A method of another service than the default is called `Service.method`. What OpenRPC cannot
    /// say is in keys that begin with `x-iw-`.
    pub fn to_open_rpc(&self) -> Value {
        let mut methods = Vec::new();
        for (index, service) in self.services.iter().enumerate() {
            for method in &service.methods {
                let name = match index {
                    0 => method.name.clone(),
                    _ => format!("{}.{}", service.name, method.name),
                };
                methods.push(open_rpc_method(name, method));
            }
        }
        let service = self.services.first();
        let mut document = json!({
            "openrpc": "1.3.2",
            "info": {
                "title": service.map_or("", |service| &service.name),
                "description": service.map_or("", |service| &service.docs),
                "version": service.map_or("", |service| &service.fingerprint),
            },
            "methods": methods,
            "components": { "schemas": self.definitions },
        });
        change_references(&mut document);
        document
    }
}

fn open_rpc_method(name: String, method: &DescribedMethod) -> Value {
    let parameters = method.arguments.iter().map(|argument| {
        json!({
            "name": argument.name,
            "required": argument.required,
            "schema": known(argument.schema.as_ref()),
        })
    });
    let mut members = Map::new();
    members.insert("name".into(), name.into());
    members.insert("description".into(), method.docs.clone().into());
    members.insert("paramStructure".into(), "by-name".into());
    members.insert("params".into(), parameters.collect());
    if !method.oneway {
        let result = if method.streams { "items" } else { "reply" };
        let schema = if method.streams { &method.items } else { &method.reply };
        members.insert("result".into(), json!({ "name": result, "schema": known(schema.as_ref()) }));
    }
    let extensions = [
        ("x-iw-error", method.error.clone()),
        ("x-iw-streams", method.streams.then(|| true.into())),
        (
            "x-iw-takes",
            method.takes.as_ref().map(|takes| json!({ "name": takes.name, "schema": takes.schema })),
        ),
        ("x-iw-idempotent", method.idempotent.then(|| true.into())),
        ("x-iw-timeout-ms", method.timeout_ms.map(Value::from)),
    ];
    for (key, value) in extensions {
        if let Some(value) = value {
            members.insert(key.into(), value);
        }
    }
    members.into()
}

/// Returns the schema, or one that allows all values.
fn known(schema: Option<&Value>) -> Value {
    schema.cloned().unwrap_or(Value::Bool(true))
}

/// Makes references to definitions lead to the place that OpenRPC has for them.
fn change_references(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(change_references),
        Value::Object(members) => {
            for (key, member) in members {
                let name = member.as_str().filter(|_| key == "$ref");
                match name.and_then(|path| path.strip_prefix("#/$defs/")) {
                    Some(name) => *member = format!("#/components/schemas/{name}").into(),
                    None => change_references(member),
                }
            }
        }
        _ => {}
    }
}
