//! Short names of types and functions, for errors.

/// Returns the last segment of a type's path, such as `DivideError`.
pub(crate) fn type_name<T: ?Sized>() -> &'static str {
    let path = std::any::type_name::<T>();
    last_segment(path.split_once('<').map_or(path, |(path, _)| path))
}

/// Returns the last segment of a function's path, such as `audit`. For a closure, the name of the
/// enclosing function is included: `main::{{closure}}`.
pub(crate) fn function_name<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let named = path.split_once("::{{closure}}").map_or(path, |(function, _)| function);
    &path[named.len() - last_segment(named).len()..]
}

fn last_segment(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_the_last_segment_of_its_path() {
        assert_eq!(type_name::<Vec<std::fmt::Error>>(), "Vec");
        assert_eq!(type_name::<std::fmt::Error>(), "Error");
    }

    #[test]
    fn a_closure_has_the_name_of_its_function() {
        fn name_of<F>(_: F) -> &'static str {
            function_name::<F>()
        }
        assert_eq!(name_of(last_segment), "last_segment");
        assert_eq!(name_of(|| {}), "a_closure_has_the_name_of_its_function::{{closure}}");
    }
}
