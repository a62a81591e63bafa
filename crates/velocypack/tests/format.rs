//! Bytes of other writers, JSON texts and the order of values, case by case.

use std::cmp::Ordering;
use velocypack::{BuildError, Builder, Kind, Value, merge, order};

fn json(text: &str) -> Value {
    Value::parse_json(text.as_bytes()).unwrap()
}

#[test]
fn bytes_are_those_of_other_writers() {
    for (text, bytes) in [
        ("null", &[0x18][..]),
        ("7", &[0x37]),
        ("-6", &[0x3a]),
        ("-1", &[0x3f]),
        ("-7", &[0x20, 0xf9]),
        ("16", &[0x28, 0x10]),
        ("256", &[0x29, 0, 1]),
        ("[]", &[0x01]),
        ("{}", &[0x0a]),
        ("\"foo\"", &[0x43, b'f', b'o', b'o']),
        ("[1,2,3]", &[0x02, 0x05, 0x31, 0x32, 0x33]),
        ("[1,16]", &[0x06, 0x08, 0x02, 0x31, 0x28, 0x10, 0x03, 0x04]),
        ("{\"b\":1,\"a\":2}", &[0x0b, 0x0b, 0x02, 0x41, b'b', 0x31, 0x41, b'a', 0x32, 0x06, 0x03]),
    ] {
        assert_eq!(json(text).as_bytes(), bytes, "{text}");
        assert_eq!(json(text).to_json(), text);
    }
}

#[test]
fn other_forms_are_read() {
    for (bytes, text) in [
        (&[0x13, 0x06, 0x31, 0x28, 0x10, 0x02][..], "[1,16]"),
        (&[0x14, 0x06, 0x41, b'a', 0x31, 0x01], "{\"a\":1}"),
        (&[0x02, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0x31, 0x32, 0x33], "[1,2,3]"),
        (&[0x0f, 0x0b, 0x02, 0x41, b'b', 0x31, 0x41, b'a', 0x32, 0x03, 0x06], "{\"b\":1,\"a\":2}"),
        (&[0x0b, 0x06, 0x01, 0x31, 0x37, 0x03], "{\"_key\":7}"),
        (&[0x1c, 1, 0, 0, 0, 0, 0, 0, 0], "1"),
        (&[0xc0, 0x02, 0x0a, 0xff], "\"0AFF\""),
        (&[0xbf, 1, 0, 0, 0, 0, 0, 0, 0, b'x'], "\"x\""),
    ] {
        let value = Value::from_bytes(bytes).unwrap();
        assert_eq!(value.to_json(), text);
        for (name, member) in value.as_slice().entries() {
            assert_eq!(value.as_slice().get(name).unwrap().bytes(), member.bytes());
        }
    }
}

#[test]
fn bad_bytes_are_refused() {
    for bytes in [
        &[][..],
        &[0x00],
        &[0x17],
        &[0x1d, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xf0, 0],
        &[0x18, 0x18],
        &[0x42, b'a'],
        &[0x42, 0xc3, 0x28],
        &[0x02, 0x05, 0x31, 0x32, 0x28],
        &[0x06, 0x08, 0x02, 0x31, 0x28, 0x10, 0x03, 0x05],
        &[0x0b, 0x0b, 0x02, 0x41, b'b', 0x31, 0x41, b'a', 0x32, 0x03, 0x06],
        &[0x14, 0x09, 0x41, b'a', 0x31, 0x41, b'a', 0x31, 0x02],
        &[0x13, 0x03, 0x00],
        &[0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert!(Value::from_bytes(bytes).is_err(), "{bytes:x?}");
    }
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deepest = json(&nested(200));
    assert!(Value::from_bytes(deepest.as_bytes()).is_ok());
    assert!(Value::parse_json(nested(201).as_bytes()).is_err());
    assert!(Value::from_bytes(Value::array([deepest.clone()]).as_bytes()).is_err());
    assert!(deepest.as_slice().nests_deeper_than(199) && !deepest.as_slice().nests_deeper_than(200));
    // Built inside the server: deeper than any stack would bear.
    let deep = (0..100_000).fold(Value::null(), |value, round| if round % 100 == 0 { Value::array([value]) } else { value });
    assert!(deep.to_json().starts_with("[[[["));
    assert_eq!(order::compare(deep.as_slice(), deep.as_slice()), Ordering::Equal);
}

#[test]
fn json_texts() {
    for (text, wanted) in [
        (" { \"a\" : [ 1 , 2.5 , -3e2 ] } ", "{\"a\":[1,2.5,-300]}"),
        ("\"\\u00e4\\ud83d\\ude00\\n\\/\"", "\"ä😀\\n/\""),
        ("\"\\u0001\\b\\f\\t\\r\\\"\\\\\"", "\"\\u0001\\b\\f\\t\\r\\\"\\\\\""),
        ("{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "18446744073709552000"),
        ("1.0", "1"),
        ("-0", "0"),
        ("\"\u{7f}\u{2028}\"", "\"\u{7f}\u{2028}\""),
    ] {
        assert_eq!(json(text).to_json(), wanted);
    }
    assert_eq!(json("1.0").as_slice().kind(), Kind::Double);
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e999",
        "tru",
        "nul",
        "\"",
        "\"\n\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\ude00\"",
        "\"\\ud800\\u0041\"",
        "1 2",
        "[1",
        "]",
        "+1",
        "{\"a\"}",
        "\"\\u12\"",
        "'a'",
    ] {
        assert!(Value::parse_json(text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(Value::parse_json(b"\"\xff\"").unwrap_err().position, 1);
    assert_eq!(Value::parse_json(b"[1,}").unwrap_err().position, 3);
}

#[test]
fn builder_reports_misuse() {
    let mut builder = Builder::new();
    assert_eq!(builder.finish().unwrap_err(), BuildError::Incomplete);
    assert_eq!(builder.open_object().null().finish().unwrap_err(), BuildError::Misplaced);
    assert_eq!(builder.open_object().key("a").close().finish().unwrap_err(), BuildError::Misplaced);
    assert_eq!(builder.key("a").finish().unwrap_err(), BuildError::Misplaced);
    assert_eq!(builder.null().null().finish().unwrap_err(), BuildError::Several);
    assert_eq!(builder.close().finish().unwrap_err(), BuildError::Misplaced);
    assert_eq!(builder.open_array().finish().unwrap_err(), BuildError::Incomplete);
    for _ in 0..10_000 {
        builder.open_array();
    }
    assert_eq!(builder.finish().unwrap_err(), BuildError::TooDeep);
    assert_eq!(builder.open_array().int(1).close().finish().unwrap(), json("[1]"));
}

#[test]
fn values_are_ordered_by_type_then_by_value() {
    let ascending = [
        "null",
        "false",
        "true",
        "-1e300",
        "-9223372036854775808",
        "-3",
        "-2.5",
        "0",
        "9007199254740992.0",
        "9007199254740993",
        "18446744073709551615",
        "1e300",
        "\"\"",
        "\" \"",
        "\"_\"",
        "\"-\"",
        "\",\"",
        "\"1\"",
        "\"A\"",
        "\"a\"",
        "\"ä\"",
        "\"Ab\"",
        "\"ab\"",
        "\"b\"",
        "\"ß\"",
        "\"z\"",
        "[]",
        "[0]",
        "[1,\"a\"]",
        "[\"a\"]",
        "[\"a\",0]",
        "{\"b\":1}",
        "{\"b\":2}",
        "{\"a\":0}",
        "{\"a\":0,\"b\":null,\"c\":1}",
        "{\"a\":0,\"b\":1}",
    ];
    let values: Vec<Value> = ascending.iter().map(|text| json(text)).collect();
    for (i, a) in values.iter().enumerate() {
        for (j, b) in values.iter().enumerate() {
            assert_eq!(order::compare(a.as_slice(), b.as_slice()), i.cmp(&j), "{a} {b}");
        }
    }
}

#[test]
fn missing_counts_as_null() {
    for (a, b) in
        [("[]", "[null]"), ("[1]", "[1.0,null,null]"), ("{}", "{\"a\":null}"), ("{\"a\":[]}", "{\"b\":null,\"a\":[null]}"), ("0", "-0.0")]
    {
        let (a, b) = (json(a), json(b));
        assert!(order::equal(a.as_slice(), b.as_slice()), "{a} {b}");
        assert_eq!(velocypack::hash(a.as_slice(), 3), velocypack::hash(b.as_slice(), 3));
    }
    assert_ne!(json("{}"), json("{\"a\":null}"));
    assert_ne!(json("[]"), json("[null]"));
    assert_eq!(json("{\"a\":1,\"b\":[2.0]}"), json("{\"b\":[2],\"a\":1}"));
}

#[test]
fn updates_merge() {
    let merged = |base: &str, patch: &str, merge_objects, keep_null| {
        merge(json(base).as_slice(), json(patch).as_slice(), merge_objects, keep_null).to_json()
    };
    let (base, patch) = ("{\"a\":1,\"b\":{\"x\":1,\"y\":2},\"c\":[1]}", "{\"b\":{\"y\":null,\"z\":{\"q\":null}},\"c\":[null],\"d\":null}");
    assert_eq!(merged(base, patch, true, true), "{\"a\":1,\"b\":{\"x\":1,\"y\":null,\"z\":{\"q\":null}},\"c\":[null],\"d\":null}");
    assert_eq!(merged(base, patch, false, true), "{\"a\":1,\"b\":{\"y\":null,\"z\":{\"q\":null}},\"c\":[null],\"d\":null}");
    assert_eq!(merged(base, patch, true, false), "{\"a\":1,\"b\":{\"x\":1,\"z\":{}},\"c\":[null]}");
    assert_eq!(merged(base, patch, false, false), "{\"a\":1,\"b\":{\"z\":{}},\"c\":[null]}");
    assert_eq!(merged("{\"a\":{\"x\":1}}", "{\"a\":5}", true, true), "{\"a\":5}");
}

#[test]
fn numbers_convert_only_where_exact() {
    assert_eq!(json("3.0").as_slice().as_i64(), Some(3));
    assert_eq!(json("3.5").as_slice().as_i64(), None);
    assert_eq!(json("18446744073709551615").as_slice().as_i64(), None);
    assert_eq!(json("-1").as_slice().as_u64(), None);
    assert_eq!(json("-129").as_slice().as_i64(), Some(-129));
    assert_eq!(json("7").as_slice().as_f64(), Some(7.0));
    assert_eq!(std::mem::size_of::<Value>(), 24);
}
