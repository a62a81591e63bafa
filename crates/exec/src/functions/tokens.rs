//! `TOKENS`: text split by one of the built-in Analyzers.
//!
//! The Analyzers `text_<language>` split into words, fold case, drop accents and stem; `identity` keeps the
//! text whole.

use super::arguments::slice;
use super::{Function, FunctionContext, pure};
use base::{Error, Result};
use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;
use velocypack::{Builder, Slice, Value};

pub(super) static FUNCTIONS: &[Function] = &[pure("TOKENS", 1, 2, tokens)];

/// Deepest nesting of arrays that are tokenised.
const DEPTH_MAX: usize = 100;

enum Analyzer {
    Identity,
    Text(Option<Stemmer>),
}

impl Analyzer {
    fn named(name: &str) -> Option<Self> {
        if name == "identity" {
            return Some(Self::Identity);
        }
        let algorithm = match name.strip_prefix("text_")? {
            "de" => Some(Algorithm::German),
            "en" => Some(Algorithm::English),
            "es" => Some(Algorithm::Spanish),
            "fi" => Some(Algorithm::Finnish),
            "fr" => Some(Algorithm::French),
            "it" => Some(Algorithm::Italian),
            "nl" => Some(Algorithm::Dutch),
            "no" => Some(Algorithm::Norwegian),
            "pt" => Some(Algorithm::Portuguese),
            "ru" => Some(Algorithm::Russian),
            "sv" => Some(Algorithm::Swedish),
            "zh" => None,
            _ => return None,
        };
        Some(Self::Text(algorithm.map(Stemmer::create)))
    }

    fn write(&self, text: &str, builder: &mut Builder) {
        match self {
            Self::Identity => {
                builder.string(text);
            }
            Self::Text(stemmer) => {
                for word in text.unicode_words() {
                    let folded: String = word.to_lowercase().nfd().filter(|character| !is_combining_mark(*character)).nfc().collect();
                    match stemmer {
                        Some(stemmer) => builder.string(&stemmer.stem(&folded)),
                        None => builder.string(&folded),
                    };
                }
            }
        }
    }
}

fn tokens(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let name = if args.len() > 1 { slice(args, 1).as_str().unwrap_or("") } else { "identity" };
    let analyzer = name.rsplit("::").next().and_then(Analyzer::named);
    let Some(analyzer) = analyzer else { return Err(Error::bad_parameter(format!("failed to find Analyzer '{name}'"))) };
    let mut builder = Builder::new();
    write_tokens(slice(args, 0), &analyzer, &mut builder, cx, 0);
    builder.finish().map_err(|error| Error::internal(error.to_string()))
}

fn write_tokens(input: Slice<'_>, analyzer: &Analyzer, builder: &mut Builder, cx: &mut FunctionContext, depth: usize) {
    builder.open_array();
    match input.as_str() {
        Some(text) => analyzer.write(text, builder),
        None if input.is_array() && depth < DEPTH_MAX => {
            input.elements().for_each(|member| write_tokens(member, analyzer, builder, cx, depth + 1));
        }
        None => cx.warn_argument("TOKENS"),
    }
    builder.close();
}
