//! Checks of argument and reply types: can their values be sent to another process?

use syn::visit_mut::{self, VisitMut};
use syn::{
    Lifetime, Path, ReturnType, Type, TypeImplTrait, TypeInfer, TypeNever, TypeParamBound, TypePtr,
    TypeReference,
};

use crate::errors::Errors;
use crate::token_text;

/// Position of a type in a signature, for the wording of errors.
#[derive(Clone, Copy)]
pub(crate) enum Position {
    Argument,
    Reply,
}

/// Adds an error for each part of `ty` that cannot be sent.
///
/// The compiler would reject these too, but with an error about generated code.
pub(crate) fn check(ty: &Type, place: Position, errors: &mut Errors) {
    // `VisitMut` on a clone, because this crate enables only that visitor of syn.
    let mut check = Check { place, errors };
    if let Some(owned) = owned(ty).filter(|_| is_unsized(ty)) {
        check.owned_instead(ty, &format!("`{owned}`"), &token_text::of_type(ty));
    } else {
        check.visit_type_mut(&mut ty.clone());
    }
}

/// Returns `true` if a stream is part of what a method returns.
pub(crate) fn has_stream(output: &ReturnType) -> bool {
    struct Find(bool);

    impl VisitMut for Find {
        fn visit_type_impl_trait_mut(&mut self, node: &mut TypeImplTrait) {
            self.0 |= is_stream(node);
        }
    }

    let mut find = Find(false);
    find.visit_return_type_mut(&mut output.clone());
    find.0
}

fn is_stream(node: &TypeImplTrait) -> bool {
    node.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| last.ident == "Stream"),
        _ => false,
    })
}

/// Returns `true` if `ty` is written as a `Vec<u8>`, with or without its path.
pub(crate) fn is_byte_vec(ty: &Type) -> bool {
    matches!(
        token_text::of_type(ty).trim_start_matches("::"),
        "Vec<u8>" | "std::vec::Vec<u8>" | "alloc::vec::Vec<u8>"
    )
}

/// Returns `true` if `ty` is written as `Bytes` or `bytes::Bytes`. It may be another type of that
/// name.
pub(crate) fn is_named_bytes(ty: &Type) -> bool {
    matches!(token_text::of_type(ty).trim_start_matches("::"), "Bytes" | "bytes::Bytes")
}

struct Check<'a> {
    place: Position,
    errors: &'a mut Errors,
}

impl Check<'_> {
    fn owned_instead(&mut self, node: impl quote::ToTokens, owned: &str, written: &str) {
        let advice = match self.place {
            Position::Argument => "arguments are sent to another process: take",
            Position::Reply => "replies are sent from another process: return",
        };
        self.errors.at(node, format!("{advice} {owned} instead of `{written}`"));
    }
}

impl VisitMut for Check<'_> {
    fn visit_type_reference_mut(&mut self, node: &mut TypeReference) {
        let owned = owned(&node.elem).map_or("an owned type".to_owned(), |owned| format!("`{owned}`"));
        let written = token_text::of_type(&Type::Reference(node.clone()));
        self.owned_instead(node, &owned, &written);
    }

    fn visit_lifetime_mut(&mut self, node: &mut Lifetime) {
        // `Cow<'static, str>` can be sent: the receiver gets an owned value.
        if node.ident != "static" {
            let written = node.to_string();
            self.owned_instead(node, "a type that owns its data", &written);
        }
    }

    fn visit_type_impl_trait_mut(&mut self, node: &mut TypeImplTrait) {
        let advice = match (is_stream(node), self.place) {
            (true, Position::Reply) => {
                "a method returns one stream: write `impl Stream<Item = T>`, or `impl Stream<Item = Result<T, E>>` \
                 if it can fail"
            }
            (true, Position::Argument) => "the items of a caller are an argument: write `Streaming<T>`",
            (false, _) => "a message has one concrete type: name it instead of `impl Trait`",
        };
        self.errors.at(node, advice);
    }

    fn visit_type_ptr_mut(&mut self, node: &mut TypePtr) {
        self.errors
            .at(node, "an address means nothing in another process: send the data instead of a pointer");
    }

    fn visit_type_infer_mut(&mut self, node: &mut TypeInfer) {
        self.errors.at(node, "a message has one concrete type: name it instead of `_`");
    }

    fn visit_type_never_mut(&mut self, node: &mut TypeNever) {
        self.errors.at(node, "`!` has no values to send: remove the return type");
    }

    fn visit_path_mut(&mut self, node: &mut Path) {
        if let Some(first) = node.segments.first()
            && first.ident == "Self"
        {
            let problem = "`Self` is the worker's type, which the caller does not know";
            self.errors.at(&first.ident, format!("{problem}: name a type that both know"));
        }
        visit_mut::visit_path_mut(self, node);
    }
}

/// Returns `true` for a slice and for `str`, which exist only behind a pointer.
fn is_unsized(ty: &Type) -> bool {
    match ty {
        Type::Slice(_) => true,
        Type::Path(path) => path.qself.is_none() && path.path.is_ident("str"),
        _ => false,
    }
}

/// Returns the owned counterpart of the type behind a reference.
fn owned(borrowed: &Type) -> Option<String> {
    match borrowed {
        Type::Slice(slice) => Some(format!("Vec<{}>", token_text::of_type(&slice.elem))),
        Type::Path(path) => {
            let name = path.path.segments.last()?.ident.to_string();
            Some(match name.as_str() {
                "str" => "String".to_owned(),
                "Path" => "PathBuf".to_owned(),
                "CStr" => "CString".to_owned(),
                "OsStr" => "OsString".to_owned(),
                _ => token_text::of_type(borrowed),
            })
        }
        Type::Array(_) | Type::Tuple(_) => Some(token_text::of_type(borrowed)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::listed;

    fn errors(ty: &str, place: Position) -> Vec<(String, String)> {
        let mut errors = Errors::default();
        check(&syn::parse_str(ty).expect("a type"), place, &mut errors);
        errors.finish(()).err().map(listed).unwrap_or_default()
    }

    #[test]
    fn a_reference_is_refused_with_its_owned_type() {
        let cases = [
            ("&str", "take `String` instead of `&str`"),
            ("&'static str", "take `String` instead of `&'static str`"),
            ("&mut Point", "take `Point` instead of `&mut Point`"),
            ("&[u8]", "take `Vec<u8>` instead of `&[u8]`"),
            ("&std::path::Path", "take `PathBuf` instead of `&std::path::Path`"),
            ("&dyn Display", "take an owned type instead of `&dyn Display`"),
        ];
        for (written, advice) in cases {
            let expected = format!("arguments are sent to another process: {advice}");
            assert_eq!(errors(written, Position::Argument), [(written.to_owned(), expected)]);
        }
        let [(_, message)] = &errors("Vec<&str>", Position::Reply)[..] else { panic!("one error") };
        assert_eq!(message, "replies are sent from another process: return `String` instead of `&str`");
    }

    #[test]
    fn byte_vectors_are_recognized_by_their_text() {
        let is_byte_vec = |ty| is_byte_vec(&syn::parse_str(ty).expect("a type"));
        assert!(
            ["Vec<u8>", "Vec < u8, >", "std::vec::Vec<u8>", "::std::vec::Vec<u8>"]
                .into_iter()
                .all(is_byte_vec)
        );
        assert!(
            !["Vec<i8>", "Vec<Vec<u8>>", "Option<Vec<u8>>", "[u8; 4]", "my::Vec<u8>"]
                .into_iter()
                .any(is_byte_vec)
        );
    }

    #[test]
    fn bytes_is_recognized_by_its_name() {
        let is_named_bytes = |ty| is_named_bytes(&syn::parse_str(ty).expect("a type"));
        assert!(["Bytes", "bytes::Bytes", "::bytes::Bytes"].into_iter().all(is_named_bytes));
        assert!(!["Option<Bytes>", "my::Bytes", "Bytes<u8>", "BytesMut"].into_iter().any(is_named_bytes));
    }

    #[test]
    fn other_types_that_cannot_be_sent_are_refused() {
        for (written, at) in [
            ("Wrap<'_>", "'_"),
            ("impl Fn()", "impl Fn()"),
            ("Vec<_>", "_"),
            ("Self::Item", "Self"),
            ("!", "!"),
            ("Vec<*const u8>", "*const u8"),
            ("[u8]", "[u8]"),
            ("str", "str"),
        ] {
            let found = errors(written, Position::Argument);
            assert_eq!(found.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(), [at], "{written}");
        }
        for sound in
            ["Cow<'static, str>", "Vec<(String, u8)>", "super::Point", "[u8; 4]", "Box<str>", "Arc<[u8]>"]
        {
            assert!(errors(sound, Position::Argument).is_empty(), "{sound}");
        }
    }
}
