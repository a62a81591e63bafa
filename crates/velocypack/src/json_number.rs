//! Doubles as JSON text, in ArangoDB's form.

const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
const UINT_END: f64 = 18_446_744_073_709_551_616.0;

/// Appends a double.
pub(crate) fn write_double(number: f64, out: &mut Vec<u8>) {
    if !number.is_finite() {
        out.extend_from_slice(b"null");
    } else if number.fract() == 0.0 && number.abs() < UINT_END {
        let mut digits = itoa::Buffer::new();
        #[expect(clippy::cast_possible_truncation, reason = "integral and far inside i128")]
        if number.abs() < EXACT_MAX {
            out.extend_from_slice(digits.format(number as i64).as_bytes());
        } else {
            out.extend_from_slice(digits.format(number as i128).as_bytes());
            out.extend_from_slice(b".0");
        }
    } else {
        write_shortest(number, out);
    }
}

/// Digits and decimal exponent of the shortest text that reads back: `0.digits * 10^exponent`.
fn shortest_digits(number: f64) -> (Vec<u8>, i32) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(number.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    let trailing = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    let point = i32::try_from(whole.len()).unwrap_or(0) - i32::try_from(leading).unwrap_or(0);
    let kept = digits.get(leading..digits.len() - trailing).unwrap_or(b"0").to_vec();
    (kept, point + exponent.parse::<i32>().unwrap_or(0))
}

fn write_shortest(number: f64, out: &mut Vec<u8>) {
    if number < 0.0 {
        out.push(b'-');
    }
    let (digits, point) = shortest_digits(number);
    let count = i32::try_from(digits.len()).unwrap_or(0);
    // Compat: as recorded, decimal notation for magnitudes from 1e-6 below 1e21.
    if point > count && point <= 21 {
        out.extend_from_slice(&digits);
        out.extend(std::iter::repeat_n(b'0', (point - count).unsigned_abs() as usize));
    } else if (1..=21).contains(&point) {
        let (head, tail) = digits.split_at(usize::try_from(point).unwrap_or(0).min(digits.len()));
        out.extend_from_slice(head);
        out.push(b'.');
        out.extend_from_slice(tail);
    } else if (-5..=0).contains(&point) {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', point.unsigned_abs() as usize));
        out.extend_from_slice(&digits);
    } else {
        write_scientific(&digits, point - 1, out);
    }
}

fn write_scientific(digits: &[u8], magnitude: i32, out: &mut Vec<u8>) {
    let (first, rest) = digits.split_at(1.min(digits.len()));
    out.extend_from_slice(first);
    if !rest.is_empty() {
        out.push(b'.');
        out.extend_from_slice(rest);
    }
    out.extend_from_slice(if magnitude < 0 { b"e" } else { b"e+" });
    out.extend_from_slice(itoa::Buffer::new().format(magnitude).as_bytes());
}

#[cfg(test)]
mod tests {
    fn text(number: f64) -> String {
        let mut out = Vec::new();
        super::write_double(number, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_print_like_arangodb() {
        for (number, wanted) in [
            (0.0, "0"),
            (-0.0, "0"),
            (4.0, "4"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (0.000_123, "0.000123"),
            (0.000_001, "0.000001"),
            (24_100.963_058_789_708, "24100.963058789708"),
            (1_785_857_304.283_474_2, "1785857304.2834742"),
            (2e-7, "2e-7"),
            (1e21, "1e+21"),
            (-1.25e300, "-1.25e+300"),
            (9_007_199_254_740_992.0, "9007199254740992.0"),
            (1e19, "10000000000000000000.0"),
            (std::f64::consts::PI, "3.141592653589793"),
            (1234.5, "1234.5"),
            (5e-324, "5e-324"),
            (f64::NAN, "null"),
            (f64::INFINITY, "null"),
        ] {
            assert_eq!(text(number), wanted);
        }
    }

    #[test]
    fn texts_read_back() {
        let mut bits = 1_u64;
        for _ in 0..100_000 {
            bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let number = f64::from_bits(bits);
            if number.is_finite() {
                assert_eq!(text(number).parse::<f64>().unwrap(), number, "{number:e}");
            }
        }
    }
}
