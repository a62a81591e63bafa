//! Functions that only a search index, a geo index or a vector index can answer. Outside of a statement that
//! such an index serves they say so; `ANALYZER` and `BOOST` then stand for their first argument.

use super::arguments::slice;
use super::{Function, pure, volatile};
use base::{Error, Result, code};
use velocypack::Value;

pub(super) static FUNCTIONS: &[Function] = &[
    pure("ANALYZER", 2, 2, |args, _| Ok(slice(args, 0).to_value())),
    pure("BOOST", 2, 2, |args, _| Ok(slice(args, 0).to_value())),
    volatile("EXISTS", 1, 3, |_, _| only_in_search("EXISTS")),
    volatile("PHRASE", 2, usize::MAX, |_, _| only_in_search("PHRASE")),
    volatile("BM25", 1, usize::MAX, |_, _| only_in_search("BM25")),
    volatile("TFIDF", 1, usize::MAX, |_, _| only_in_search("TFIDF")),
    volatile("OFFSET_INFO", 2, 2, |_, _| only_in_search("OFFSET_INFO")),
    volatile("NGRAM_MATCH", 2, 4, |_, _| only_in_search("NGRAM_MATCH")),
    volatile("MINHASH_MATCH", 3, 4, |_, _| only_in_search("MINHASH_MATCH")),
    volatile("NEAR", 3, 5, |args, _| index_missing(code::QUERY_GEO_INDEX_MISSING, args)),
    volatile("WITHIN", 4, 5, |args, _| index_missing(code::QUERY_GEO_INDEX_MISSING, args)),
    volatile("WITHIN_RECTANGLE", 5, 5, |args, _| index_missing(code::QUERY_GEO_INDEX_MISSING, args)),
    volatile("FULLTEXT", 3, 4, |args, _| index_missing(code::QUERY_FULLTEXT_INDEX_MISSING, args)),
    volatile("APPROX_NEAR_COSINE", 2, 3, |_, _| Err(Error::from(code::QUERY_VECTOR_SEARCH_NOT_APPLIED))),
    volatile("APPROX_NEAR_L2", 2, 3, |_, _| Err(Error::from(code::QUERY_VECTOR_SEARCH_NOT_APPLIED))),
    volatile("APPROX_NEAR_INNER_PRODUCT", 2, 3, |_, _| Err(Error::from(code::QUERY_VECTOR_SEARCH_NOT_APPLIED))),
];

fn only_in_search(function: &str) -> Result<Value> {
    Err(Error::new(
        code::NOT_IMPLEMENTED,
        format!(
            "ArangoSearch function '{function}' is designed to be used only within a corresponding SEARCH statement of ArangoSearch view. \
             Please ensure function signature is correct."
        ),
    ))
}

fn index_missing(code: base::Code, args: &[Value]) -> Result<Value> {
    Err(Error::new(code, code.text().replace("%s", slice(args, 0).as_str().unwrap_or_default())))
}
