//! Turns `data/errors.tsv` into the constants of `base::code`.
use std::fmt::Write as _;

fn main() {
    println!("cargo::rerun-if-changed=data/errors.tsv");
    let table = std::fs::read_to_string("data/errors.tsv").expect("errors.tsv is part of the source");
    let mut constants = String::new();
    let mut rows =
        String::from("/// Every code with its name, HTTP status and default text, sorted by number.\npub const TABLE: &[Row] = &[\n");
    for line in table.lines() {
        let mut columns = line.split('\t');
        let (number, name, status, text) = (
            columns.next().expect("number"),
            columns.next().expect("name"),
            columns.next().expect("status"),
            columns.next().expect("text"),
        );
        let _ = writeln!(constants, "/// {number}: {}\npub const {name}: Code = Code({number});", text.replace('`', "'"));
        let _ = writeln!(rows, "    Row {{ number: {number}, name: {name:?}, status: {status}, text: {text:?} }},");
    }
    rows.push_str("];\n");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(format!("{out}/codes.rs"), format!("{constants}\n{rows}")).expect("OUT_DIR is writable");
}
