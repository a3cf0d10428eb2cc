//! Which types can cross to another process, as far as their tokens tell.

use syn::visit_mut::{self, VisitMut};
use syn::{Lifetime, Path, Type, TypeImplTrait, TypeInfer, TypeNever, TypeReference};

use crate::errors::Errors;
use crate::text;

/// Where a type stands, for the wording of advice.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Argument,
    Reply,
}

/// Adds an error for each part of `ty` that cannot be sent.
///
/// The compiler would refuse these too, but with an error about generated code.
pub(crate) fn check(ty: &Type, place: Place, errors: &mut Errors) {
    // A visitor of `&mut`, because that is the one visitor that this crate needs anyway.
    Check { place, errors }.visit_type_mut(&mut ty.clone());
}

/// Whether `ty` is a `Vec<u8>`, however it was written.
pub(crate) fn is_bytes(ty: &Type) -> bool {
    matches!(
        text::of_type(ty).trim_start_matches("::"),
        "Vec<u8>" | "std::vec::Vec<u8>" | "alloc::vec::Vec<u8>"
    )
}

/// Whether `ty` is written as `Bytes` of the crate `bytes` is, as a rule. It may be another of that name.
pub(crate) fn may_be_shared(ty: &Type) -> bool {
    matches!(text::of_type(ty).trim_start_matches("::"), "Bytes" | "bytes::Bytes")
}

struct Check<'a> {
    place: Place,
    errors: &'a mut Errors,
}

impl Check<'_> {
    fn owned_instead(&mut self, node: impl quote::ToTokens, owned: &str, written: &str) {
        let advice = match self.place {
            Place::Argument => "arguments travel to another process: take",
            Place::Reply => "replies travel from another process: return",
        };
        self.errors.at(node, format!("{advice} {owned} instead of `{written}`"));
    }
}

impl VisitMut for Check<'_> {
    fn visit_type_reference_mut(&mut self, node: &mut TypeReference) {
        let owned = owned(&node.elem).map_or("an owned type".to_owned(), |owned| format!("`{owned}`"));
        let written = text::of_type(&Type::Reference(node.clone()));
        self.owned_instead(node, &owned, &written);
    }

    fn visit_lifetime_mut(&mut self, node: &mut Lifetime) {
        // `Cow<'static, str>` can be sent: what arrives is owned.
        if node.ident != "static" {
            let written = node.to_string();
            self.owned_instead(node, "a type that owns its data", &written);
        }
    }

    fn visit_type_impl_trait_mut(&mut self, node: &mut TypeImplTrait) {
        self.errors.at(node, "a message has one concrete type: name it instead of `impl Trait`");
    }

    fn visit_type_infer_mut(&mut self, node: &mut TypeInfer) {
        self.errors.at(node, "a message has one concrete type: name it instead of `_`");
    }

    fn visit_type_never_mut(&mut self, node: &mut TypeNever) {
        self.errors.at(node, "no value of `!` exists that could travel: leave the type out");
    }

    fn visit_path_mut(&mut self, node: &mut Path) {
        if let Some(first) = node.segments.first()
            && first.ident == "Self"
        {
            let problem = "`Self` is the worker's own type, which the caller does not know";
            self.errors.at(&first.ident, format!("{problem}: name a type that both know"));
        }
        visit_mut::visit_path_mut(self, node);
    }
}

/// The owned counterpart of what a reference points to.
fn owned(borrowed: &Type) -> Option<String> {
    match borrowed {
        Type::Slice(slice) => Some(format!("Vec<{}>", text::of_type(&slice.elem))),
        Type::Path(path) => {
            let name = path.path.segments.last()?.ident.to_string();
            Some(match name.as_str() {
                "str" => "String".to_owned(),
                "Path" => "PathBuf".to_owned(),
                "CStr" => "CString".to_owned(),
                "OsStr" => "OsString".to_owned(),
                _ => text::of_type(borrowed),
            })
        }
        Type::Array(_) | Type::Tuple(_) => Some(text::of_type(borrowed)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::listed;

    fn errors(ty: &str, place: Place) -> Vec<(String, String)> {
        let mut errors = Errors::default();
        check(&syn::parse_str(ty).expect("a type"), place, &mut errors);
        errors.finish(()).err().map(listed).unwrap_or_default()
    }

    #[test]
    fn references_become_owned() {
        let cases = [
            ("&str", "take `String` instead of `&str`"),
            ("&'static str", "take `String` instead of `&'static str`"),
            ("&mut Point", "take `Point` instead of `&mut Point`"),
            ("&[u8]", "take `Vec<u8>` instead of `&[u8]`"),
            ("&std::path::Path", "take `PathBuf` instead of `&std::path::Path`"),
            ("&dyn Display", "take an owned type instead of `&dyn Display`"),
        ];
        for (written, advice) in cases {
            let expected = format!("arguments travel to another process: {advice}");
            assert_eq!(errors(written, Place::Argument), [(written.to_owned(), expected)]);
        }
        let [(_, message)] = &errors("Vec<&str>", Place::Reply)[..] else { panic!("one error") };
        assert_eq!(message, "replies travel from another process: return `String` instead of `&str`");
    }

    #[test]
    fn bytes_are_told_from_other_vectors() {
        let is_bytes = |ty| is_bytes(&syn::parse_str(ty).expect("a type"));
        assert!(
            ["Vec<u8>", "Vec < u8, >", "std::vec::Vec<u8>", "::std::vec::Vec<u8>"].into_iter().all(is_bytes)
        );
        assert!(
            !["Vec<i8>", "Vec<Vec<u8>>", "Option<Vec<u8>>", "[u8; 4]", "my::Vec<u8>"]
                .into_iter()
                .any(is_bytes)
        );
    }

    #[test]
    fn what_may_be_shared_is_told_by_its_name() {
        let may_be_shared = |ty| may_be_shared(&syn::parse_str(ty).expect("a type"));
        assert!(["Bytes", "bytes::Bytes", "::bytes::Bytes"].into_iter().all(may_be_shared));
        assert!(!["Option<Bytes>", "my::Bytes", "Bytes<u8>", "BytesMut"].into_iter().any(may_be_shared));
    }

    #[test]
    fn the_rest() {
        for (written, at) in [
            ("Wrap<'_>", "'_"),
            ("impl Fn()", "impl Fn()"),
            ("Vec<_>", "_"),
            ("Self::Item", "Self"),
            ("!", "!"),
        ] {
            let found = errors(written, Place::Argument);
            assert_eq!(found.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(), [at], "{written}");
        }
        for sound in ["Cow<'static, str>", "Vec<(String, u8)>", "super::Point", "[u8; 4]"] {
            assert!(errors(sound, Place::Argument).is_empty(), "{sound}");
        }
    }
}
