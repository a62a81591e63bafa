//! From [`Expr`] to the form that is evaluated.

use super::array::{ArrayCompareStep, ExpansionStep, QuantifierStep};
use super::operators::{ArithmeticOp, ConstSet};
use crate::functions::{self, Function};
use crate::like::LikePattern;
use aql::expr::{BinaryOp, Expansion, Expr, ObjectKey, Quantifier, UnaryOp, VarId};
use base::{Error, Result, code};
use velocypack::Value;

/// Constant arrays of at least this many members are searched by hash.
const SET_MEMBERS_MIN: usize = 8;

/// Functions that take a collection's name where a collection is written.
const NAME_FUNCTIONS: &[&str] =
    &["DOCUMENT", "COLLECTION_COUNT", "IS_SAME_COLLECTION", "SCHEMA_GET", "SHARD_ID", "NEAR", "WITHIN", "WITHIN_RECTANGLE", "FULLTEXT"];

/// A compiled expression node.
pub(super) enum Step {
    Const(Value),
    Path(VarId, Box<[String]>),
    Attribute(Box<Step>, String),
    Indexed(Box<Step>, Box<Step>),
    Not(Box<Step>),
    Negate(Box<Step>),
    Plus(Box<Step>),
    Arithmetic(ArithmeticOp, Box<Step>, Box<Step>),
    Compare(CompareOp, Box<Step>, Box<Step>),
    In { negated: bool, left: Box<Step>, right: Box<Step> },
    InSet { negated: bool, left: Box<Step>, set: Box<ConstSet> },
    Like { negated: bool, text: Box<Step>, pattern: LikePattern },
    LikeDynamic { negated: bool, text: Box<Step>, pattern: Box<Step> },
    Matches { negated: bool, function: &'static Function, arguments: Vec<Step> },
    And(Vec<Step>),
    Or(Vec<Step>),
    Ternary(Box<Step>, Option<Box<Step>>, Box<Step>),
    Range(Box<Step>, Box<Step>),
    Array(Vec<Step>),
    Object(Vec<(String, Step)>),
    ObjectComputed(Vec<(KeyStep, Step)>),
    Call(&'static Function, Vec<Step>),
    ArrayCompare(Box<ArrayCompareStep>),
    Expansion(Box<ExpansionStep>),
    Collection(String),
    CollectionCount(String),
}

/// Name of an object's attribute.
pub(super) enum KeyStep {
    Name(String),
    Computed(Step),
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl CompareOp {
    pub(super) fn of(op: BinaryOp) -> Option<Self> {
        Some(match op {
            BinaryOp::Eq => Self::Eq,
            BinaryOp::Ne => Self::Ne,
            BinaryOp::Lt => Self::Lt,
            BinaryOp::Le => Self::Le,
            BinaryOp::Gt => Self::Gt,
            BinaryOp::Ge => Self::Ge,
            _ => return None,
        })
    }
}

/// Compiles an expression. Its depth is limited by the parser.
pub(super) fn compile(expr: &Expr) -> Result<Step> {
    if let Some((var, path)) = expr.as_path() {
        return Ok(Step::Path(var, path.into_iter().map(str::to_owned).collect()));
    }
    Ok(match expr {
        Expr::Const(value) => Step::Const(value.clone()),
        Expr::Var(var) => Step::Path(*var, Box::default()),
        Expr::Attribute(base, name) => Step::Attribute(boxed(base)?, name.clone()),
        Expr::Indexed(base, index) => Step::Indexed(boxed(base)?, boxed(index)?),
        Expr::Unary(UnaryOp::Not, operand) => Step::Not(boxed(operand)?),
        Expr::Unary(UnaryOp::Minus, operand) => Step::Negate(boxed(operand)?),
        Expr::Unary(UnaryOp::Plus, operand) => Step::Plus(boxed(operand)?),
        Expr::Binary(op, left, right) => binary(*op, left, right)?,
        Expr::And(operands) => Step::And(all(operands)?),
        Expr::Or(operands) => Step::Or(all(operands)?),
        Expr::ArrayCompare(quantifier, op, left, right) => Step::ArrayCompare(Box::new(ArrayCompareStep {
            quantifier: quantifier_step(quantifier)?,
            op: *op,
            left: compile(left)?,
            right: compile(right)?,
        })),
        Expr::Ternary(condition, then, otherwise) => {
            let then = then.as_deref().map(boxed).transpose()?;
            Step::Ternary(boxed(condition)?, then, boxed(otherwise)?)
        }
        Expr::Range(low, high) => Step::Range(boxed(low)?, boxed(high)?),
        Expr::Array(members) => Step::Array(all(members)?),
        Expr::Object(entries) => object(entries)?,
        Expr::Call(name, arguments) => call(name, arguments)?,
        Expr::UserCall(name, _) => return Err(Error::new(code::QUERY_FUNCTION_NOT_FOUND, format!("user function '{name}()' not found"))),
        Expr::Expansion(expansion) => expansion_step(expansion)?,
        Expr::Collection(name) => Step::Collection(name.clone()),
    })
}

fn boxed(expr: &Expr) -> Result<Box<Step>> {
    compile(expr).map(Box::new)
}

fn all(exprs: &[Expr]) -> Result<Vec<Step>> {
    exprs.iter().map(compile).collect()
}

fn binary(op: BinaryOp, left: &Expr, right: &Expr) -> Result<Step> {
    if let Some(op) = ArithmeticOp::of(op) {
        return Ok(Step::Arithmetic(op, boxed(left)?, boxed(right)?));
    }
    if let Some(op) = CompareOp::of(op) {
        return Ok(Step::Compare(op, boxed(left)?, boxed(right)?));
    }
    let negated = matches!(op, BinaryOp::NotIn | BinaryOp::NotLike | BinaryOp::NotMatches);
    Ok(match op {
        BinaryOp::Like | BinaryOp::NotLike => match right {
            Expr::Const(pattern) => {
                let pattern = LikePattern::new(&crate::convert::to_text(pattern.as_slice()), false);
                Step::Like { negated, text: boxed(left)?, pattern }
            }
            pattern => Step::LikeDynamic { negated, text: boxed(left)?, pattern: boxed(pattern)? },
        },
        BinaryOp::Matches | BinaryOp::NotMatches => {
            Step::Matches { negated, function: function("REGEX_TEST")?, arguments: vec![compile(left)?, compile(right)?] }
        }
        _ => match right {
            Expr::Const(array) if array.as_slice().is_array() && array.as_slice().len() >= SET_MEMBERS_MIN => {
                Step::InSet { negated, left: boxed(left)?, set: Box::new(ConstSet::new(array.clone())) }
            }
            right => Step::In { negated, left: boxed(left)?, right: boxed(right)? },
        },
    })
}

/// Of entries with the same name the last one counts, at the place of the first one.
fn object(entries: &[(ObjectKey, Expr)]) -> Result<Step> {
    if entries.iter().any(|(key, _)| matches!(key, ObjectKey::Computed(_))) {
        let steps = entries.iter().map(|(key, value)| {
            let key = match key {
                ObjectKey::Name(name) => KeyStep::Name(name.clone()),
                ObjectKey::Computed(expr) => KeyStep::Computed(compile(expr)?),
            };
            Ok((key, compile(value)?))
        });
        return Ok(Step::ObjectComputed(steps.collect::<Result<_>>()?));
    }
    let mut steps: Vec<(String, Step)> = Vec::with_capacity(entries.len());
    let mut places = std::collections::HashMap::new();
    for (key, value) in entries {
        let ObjectKey::Name(name) = key else { continue };
        let value = compile(value)?;
        match places.get(name) {
            Some(&place) => {
                if let Some((_, old)) = steps.get_mut::<usize>(place) {
                    *old = value;
                }
            }
            None => {
                places.insert(name, steps.len());
                steps.push((name.clone(), value));
            }
        }
    }
    Ok(Step::Object(steps))
}

fn function(name: &str) -> Result<&'static Function> {
    functions::lookup(name).ok_or_else(|| Error::new(code::QUERY_FUNCTION_NAME_UNKNOWN, format!("unknown function '{name}()'")))
}

fn call(name: &str, arguments: &[Expr]) -> Result<Step> {
    if let ("LENGTH" | "COUNT", [Expr::Collection(collection)]) = (name, arguments) {
        return Ok(Step::CollectionCount(collection.clone()));
    }
    let by_name = NAME_FUNCTIONS.contains(&name);
    let arguments = arguments.iter().map(|argument| match argument {
        Expr::Collection(collection) if by_name => Ok(Step::Const(Value::string(collection))),
        argument => compile(argument),
    });
    Ok(Step::Call(function(name)?, arguments.collect::<Result<_>>()?))
}

fn expansion_step(expansion: &Expansion) -> Result<Step> {
    let optional = |expr: &Option<Expr>| expr.as_ref().map(compile).transpose();
    Ok(Step::Expansion(Box::new(ExpansionStep {
        input: compile(&expansion.input)?,
        levels: expansion.levels,
        iterator: expansion.iterator,
        filter: optional(&expansion.filter)?,
        limit: match &expansion.limit {
            Some((offset, count)) => Some((compile(offset)?, compile(count)?)),
            None => None,
        },
        projection: optional(&expansion.projection)?,
        question: expansion.question.as_ref().map(quantifier_step).transpose()?,
    })))
}

fn quantifier_step(quantifier: &Quantifier) -> Result<QuantifierStep> {
    Ok(match quantifier {
        Quantifier::Any => QuantifierStep::Any,
        Quantifier::All => QuantifierStep::All,
        Quantifier::None => QuantifierStep::None,
        Quantifier::AtLeast(count) => QuantifierStep::AtLeast(compile(count)?),
        Quantifier::Between(low, high) => QuantifierStep::Between(compile(low)?, compile(high)?),
    })
}

/// Can the expression be evaluated once and for all: no variables but its own iterators, no data,
/// only deterministic functions?
pub(super) fn is_foldable(expr: &Expr) -> bool {
    foldable(expr, &mut Vec::new())
}

fn foldable(expr: &Expr, iterators: &mut Vec<VarId>) -> bool {
    match expr {
        Expr::Const(_) => true,
        Expr::Var(var) => iterators.contains(var),
        Expr::Attribute(base, _) => foldable(base, iterators),
        Expr::Unary(_, operand) => foldable(operand, iterators),
        Expr::Indexed(left, right) | Expr::Binary(_, left, right) | Expr::Range(left, right) => {
            foldable(left, iterators) && foldable(right, iterators)
        }
        Expr::And(operands) | Expr::Or(operands) | Expr::Array(operands) => operands.iter().all(|expr| foldable(expr, iterators)),
        Expr::ArrayCompare(quantifier, _, left, right) => {
            foldable_quantifier(quantifier, iterators) && foldable(left, iterators) && foldable(right, iterators)
        }
        Expr::Ternary(condition, then, otherwise) => {
            then.as_deref().is_none_or(|then| foldable(then, iterators)) && foldable(condition, iterators) && foldable(otherwise, iterators)
        }
        Expr::Object(entries) => entries.iter().all(|(key, value)| {
            let key_is = match key {
                ObjectKey::Name(_) => true,
                ObjectKey::Computed(key) => foldable(key, iterators),
            };
            key_is && foldable(value, iterators)
        }),
        Expr::Call(name, arguments) => {
            functions::lookup(name).is_some_and(|function| function.deterministic)
                && arguments.iter().all(|argument| foldable(argument, iterators))
        }
        Expr::UserCall(..) | Expr::Collection(_) => false,
        Expr::Expansion(expansion) => foldable_expansion(expansion, iterators),
    }
}

fn foldable_quantifier(quantifier: &Quantifier, iterators: &mut Vec<VarId>) -> bool {
    match quantifier {
        Quantifier::Any | Quantifier::All | Quantifier::None => true,
        Quantifier::AtLeast(count) => foldable(count, iterators),
        Quantifier::Between(low, high) => foldable(low, iterators) && foldable(high, iterators),
    }
}

fn foldable_expansion(expansion: &Expansion, iterators: &mut Vec<VarId>) -> bool {
    let limit = expansion.limit.as_ref().is_none_or(|(offset, count)| foldable(offset, iterators) && foldable(count, iterators));
    let question = expansion.question.as_ref().is_none_or(|quantifier| foldable_quantifier(quantifier, iterators));
    if !(limit && question && foldable(&expansion.input, iterators)) {
        return false;
    }
    iterators.push(expansion.iterator);
    let inner = [&expansion.filter, &expansion.projection].into_iter().flatten().all(|expr| foldable(expr, iterators));
    iterators.pop();
    inner
}
