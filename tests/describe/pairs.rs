//! Pairs of an old and a new type, each with the class of the change in a codec with names of
//! fields. What a comparison calls compatible is confirmed by decoding random values.

use std::collections::{BTreeMap, BTreeSet};

use isolated_workers::Message;
use isolated_workers::codec::{Cbor, Codec, Json, Postcard};
use isolated_workers::describe::Compatibility::{self, Additive, Breaking, OneWay, Same};
use isolated_workers::describe::{
    ArgumentInfo, Comparison, Description, Difference, MethodInfo, ServiceInfo, TypeSchema,
};
use isolated_workers::error::Never;
use isolated_workers::protocol::Schema;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::random_value::Source;

/// Random values of each type, for each codec.
const VALUES: u64 = 1000;

#[derive(Serialize, Deserialize)]
struct Call;

impl Message for Call {
    const NAME: &'static str = "call";
    type Reply = ();
    type Error = Never;
}

/// Place of a type in a method.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Position {
    Argument,
    Reply,
}

fn description<T: JsonSchema>(position: Position) -> Description {
    let unit = TypeSchema::of::<()>();
    let schema = TypeSchema::of::<T>();
    let method = match position {
        Position::Argument => {
            let arguments = vec![ArgumentInfo::new("value").schema(schema)];
            MethodInfo::of::<Call>().arguments(arguments.leak()).reply(unit)
        }
        Position::Reply => MethodInfo::of::<Call>().reply(schema),
    };
    let info = ServiceInfo::new(Schema::new("Service", 1)).methods(vec![method].leak());
    Description::of_services(&[info])
}

/// Checks that each value of `W` can be read as `R`.
fn confirm<W, R, C>(codec: &C, pair: &str)
where
    W: Serialize + DeserializeOwned,
    R: DeserializeOwned,
    C: Codec,
{
    for seed in 0..VALUES {
        let value: W = Source::new(seed).value();
        let mut bytes = bytes::BytesMut::new();
        codec.encode(&value, &mut bytes).unwrap();
        if let Err(error) = codec.decode::<R>(&bytes) {
            panic!("{pair} with {}: a value that counts as compatible is not read: {error}", C::ID);
        }
    }
}

fn check_codec<Old, New, C>(codec: &C, pair: &str, expected: Compatibility)
where
    Old: Serialize + DeserializeOwned + JsonSchema,
    New: Serialize + DeserializeOwned + JsonSchema,
    C: Codec,
{
    for position in [Position::Argument, Position::Reply] {
        let (old, new) = (description::<Old>(position), description::<New>(position));
        let found = Description::compare(&old, &new, C::ID);
        let breaks = |breaks: fn(&Difference) -> bool| found.differences.iter().any(breaks);
        // An argument is written by its host, and a reply by its worker.
        let [old_is_read, new_is_read] = {
            let works = [!breaks(|it| it.breaks_old_hosts), !breaks(|it| it.breaks_new_hosts)];
            if position == Position::Argument { works } else { [works[1], works[0]] }
        };
        if old_is_read {
            confirm::<Old, New, C>(codec, pair);
        }
        if new_is_read {
            confirm::<New, Old, C>(codec, pair);
        }
        assert_eq!(found.class(), expected, "{pair} as {position:?} with {}:\n{found}", C::ID);
        let same = Description::compare(&new, &new, C::ID);
        // The schema of an enum with and without fields does not tell the order of its variants.
        if pair != "mixed_variants" || C::ID != Postcard::ID {
            assert_eq!(same, Comparison::default(), "{pair} with {}", C::ID);
        }
    }
}

/// `expected`: with a codec with names. `positional`: with Postcard.
fn check<Old, New>(pair: &str, expected: Compatibility, positional: Compatibility)
where
    Old: Serialize + DeserializeOwned + JsonSchema,
    New: Serialize + DeserializeOwned + JsonSchema,
{
    check_codec::<Old, New, _>(&Json, pair, expected);
    check_codec::<Old, New, _>(&Cbor, pair, expected);
    check_codec::<Old, New, _>(&Postcard, pair, positional);
}

/// Pairs of existing types.
macro_rules! pairs {
    ($($test:ident: $old:ty => $new:ty, $class:ident, $positional:ident;)*) => {$(
        #[test]
        fn $test() {
            check::<$old, $new>(stringify!($test), $class, $positional);
        }
    )*};
}

/// Pairs of definitions of one type.
macro_rules! definitions {
    ($($test:ident: { $($old:tt)* } => { $($new:tt)* }, $class:ident, $positional:ident;)*) => {$(
        mod $test {
            #[allow(unused_imports)]
            use super::*;

            mod old {
                #[allow(unused_imports)]
                use super::*;

                #[derive(Serialize, Deserialize, JsonSchema)]
                $($old)*
            }

            mod new {
                #[allow(unused_imports)]
                use super::*;

                #[derive(Serialize, Deserialize, JsonSchema)]
                $($new)*
            }

            #[test]
            fn pair() {
                check::<old::T, new::T>(stringify!($test), $class, $positional);
            }
        }
    )*};
}

pairs! {
    same_number: u32 => u32, Same, Same;
    same_text: String => String, Same, Same;
    same_list: Vec<Option<i64>> => Vec<Option<i64>>, Same, Same;
    same_map: BTreeMap<String, bool> => BTreeMap<String, bool>, Same, Same;
    same_tuple: (u8, String, f64) => (u8, String, f64), Same, Same;
    same_float: f32 => f32, Same, Same;
    boxed: Box<u32> => u32, Same, Same;
    wider_unsigned: u8 => u32, OneWay, Breaking;
    wider_signed: i16 => i64, OneWay, Breaking;
    narrower: u64 => u16, OneWay, Breaking;
    unsigned_to_larger_signed: u32 => i64, OneWay, Breaking;
    unsigned_to_signed: u32 => i32, Breaking, Breaking;
    number_to_text: u32 => String, Breaking, Breaking;
    number_to_float: u32 => f64, Breaking, Breaking;
    float_to_double: f32 => f64, Breaking, Breaking;
    boolean_to_number: bool => u8, Breaking, Breaking;
    text_to_character: String => char, Breaking, Breaking;
    optional_number: u32 => Option<u32>, OneWay, Breaking;
    required_text: Option<String> => String, OneWay, Breaking;
    optional_wider: u16 => Option<u32>, OneWay, Breaking;
    list_of_wider: Vec<u16> => Vec<u32>, OneWay, Breaking;
    list_of_optional: Vec<String> => Vec<Option<String>>, OneWay, Breaking;
    list_to_set: Vec<u32> => BTreeSet<u32>, Breaking, Breaking;
    list_to_item: Vec<u32> => u32, Breaking, Breaking;
    bytes_to_numbers: Vec<u8> => Vec<u16>, Breaking, Breaking;
    map_of_wider: BTreeMap<String, u8> => BTreeMap<String, u32>, OneWay, Breaking;
    map_to_list: BTreeMap<String, u8> => Vec<(String, u8)>, Breaking, Breaking;
    tuple_of_wider: (u8, u8) => (u8, u16), OneWay, Breaking;
    longer_tuple: (u8, u8) => (u8, u8, u8), Breaking, Breaking;
    swapped_tuple: (u8, String) => (String, u8), Breaking, Breaking;
    tuple_to_array: (u8, u8) => [u8; 2], Breaking, Breaking;
    longer_array: [u32; 2] => [u32; 3], Breaking, Breaking;
    unit_to_number: () => u32, Breaking, Breaking;
    nested_wider: BTreeMap<String, Vec<Option<u16>>> => BTreeMap<String, Vec<Option<u32>>>, OneWay, Breaking;
}

definitions! {
    same_struct: { pub(crate) struct T { pub a: u32, pub b: String } } => { pub(crate) struct T { pub a: u32, pub b: String } },
        Same, Same;
    same_options: { pub(crate) struct T { pub a: Option<u32>, #[serde(default)] pub b: u8, pub c: Option<Box<T>> } } => {
        pub(crate) struct T { pub a: Option<u32>, #[serde(default)] pub b: u8, pub c: Option<Box<T>> }
    }, Same, Same;
    documented: { pub(crate) struct T { pub a: u32 } } => {
        /// Documented.
        pub(crate) struct T {
            /// A field.
            pub a: u32
        }
    }, Same, Same;
    added_optional: { pub(crate) struct T { pub a: u32 } } => { pub(crate) struct T { pub a: u32, pub b: Option<String> } },
        Additive, Breaking;
    added_default: { pub(crate) struct T { pub a: u32 } } => { pub(crate) struct T { pub a: u32, #[serde(default)] pub b: u64 } },
        Additive, Breaking;
    added_required: { pub(crate) struct T { pub a: u32 } } => { pub(crate) struct T { pub a: u32, pub b: String } },
        OneWay, Breaking;
    removed_required: { pub(crate) struct T { pub a: u32, pub b: String } } => { pub(crate) struct T { pub a: u32 } },
        OneWay, Breaking;
    removed_optional: { pub(crate) struct T { pub a: u32, pub b: Option<u8> } } => { pub(crate) struct T { pub a: u32 } },
        Additive, Breaking;
    renamed: { pub(crate) struct T { pub a: u32 } } => { pub(crate) struct T { pub b: u32 } }, Breaking, Breaking;
    renamed_by_serde: { pub(crate) struct T { pub a: u32 } } => { pub(crate) struct T { #[serde(rename = "a")] pub b: u32 } },
        Same, Same;
    reordered: { pub(crate) struct T { pub a: u32, pub b: String } } => { pub(crate) struct T { pub b: String, pub a: u32 } },
        Same, Breaking;
    wider_field: { pub(crate) struct T { pub a: u32 } } => { pub(crate) struct T { pub a: u64 } }, OneWay, Breaking;
    field_of_another_type: { pub(crate) struct T { pub a: u32 } } => { pub(crate) struct T { pub a: Vec<u32> } },
        Breaking, Breaking;
    closed: { #[serde(deny_unknown_fields)] pub(crate) struct T { pub a: u32 } } => {
        #[serde(deny_unknown_fields)]
        pub(crate) struct T { pub a: u32, pub b: Option<u8> }
    }, OneWay, Breaking;
    field_now_optional: { pub(crate) struct T { pub a: u32 } } => { pub(crate) struct T { pub a: Option<u32> } },
        OneWay, Breaking;
    recursive_added: { pub(crate) struct T { pub next: Option<Box<T>> } } => {
        pub(crate) struct T { pub next: Option<Box<T>>, #[serde(default)] pub name: String }
    }, Additive, Breaking;
    newtype: { pub(crate) struct T(pub u32); } => { #[serde(transparent)] pub(crate) struct T { pub a: u32 } }, Same, Same;
    same_enum: { pub(crate) enum T { A, B } } => { pub(crate) enum T { A, B } }, Same, Same;
    added_variant: { pub(crate) enum T { A, B } } => { pub(crate) enum T { A, B, C } }, OneWay, Breaking;
    removed_variant: { pub(crate) enum T { A, B, C } } => { pub(crate) enum T { A, B } }, OneWay, Breaking;
    reordered_variants: { pub(crate) enum T { A, B } } => { pub(crate) enum T { B, A } }, Same, Breaking;
    renamed_variant: { pub(crate) enum T { A, B } } => { pub(crate) enum T { A, C } }, Breaking, Breaking;
    variant_with_content: { pub(crate) enum T { A(u8), B { x: u8 } } } => { pub(crate) enum T { A(u16), B { x: u8 } } },
        OneWay, Breaking;
    variant_with_field: { pub(crate) enum T { A { x: u8 }, B(u8) } } => { pub(crate) enum T { A { x: u8, y: Option<u8> }, B(u8) } },
        Additive, Breaking;
    variant_lost_content: { pub(crate) enum T { A(u8), B(u8) } } => { pub(crate) enum T { A, B } }, Breaking, Breaking;
    mixed_variants: { pub(crate) enum T { A, B(u8), C } } => { pub(crate) enum T { A, C, B(u8) } }, Same, Breaking;
    number_to_struct: { pub(crate) struct T(pub u32); } => { pub(crate) struct T { pub a: u32 } }, Breaking, Breaking;
    flattened: { pub(crate) struct T { pub a: u32 } } => { pub(crate) struct T { pub a: u32, pub b: BTreeMap<String, u8> } },
        OneWay, Breaking;
}
