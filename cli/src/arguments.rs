use std::io::Read;

use isolated_workers::describe::DescribedMethod;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::input::check_json;

/// Arguments of a call, as the command line has them.
#[derive(Debug)]
pub(crate) enum Arguments {
    None,
    /// A JSON text.
    Json(String),
    /// Names and values.
    Pairs(Vec<(String, String)>),
}

impl Arguments {
    /// Parses the words of the command line: one JSON object, `@file`, `-` for the standard input,
    /// or `name=value` pairs.
    pub(crate) fn parse(words: &[String]) -> Result<Self, Failure> {
        match words {
            [] => Ok(Self::None),
            [word] if word == "-" => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text)?;
                json(text, "the arguments on standard input")
            }
            [word] if word.starts_with('@') => {
                let path = &word[1..];
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Failure::Usage(format!("could not read the arguments of the file {path}: {error}"))
                })?;
                json(text, "the arguments of the file")
            }
            [word] if word.trim_start().starts_with(['{', '[']) || word == "null" => {
                json(word.clone(), "the arguments")
            }
            words => pairs(words),
        }
    }

    /// Returns the JSON of the arguments, if there are some. The value of a pair is a text if the
    /// method takes a text, and otherwise JSON if it parses.
    pub(crate) fn to_json(&self, method: Option<&DescribedMethod>) -> Option<String> {
        let pairs = match self {
            Self::None => return None,
            Self::Json(json) => return Some(json.clone()),
            Self::Pairs(pairs) => pairs,
        };
        let object: Map<String, Value> =
            pairs.iter().map(|(name, value)| (name.clone(), value_of(name, value, method))).collect();
        Some(Value::from(object).to_string())
    }
}

fn json(text: String, what: &str) -> Result<Arguments, Failure> {
    check_json(&text, what)?;
    Ok(Arguments::Json(text))
}

fn pairs(words: &[String]) -> Result<Arguments, Failure> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for word in words {
        let (name, value) = word.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            Failure::Usage(format!(
                "could not use the argument {word:?}: it is neither `name=value` nor a JSON object; quote the object: \
                 '{{\"a\": 5}}'"
            ))
        })?;
        if pairs.iter().any(|(other, _)| other == name) {
            return Err(Failure::Usage(format!("could not use the argument `{name}`: it is there twice")));
        }
        pairs.push((name.to_owned(), value.to_owned()));
    }
    Ok(Arguments::Pairs(pairs))
}

fn value_of(name: &str, value: &str, method: Option<&DescribedMethod>) -> Value {
    let argument = method.and_then(|method| method.arguments.iter().find(|argument| argument.name == name));
    let is_text = argument
        .and_then(|argument| argument.schema.as_ref())
        .is_some_and(|schema| schema["type"] == "string");
    if is_text && !value.starts_with('"') {
        return value.into();
    }
    serde_json::from_str(value).unwrap_or_else(|_| value.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(words: &[&str]) -> Result<Arguments, Failure> {
        Arguments::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn pairs_become_an_object() {
        let to_json = |words| parsed(words).unwrap().to_json(None);
        assert_eq!(to_json(&[]), None);
        assert_eq!(to_json(&[r#"{"b": 1, "a": 2.50}"#]).unwrap(), r#"{"b": 1, "a": 2.50}"#);
        assert_eq!(
            to_json(&["a=5", "b=x y", "c=\"5\"", "d=[1, 2]", "e=", "f=k=v"]).unwrap(),
            r#"{"a":5,"b":"x y","c":"5","d":[1,2],"e":"","f":"k=v"}"#
        );
    }

    #[test]
    fn the_schema_of_a_text_makes_a_number_a_text() {
        let method = json!({ "name": "find", "arguments": [
            { "name": "code", "schema": { "type": "string" } },
            { "name": "count", "schema": { "type": "integer" } },
        ] });
        let method: DescribedMethod = serde_json::from_value(method).unwrap();
        let arguments = parsed(&["code=007", "count=3"]).unwrap();
        assert_eq!(arguments.to_json(Some(&method)).unwrap(), r#"{"code":"007","count":3}"#);
        let quoted = parsed(&["code=\"007\""]).unwrap();
        assert_eq!(quoted.to_json(Some(&method)).unwrap(), r#"{"code":"007"}"#);
    }

    #[test]
    fn what_is_no_argument_is_refused() {
        for words in [&["{"][..], &["5"], &["=5"], &["a=1", "a=2"], &["{}", "a=1"], &["@/no/such/file"]] {
            assert!(matches!(parsed(words), Err(Failure::Usage(_))), "{words:?}");
        }
    }
}
