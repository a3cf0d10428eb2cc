//! Names of a description as identifiers of another language.

const PYTHON: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "self", "try", "while", "with", "yield",
];

const TYPESCRIPT: &[&str] = &[
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// Names that the modules use for other things.
const TYPES: &[&str] = &[
    "Any",
    "Array",
    "AsyncGenerator",
    "AsyncIterable",
    "AsyncIterator",
    "CallOptions",
    "Iterable",
    "Literal",
    "None",
    "Omit",
    "Pick",
    "Promise",
    "Record",
    "TypeAlias",
    "TypedDict",
    "Union",
    "Worker",
];

/// Identifier for a name in Python. `taken`: names with another meaning at this place.
pub(super) fn python(name: &str, taken: &[&str]) -> String {
    identifier(name, &[PYTHON, taken])
}

/// Identifier for a name in TypeScript.
pub(super) fn typescript(name: &str, taken: &[&str]) -> String {
    identifier(name, &[TYPESCRIPT, taken])
}

/// Returns `true` if a name is an identifier of Python that is not reserved.
pub(super) fn is_python(name: &str) -> bool {
    is_plain(name) && python(name, &[]) == name
}

/// Returns `true` if a name needs no quotes as a property of TypeScript.
pub(super) fn is_plain(name: &str) -> bool {
    let is_word = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    is_word && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// Name of a type: words that begin with capital letters.
pub(super) fn type_name(words: &str) -> String {
    let mut name = String::new();
    for word in words.split(|character: char| !character.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.extend(letters);
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) || name.is_empty() {
        name.insert(0, '_');
    }
    if TYPES.contains(&name.as_str()) {
        name.push('_');
    }
    name
}

fn identifier(name: &str, reserved: &[&[&str]]) -> String {
    let mut name: String = name
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '_' })
        .collect();
    if !is_plain(&name) {
        name.insert(0, '_');
    }
    while reserved.iter().any(|names| names.contains(&name.as_str())) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_an_identifier() {
        for (name, expected) in [
            ("page", "page"),
            ("class", "class_"),
            ("a-b", "a_b"),
            ("2nd", "_2nd"),
            ("", "_"),
            ("timeout", "timeout_"),
        ] {
            assert_eq!(python(name, &["timeout"]), expected);
        }
        assert_eq!(typescript("new", &[]), "new_");
        assert!(is_python("page") && !is_python("class") && !is_python("a-b"));
        for (words, expected) in [
            ("page.written", "PageWritten"),
            ("x", "X"),
            ("Page_of_u8", "PageOfU8"),
            ("7", "_7"),
            ("any", "Any_"),
        ] {
            assert_eq!(type_name(words), expected);
        }
    }
}
