//! Bind parameters: which the text declares, and their values.

use crate::token::{Spanned, Token};
use base::{Error, Result, code};
use velocypack::{Slice, Value};

/// The values of a query's bind parameters; every declared one is there, and no other.
pub(crate) struct Binds<'a> {
    values: Option<Slice<'a>>,
}

impl<'a> Binds<'a> {
    /// Checks the values against the parameters in the text: 1550, 1551, 1552.
    pub(crate) fn new(tokens: &[Spanned], values: Slice<'a>) -> Result<Self> {
        let values = match values {
            none if none.is_none() || none.is_null() => None,
            object if object.is_object() => Some(object),
            _ => return Err(Error::from(code::QUERY_BIND_PARAMETERS_INVALID)),
        };
        let declared = declared(tokens);
        for name in &declared {
            if values.is_none_or(|object| object.get(name).is_none()) {
                return Err(named(code::QUERY_BIND_PARAMETER_MISSING, name));
            }
        }
        if let Some(object) = values {
            for (name, _) in object.entries() {
                if !declared.iter().any(|known| known == name) {
                    return Err(named(code::QUERY_BIND_PARAMETER_UNDECLARED, name));
                }
            }
        }
        Ok(Self { values })
    }

    /// Value of `@name`.
    pub(crate) fn value(&self, name: &str) -> Result<Value> {
        let found = self.values.and_then(|object| object.get(name));
        found.map(Slice::to_value).ok_or_else(|| named(code::QUERY_BIND_PARAMETER_MISSING, name))
    }

    /// Name of the collection that `@@name` stands for.
    pub(crate) fn source(&self, name: &str) -> Result<String> {
        self.text(&format!("@{name}"))
    }

    /// Text that `@name` stands for.
    pub(crate) fn text(&self, name: &str) -> Result<String> {
        let value = self.value(name)?;
        match value.as_slice().as_str() {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(named(code::QUERY_BIND_PARAMETER_TYPE, name)),
        }
    }

    /// Attribute path that `@name` stands for after a dot.
    pub(crate) fn path(&self, name: &str) -> Result<Vec<String>> {
        let value = self.value(name)?;
        let slice = value.as_slice();
        let wrong = || named(code::QUERY_BIND_PARAMETER_TYPE, name);
        if let Some(attribute) = slice.as_str() {
            return Ok(vec![attribute.to_owned()]);
        }
        if !slice.is_array() || slice.len() == 0 {
            return Err(wrong());
        }
        slice.elements().map(|part| part.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }
}

/// Names of all bind parameters, `@` before those of data sources, each once.
pub(crate) fn declared(tokens: &[Spanned]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for spanned in tokens {
        let name = match &spanned.token {
            Token::Param(name) => name.clone(),
            Token::SourceParam(name) => format!("@{name}"),
            _ => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The table's text with a name put in for `%s`.
pub(crate) fn named(code: base::Code, name: &str) -> Error {
    Error::new(code, code.text().replacen("%s", name, 1))
}
