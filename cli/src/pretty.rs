//! Layout of JSON. Keys keep their order and numbers all their digits.

/// Puts a valid JSON value on several lines, indented by two spaces.
pub(crate) fn indented(json: &str) -> String {
    layout(json, true)
}

/// Puts a valid JSON value on one line.
pub(crate) fn on_one_line(json: &str) -> String {
    layout(json, false)
}

fn layout(json: &str, is_indented: bool) -> String {
    let mut out = String::with_capacity(json.len());
    let mut depth = 0;
    let mut chars = json.chars().filter(|c| !matches!(c, '\n' | '\r' | '\t')).peekable();
    let line = |out: &mut String, depth: usize| {
        if is_indented {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                out.push(c);
                copy_string(&mut chars, &mut out);
            }
            ' ' => {}
            '{' | '[' => {
                out.push(c);
                while chars.next_if_eq(&' ').is_some() {}
                if let Some(end) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(if is_indented { ": " } else { ":" }),
            _ => out.push(c),
        }
    }
    out
}

/// Copies the rest of a string, with its closing quote.
fn copy_string(chars: &mut impl Iterator<Item = char>, out: &mut String) {
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '"' => return,
            '\\' => out.extend(chars.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_keeps_order_digits_and_strings() {
        let json = r#"{"b": [1.50, {}, [ ]], "a":"x, \"y\": {z}\\", "c": 123456789012345678901234567890}"#;
        let indented = indented(json);
        assert_eq!(
            indented,
            "{\n  \"b\": [\n    1.50,\n    {},\n    []\n  ],\n  \"a\": \"x, \\\"y\\\": {z}\\\\\",\n  \"c\": \
             123456789012345678901234567890\n}"
        );
        let line = r#"{"b":[1.50,{},[]],"a":"x, \"y\": {z}\\","c":123456789012345678901234567890}"#;
        assert_eq!(on_one_line(&indented), line);
        assert_eq!(on_one_line(line), line);
    }
}
