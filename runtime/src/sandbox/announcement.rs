//! The protections that a worker announces in the handshake: `1`, the version, and their names,
//! each after a space.

use super::protection::{Protection, ProtectionSet};

const VERSION: &str = "1";

#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(super) fn write(protections: ProtectionSet) -> String {
    let mut text = VERSION.to_owned();
    for protection in protections.iter() {
        text.push(' ');
        text.push_str(protection.name());
    }
    text
}

/// Reads an announcement. Unknown names, and those of another version, count as none.
pub(super) fn read(text: &str) -> ProtectionSet {
    let mut words = text.split(' ');
    match words.next() {
        Some(VERSION) => ProtectionSet::of(&words.filter_map(Protection::from_name).collect::<Vec<_>>()),
        _ => ProtectionSet::EMPTY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_read_as_it_was_written() {
        let set = ProtectionSet::of(&[Protection::Tcp, Protection::NewCode]);
        assert_eq!(write(set), "1 new-code tcp");
        assert_eq!(read(&write(set)), set);
        assert_eq!(read("1 tcp new-code something-newer"), set);
        assert_eq!(read(&write(ProtectionSet::of(Protection::ALL))), ProtectionSet::of(Protection::ALL));
        assert!(write(ProtectionSet::of(Protection::ALL)).len() < 1024);
    }

    #[test]
    fn another_version_announces_nothing() {
        for text in ["", "2 tcp", "tcp", "1tcp"] {
            assert_eq!(read(text), ProtectionSet::EMPTY, "{text}");
        }
    }
}
