//! Types of the standard library and of crates.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, LinkedList};
use std::ffi::{CString, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::ops::{Bound, Range, RangeFrom, RangeTo};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, SystemTime};

use isolated_workers_codec::{Cbor, Codec, Json, Postcard};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::{Map, Number, Value, json};

use crate::{refused, same, sent};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Color {
    Red,
    #[serde(rename = "dark green")]
    Green,
}

check_with_each_codec! { collections_round_trip;
    |codec| {
        same(codec, HashMap::from([(Color::Red, vec![Color::Green]), (Color::Green, vec![])]));
        same(codec, BTreeMap::from([(NonEmpty("k".into()), BTreeMap::from([('c', 1)]))]));
        same(codec, BTreeMap::from([(i64::MIN, u64::MAX), (i64::MAX, 0)]));
        same(codec, BTreeMap::from([(u128::MAX, true)]));
        same(codec, BTreeMap::from([(Box::<str>::from("a"), ())]));
        same(codec, LinkedList::from([Some(1), None]));
        same(codec, BTreeSet::from([(1, 'a'), (1, 'b')]));
        same(codec, BTreeSet::from([vec![0_u8], vec![]]));
        let heap: BinaryHeap<u8> = sent(codec, &BinaryHeap::from([3_u8, 1, 2])).unwrap();
        assert_eq!(heap.into_sorted_vec(), [1, 2, 3]);
        same(codec, vec![BTreeMap::from([(1, 2)]), BTreeMap::new()]);
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct NonEmpty(String);

check_with_each_codec! { types_of_the_standard_library_round_trip;
    |codec| {
        same(codec, (OsString::from("os"), CString::new("c").unwrap(), PathBuf::new(), Box::<Path>::from(Path::new("/"))));
        same(codec, (IpAddr::from([0; 4]), Ipv4Addr::BROADCAST, Ipv6Addr::UNSPECIFIED));
        same(codec, SocketAddrV6::new(Ipv6Addr::LOCALHOST, u16::MAX, 0, 0));
        same(codec, (RangeFrom { start: 1 }, RangeTo { end: 2 }, Range { start: i8::MIN, end: i8::MAX }));
        same(codec, (Bound::Excluded("x".to_owned()), Bound::<()>::Unbounded));
        same(codec, (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_nanos(1)));
        same(codec, (Box::new(Some(Box::new(1))), Ok::<Option<u8>, ()>(None)));
        let counter: AtomicU64 = sent(codec, &AtomicU64::new(u64::MAX)).unwrap();
        assert_eq!(counter.load(Ordering::Relaxed), u64::MAX);
        let locked: (Mutex<u8>, RwLock<String>) = sent(codec, &(Mutex::new(1_u8), RwLock::new("w".to_owned()))).unwrap();
        assert_eq!((*locked.0.lock().unwrap(), &**locked.1.read().unwrap()), (1, "w"));
        assert_eq!(sent::<_, String>(codec, &format_args!("{}-{}", 1, 2)).unwrap(), "1-2");
        assert_eq!(sent::<_, Vec<u8>>(codec, &[1_u8, 2][..]).unwrap(), [1, 2]);
        assert_eq!(sent::<_, Box<[String]>>(codec, &["a", "b"][..]).unwrap().len(), 2);
        assert_eq!(sent::<_, u8>(codec, &&&Box::new(7_u8)).unwrap(), 7);
    }
}

check_with_each_codec! { bytes_and_texts_are_distinct_types;
    |codec| {
        same(codec, vec![ByteBuf::new(), ByteBuf::from(*b"\xff\0"), ByteBuf::from(*b"\"\n")]);
        same(codec, Some(ByteBuf::from(vec![0; 3])));
        // Bytes are no text, even if they are valid UTF-8.
        let text = sent::<_, String>(codec, &ByteBuf::from(*b"\xff\xfe"));
        assert!(text.is_err(), "{text:?}");
    }
}

/// Form of a `Duration`.
#[derive(Serialize)]
struct Seconds {
    secs: u64,
    nanos: u32,
}

check_with_each_codec! { invalid_values_of_libraries_are_refused;
    |codec| {
        refused(codec, &SystemTime::UNIX_EPOCH.checked_sub(Duration::from_nanos(1)), "later than UNIX_EPOCH");
        let overflow = sent::<_, Duration>(codec, &Seconds { secs: u64::MAX, nanos: 1_000_000_000 }).unwrap_err();
        assert!(overflow.to_string().contains("overflow deserializing Duration"), "{overflow}");
        let nul = sent::<_, CString>(codec, &ByteBuf::from(*b"a\0b")).unwrap_err();
        assert!(!nul.is_over_budget(), "{nul}");
        let cell = std::cell::RefCell::new(1_u8);
        let guard = cell.borrow_mut();
        let borrowed = sent::<_, u8>(codec, &cell).unwrap_err().to_string();
        assert!(borrowed.contains("already mutably borrowed"), "{borrowed}");
        drop(guard);
    }
}

#[cfg(unix)]
check_with_each_codec! { paths_that_are_no_text;
    |codec| {
        use std::os::unix::ffi::OsStringExt;
        let name = OsString::from_vec(vec![b'/', 0xff]);
        same(codec, name.clone());
        refused(codec, &PathBuf::from(name), "path contains invalid UTF-8 characters");
    }
}

#[test]
fn json_values_round_trip_in_formats_that_describe_themselves() {
    fn check<C: Codec>(codec: &C) {
        same(
            codec,
            json!([null, true, u64::MAX, i64::MIN, 1.5, -0.5, 1e300, "s", [], {}, {"a": {"": [{}]}}]),
        );
        same(codec, Map::from_iter([("x".to_owned(), Value::Null), (String::new(), json!(1))]));
        same(codec, (Number::from(u64::MAX), Number::from(-1), Number::from_f64(0.1)));
        same(codec, BTreeMap::from([("k".to_owned(), json!({"deep": [1, {"er": null}]}))]));
        same(codec, vec![Some(json!(1)), None]);
    }
    check(&Json);
    check(&Cbor);
    refused(&Postcard, &json!(1), "use `Json` or `Cbor`");
    refused(&Postcard, &Number::from(1), "use `Json` or `Cbor`");
}

#[test]
fn only_text_and_numbers_are_keys_in_json() {
    let pairs = || BTreeMap::from([((1_u8, 2_u8), 3)]);
    let options = || BTreeMap::from([(Some(1), 2)]);
    let bytes = || BTreeMap::from([(ByteBuf::from(*b"k"), 1)]);
    let lists = || BTreeMap::from([(vec!["a".to_owned()], 1)]);
    refused(&Json, &pairs(), "key must be a string");
    refused(&Json, &bytes(), "key must be a string");
    refused(&Json, &lists(), "key must be a string");
    same(&Json, options());
    fn check<C: Codec>(
        codec: &C,
        values: (impl Fn() -> BTreeMap<(u8, u8), i32>, impl Fn() -> BTreeMap<ByteBuf, i32>),
    ) {
        same(codec, values.0());
        same(codec, values.1());
    }
    check(&Cbor, (pairs, bytes));
    check(&Postcard, (pairs, bytes));
    same(&Cbor, (options(), lists()));
    same(&Postcard, (options(), lists()));
}
