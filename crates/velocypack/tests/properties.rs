//! Properties of the value format that must hold for all values: what goes in comes out, reading is
//! safe, and order, sort keys, hash and equality agree with one another.

use proptest::prelude::*;
use std::cmp::Ordering;
use velocypack::{Builder, Slice, Value, hash, merge, order};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,12}", "[a-cA-C]{0,4}", "[a-zäöüÄßéÉ\u{301}\u{0}\u{1}\u{b7}lL .-]{0,6}", any::<String>(), "[a-z]{120,140}",]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::int),
        any::<u64>().prop_map(Value::uint),
        (-12_i64..12).prop_map(Value::int),
        (-4_i64..4).prop_map(|number| Value::double(number as f64)),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::double),
        (-3_i64..3).prop_map(|step| Value::int((1 << 53) + step)),
        (0_u64..3).prop_map(|step| Value::uint((1 << 63) + step)),
        Just(Value::double(9_223_372_036_854_775_808.0)),
        Just(Value::double(9_007_199_254_740_992.0)),
        Just(Value::double(-0.0)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![Just(Value::null()), any::<bool>().prop_map(Value::bool), number(), text().prop_map(|text| Value::string(&text))];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::array),
            prop::collection::vec((prop_oneof!["[a-d]", text()], inner), 0..6).prop_map(Value::object),
        ]
    })
}

fn key(value: &Value) -> Vec<u8> {
    let mut key = Vec::new();
    order::write_sort_key(value.as_slice(), &mut key);
    key
}

/// Reads everything there is to read.
fn walk(slice: Slice<'_>) -> usize {
    let mut found = 1;
    let mut members = 0;
    for (position, member) in slice.elements().enumerate() {
        assert_eq!(slice.at(position).map(Slice::bytes), Some(member.bytes()));
        found += walk(member);
        members += 1;
    }
    for (name, value) in slice.entries() {
        assert_eq!(slice.get(name).map(Slice::bytes), Some(value.bytes()), "{name}");
        found += walk(value);
        members += 1;
    }
    assert_eq!(members, slice.len());
    if slice.is_string() {
        assert!(slice.as_str().is_some());
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_comes_back(value in value()) {
        let json = value.to_json();
        let again = Value::parse_json(json.as_bytes()).unwrap();
        prop_assert_eq!(&again, &value);
        prop_assert_eq!(again.to_json(), json.clone());
        // `serde_json` may round the last digit of a double it parses, so only its trees are compared.
        prop_assert_eq!(&Value::from_serde(&value.to_serde()), &value);
        prop_assert_eq!(&serde_json::from_value::<Value>(value.to_serde()).unwrap(), &value);
    }

    #[test]
    fn written_values_are_well_formed(value in value()) {
        let again = Value::from_bytes(value.as_bytes()).unwrap();
        prop_assert_eq!(again.as_bytes(), value.as_bytes());
        walk(value.as_slice());
    }

    #[test]
    fn bytes_from_outside_are_refused_or_fully_readable(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = Value::from_bytes(&bytes) {
            walk(value.as_slice());
            let _ = value.to_json();
        }
        // Reading without the check must be safe, too.
        let slice = Slice::new(&bytes);
        let _ = (slice.to_json(), slice.len(), slice.at(3).is_some(), slice.get("a").is_some());
        let _ = (slice.nests_deeper_than(5), hash(slice, 0), order::compare(slice, slice), slice.as_str(), slice.as_i64());
        order::write_sort_key(slice, &mut Vec::new());
    }

    #[test]
    fn damaged_values_are_refused_or_fully_readable(value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = value.as_bytes().to_vec();
        let position = at.index(bytes.len());
        bytes[position] = byte;
        if let Ok(value) = Value::from_bytes(&bytes) {
            walk(value.as_slice());
        }
        let _ = Slice::new(&bytes).to_json();
    }

    #[test]
    fn text_that_is_not_json_does_not_panic(text in "[\\[\\]{}\",:0-9a-e\\\\ .-]{0,40}") {
        if let Ok(value) = Value::parse_json(text.as_bytes()) {
            walk(value.as_slice());
        }
    }

    #[test]
    fn order_is_total_and_agrees_with_keys_and_hashes(a in value(), b in value(), c in value()) {
        let (x, y, z) = (a.as_slice(), b.as_slice(), c.as_slice());
        let ordering = order::compare(x, y);
        prop_assert_eq!(ordering, order::compare(y, x).reverse());
        prop_assert_eq!(ordering, key(&a).cmp(&key(&b)), "{:?} {:?}", a, b);
        prop_assert_eq!(ordering == Ordering::Equal, order::equal(x, y));
        if ordering != Ordering::Greater && order::compare(y, z) != Ordering::Greater {
            prop_assert_ne!(order::compare(x, z), Ordering::Greater);
        }
        if ordering == Ordering::Equal {
            prop_assert_eq!(hash(x, 7), hash(y, 7));
        }
        prop_assert!(order::equal(x, x));
    }

    #[test]
    fn similar_values_agree_too(numbers in prop::collection::vec(number(), 0..3), nulls in 0_usize..3) {
        let short = Value::array(numbers.clone());
        let long = Value::array(numbers.iter().map(|number| Value::double(number.as_slice().as_f64().unwrap())).chain(std::iter::repeat_n(Value::null(), nulls)));
        prop_assert_eq!(order::compare(short.as_slice(), long.as_slice()), key(&short).cmp(&key(&long)));
        if order::equal(short.as_slice(), long.as_slice()) {
            prop_assert_eq!(hash(short.as_slice(), 1), hash(long.as_slice(), 1));
        }
    }

    #[test]
    fn strings_order_like_their_keys(a in text(), b in text()) {
        let ordering = order::compare_strings(&a, &b);
        prop_assert_eq!(ordering, key(&Value::string(&a)).cmp(&key(&Value::string(&b))), "{:?} {:?}", a, b);
    }

    #[test]
    fn keys_can_be_concatenated(a in value(), b in value(), c in value(), d in value()) {
        let left = [key(&a), key(&c)].concat();
        let right = [key(&b), key(&d)].concat();
        let wanted = order::compare(a.as_slice(), b.as_slice()).then(order::compare(c.as_slice(), d.as_slice()));
        prop_assert_eq!(left.cmp(&right), wanted);
    }

    #[test]
    fn merge_takes_the_patch_and_keeps_the_rest(base in value(), patch in value()) {
        let merged = merge(base.as_slice(), patch.as_slice(), false, true);
        walk(merged.as_slice());
        if base.as_slice().is_object() && patch.as_slice().is_object() {
            for (name, value) in merged.as_slice().entries() {
                let source = patch.as_slice().get(name).or(base.as_slice().get(name)).unwrap();
                prop_assert_eq!(source.bytes(), value.bytes());
            }
            for (name, _) in base.as_slice().entries().chain(patch.as_slice().entries()) {
                prop_assert!(merged.as_slice().get(name).is_some());
            }
        } else {
            prop_assert_eq!(merged, patch);
        }
    }

    #[test]
    fn containers_of_every_size(count in 0_usize..600, length in 0_usize..200) {
        let mut builder = Builder::new();
        builder.open_object();
        for position in 0..count {
            builder.key(&format!("n{position}"));
            if position % 3 == 0 { builder.string(&"x".repeat(length)) } else { builder.uint(position as u64) };
        }
        builder.close();
        let object = builder.finish().unwrap();
        let array = Value::array(object.as_slice().entries().map(|(_, value)| value.to_value()));
        for value in [&object, &array] {
            prop_assert!(Value::from_bytes(value.as_bytes()).is_ok());
            prop_assert_eq!(walk(value.as_slice()), count + 1);
        }
    }
}
