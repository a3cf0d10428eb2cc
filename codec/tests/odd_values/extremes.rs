//! Numbers, texts and lengths at the ends of their ranges.

use std::collections::BTreeMap;
use std::num::{NonZeroI8, NonZeroU64, NonZeroUsize, Saturating};

use isolated_workers_codec::{Codec, Json, Postcard};
use serde::{Deserialize, Serialize};

use crate::{refused, same, sent};

/// Float that is compared by its bits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Bits(f64);

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

check_with_each_codec! { numbers_round_trip;
    |codec| {
        // Ends of the encodings of integers: varints, and the lengths of CBOR.
        for shift in 0..64 {
            let power = 1_u64 << shift;
            same(codec, [power - 1, power, power + 1, u64::MAX - power]);
            same(codec, [power, power - 1].map(|bits| bits.cast_signed().wrapping_neg()));
        }
        for shift in 60..128 {
            let power = 1_u128 << shift;
            same(codec, [power - 1, power, power.wrapping_neg()]);
            same(codec, [power, power - 1].map(|bits| bits.cast_signed().wrapping_neg()));
        }
        same(codec, [23, 24, 255, 256, 65_535, 65_536, -24, -25, -256, -257, -65_536, -65_537]);
        same(codec, (NonZeroI8::MIN, NonZeroU64::MAX, NonZeroUsize::MIN, Saturating(i32::MIN)));
        same(codec, vec![u128::from(u64::MAX), u128::from(u64::MAX) + 1]);
        same(codec, vec![i128::from(i64::MIN), i128::from(i64::MIN) - 1]);
    }
}

check_with_each_codec! { floats_keep_their_bits;
    |codec| {
        let largest_integer = 9_007_199_254_740_993_u64 as f64;
        same(codec, vec![Bits(-0.0), Bits(0.0), Bits(largest_integer), Bits(-largest_integer)]);
        same(codec, vec![Bits(f64::from_bits(1)), Bits(f64::MAX), Bits(f64::MIN), Bits(f64::MIN_POSITIVE)]);
        // Halves of CBOR: its largest, its smallest, and the neighbors that need more bits.
        same(codec, [65_504.0, 65_505.0, 65_536.0, 5.960_464_477_539_063e-8, 2.980_232_238_769_531_2e-8].map(Bits));
        same(codec, [f64::from(f32::MAX), f64::from(f32::MAX) * 1.000_000_1, f64::from(0.1_f32), 0.1].map(Bits));
        same(codec, [1e21, 1e22, 1e23, 123_456_789_012_345_680.0, 2.225_073_858_507_201e-308].map(Bits));
        // Integers and floats are different types.
        same(codec, (1.0_f32, 1.0_f64, 1_u8));
    }
}

check_with_each_codec! { wrong_numbers_are_refused;
    |codec| {
        for number in [0_u64, 300, u64::MAX] {
            assert!(sent::<_, NonZeroI8>(codec, &number).is_err());
        }
        let zero = sent::<_, NonZeroU64>(codec, &0_u64).unwrap_err().to_string();
        assert!(zero.contains("nonzero"), "{zero}");
        assert!(sent::<_, char>(codec, "").is_err());
        assert!(sent::<_, bool>(codec, &2_u8).is_err());
    }
}

check_with_each_codec! { texts_round_trip;
    |codec| {
        let controls: String = ('\0'..='\u{9f}').collect();
        same(codec, controls.clone());
        same(codec, BTreeMap::from([(controls, "key".to_owned())]));
        for text in [
            "\u{2028}\u{2029}\u{85}",
            "\u{feff}mark",
            "\\u0000\\ud800 \\n",
            "{\"json\":[1,null]}\n",
            "\u{d7ff}\u{e000}\u{fffe}\u{ffff}\u{10ffff}",
            "null",
            "\r\n\r\n",
            "</script>\u{7f}",
        ] {
            same(codec, (text.to_owned(), Some(text.to_owned()), vec![text.to_owned()]));
            same(codec, BTreeMap::from([(text.to_owned(), ())]));
        }
    }
}

check_with_each_codec! { lengths_round_trip;
    |codec| {
        for length in [0, 1, 23, 24, 127, 128, 255, 256, 16_383, 16_384, 65_535, 65_536] {
            same(codec, "t".repeat(length));
            same(codec, vec![1_u8; length]);
            same(codec, serde_bytes::ByteBuf::from(vec![0xff; length]));
        }
        same(codec, vec![(); 65_536]);
        same(codec, (0..65_536).map(|key| (key, key)).collect::<BTreeMap<u32, u32>>());
        same(codec, vec![String::new(); 65_536]);
    }
}

#[test]
fn escapes_of_half_a_character_are_refused_in_json() {
    for json in [r#""\ud800""#, r#""\udc00\ud800""#, r#""\ud800a""#, r#""\u12""#, "\"\n\"", "\"\0\""] {
        assert!(Json.decode::<String>(json.as_bytes()).is_err(), "{json}");
    }
    assert_eq!(Json.decode::<String>(br#""\ud83d\ude00""#).unwrap(), "\u{1f600}");
}

#[test]
fn numbers_in_other_forms_are_refused_or_exact_in_json() {
    for json in ["1.0", "1e2", "-0.0", "-1", "256", "01", "+1", ".5", "1.", "0x1", "NaN", "1_0", "\"1\""] {
        assert!(Json.decode::<u8>(json.as_bytes()).is_err(), "{json}");
    }
    assert_eq!(Json.decode::<f64>(b"18446744073709551616").unwrap(), 18_446_744_073_709_551_616.0);
    assert_eq!(Json.decode::<f64>(b"1").unwrap(), 1.0);
    assert!(Json.decode::<f64>(b"1e400").is_err());
    assert_eq!(Json.decode::<f64>(b"1e-400").unwrap(), 0.0);
    assert!(Json.decode::<u64>(b"18446744073709551616").is_err());
    assert!(Json.decode::<u128>(b"340282366920938463463374607431768211456").is_err());
}

#[test]
fn invalid_bytes_are_refused_in_postcard() {
    assert!(Postcard.decode::<u16>(&[0xff, 0xff, 0x04]).is_err());
    assert!(Postcard.decode::<u64>(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).is_err());
    assert!(Postcard.decode::<bool>(&[2]).is_err());
    assert!(Postcard.decode::<Option<u8>>(&[2, 0]).is_err());
    assert!(Postcard.decode::<String>(&[1, 0xff]).is_err());
    // A surrogate.
    assert!(Postcard.decode::<char>(&[3, 0xed, 0xa0, 0x80]).is_err());
}

#[test]
fn infinities_are_refused_in_json() {
    for float in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        refused(&Json, &Bits(float), "null");
        refused(&Json, &vec![Some(1.0), Some(2.0)].into_iter().map(|_| float).collect::<Vec<_>>(), "null");
    }
}
