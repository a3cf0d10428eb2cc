//! Collects errors, so that one compilation shows all mistakes in a definition.

use std::fmt::Display;

use quote::ToTokens;

/// Errors found so far, each at the tokens that caused it.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Adds an error at `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// Returns the value of `result`. Records an error and returns the default instead, so that
    /// later checks still run.
    pub(crate) fn or_default<T: Default>(&mut self, result: syn::Result<T>) -> T {
        result.unwrap_or_else(|error| {
            self.push(error);
            T::default()
        })
    }

    /// Returns `value`, or all errors if there are any.
    pub(crate) fn finish<T>(self, value: T) -> syn::Result<T> {
        match self.0 {
            Some(errors) => Err(errors),
            None => Ok(value),
        }
    }
}

/// Returns each error message and the source text at its span, for assertions in unit tests.
#[cfg(test)]
pub(crate) fn listed(error: syn::Error) -> Vec<(String, String)> {
    error
        .into_iter()
        .map(|error| (error.span().source_text().unwrap_or_default(), error.to_string()))
        .collect()
}

/// Asserts the errors of `result`: the source text at the span of each, and a part of its message.
#[cfg(test)]
#[track_caller]
pub(crate) fn assert_refused<T>(result: syn::Result<T>, expected: &[(&str, &str)]) {
    let errors = listed(result.err().expect("an error"));
    assert_eq!(errors.len(), expected.len(), "{errors:?}");
    for ((at, message), (expected_at, part)) in errors.iter().zip(expected) {
        assert_eq!(at, expected_at, "{message}");
        assert!(message.contains(part), "{message}");
    }
}
