use std::io::Read;

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::input::check_json;

/// Builds the JSON object of a call's arguments from the words of the command line: one JSON
/// object, `@file`, `-` for the standard input, or `name=value` pairs. `None` if there are none.
pub(crate) fn parse(words: &[String]) -> Result<Option<String>, Failure> {
    let json = match words {
        [] => return Ok(None),
        [word] if word == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            checked(text, "the arguments on standard input")?
        }
        [word] if word.starts_with('@') => {
            let path = &word[1..];
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::Usage(format!("could not read the arguments of the file {path}: {error}"))
            })?;
            checked(text, "the arguments of the file")?
        }
        [word] if word.trim_start().starts_with(['{', '[']) || word == "null" => {
            checked(word.clone(), "the arguments")?
        }
        pairs => from_pairs(pairs)?,
    };
    Ok(Some(json))
}

fn checked(text: String, what: &str) -> Result<String, Failure> {
    check_json(&text, what)?;
    Ok(text)
}

/// A value is JSON if it parses, and otherwise a text.
fn from_pairs(pairs: &[String]) -> Result<String, Failure> {
    let mut object = Map::new();
    for pair in pairs {
        let (name, value) = pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            Failure::Usage(format!(
                "could not use the argument {pair:?}: it is neither `name=value` nor a JSON object; quote the object: \
                 '{{\"a\": 5}}'"
            ))
        })?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        if object.insert(name.to_owned(), value).is_some() {
            return Err(Failure::Usage(format!("could not use the argument `{name}`: it is there twice")));
        }
    }
    Ok(Value::from(object).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Option<String>, Failure> {
        parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn pairs_become_an_object() {
        assert_eq!(parsed(&[]).unwrap(), None);
        assert_eq!(parsed(&[r#"{"b": 1, "a": 2.50}"#]).unwrap().unwrap(), r#"{"b": 1, "a": 2.50}"#);
        assert_eq!(
            parsed(&["a=5", "b=x y", "c=\"5\"", "d=[1, 2]", "e=", "f=k=v"]).unwrap().unwrap(),
            r#"{"a":5,"b":"x y","c":"5","d":[1,2],"e":"","f":"k=v"}"#
        );
    }

    #[test]
    fn what_is_no_argument_is_refused() {
        for words in [&["{"][..], &["5"], &["=5"], &["a=1", "a=2"], &["{}", "a=1"], &["@/no/such/file"]] {
            assert!(matches!(parsed(words), Err(Failure::Usage(_))), "{words:?}");
        }
    }
}
