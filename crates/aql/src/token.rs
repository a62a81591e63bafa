//! Tokens of AQL and the words ArangoDB calls them in syntax errors.

/// A token with its place in the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spanned {
    pub token: Token,
    /// Byte offset of its first character.
    pub at: u32,
}

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// Bare or quoted name; contextual words (`OPTIONS`, `KEEP` …) are bare names.
    Name {
        text: String,
        quoted: bool,
    },
    /// String literal.
    Text(String),
    Int(i64),
    Double(f64),
    /// A number beyond the range of doubles: `null` with a warning.
    HugeNumber,
    /// `@name`
    Param(String),
    /// `@@name`, the name without the signs.
    SourceParam(String),
    Aggregate,
    All,
    AllShortestPaths,
    And,
    Any,
    Asc,
    Collect,
    Desc,
    Distinct,
    False,
    Filter,
    For,
    Graph,
    In,
    Inbound,
    Insert,
    Into,
    KPaths,
    KShortestPaths,
    Let,
    Like,
    Limit,
    None,
    Not,
    NotIn,
    Null,
    Or,
    Outbound,
    Remove,
    Replace,
    Return,
    ShortestPath,
    Sort,
    True,
    Update,
    Upsert,
    Window,
    With,
    AtLeast,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Matches,
    NotMatches,
    Assign,
    Plus,
    Minus,
    Times,
    Div,
    Mod,
    Question,
    Colon,
    Scope,
    Range,
    Dot,
    Comma,
    Open,
    Close,
    ObjectOpen,
    ObjectClose,
    ArrayOpen,
    ArrayClose,
    End,
}

impl Token {
    /// The reserved word, whatever its case.
    pub(crate) fn keyword(word: &str) -> Option<Token> {
        if word.len() > 18 {
            return None;
        }
        Some(match word.to_ascii_uppercase().as_str() {
            "AGGREGATE" => Token::Aggregate,
            "ALL" => Token::All,
            "ALL_SHORTEST_PATHS" => Token::AllShortestPaths,
            "AND" => Token::And,
            "ANY" => Token::Any,
            "ASC" => Token::Asc,
            "COLLECT" => Token::Collect,
            "DESC" => Token::Desc,
            "DISTINCT" => Token::Distinct,
            "FALSE" => Token::False,
            "FILTER" => Token::Filter,
            "FOR" => Token::For,
            "GRAPH" => Token::Graph,
            "IN" => Token::In,
            "INBOUND" => Token::Inbound,
            "INSERT" => Token::Insert,
            "INTO" => Token::Into,
            "K_PATHS" => Token::KPaths,
            "K_SHORTEST_PATHS" => Token::KShortestPaths,
            "LET" => Token::Let,
            "LIKE" => Token::Like,
            "LIMIT" => Token::Limit,
            "NONE" => Token::None,
            "NOT" => Token::Not,
            "NULL" => Token::Null,
            "OR" => Token::Or,
            "OUTBOUND" => Token::Outbound,
            "REMOVE" => Token::Remove,
            "REPLACE" => Token::Replace,
            "RETURN" => Token::Return,
            "SHORTEST_PATH" => Token::ShortestPath,
            "SORT" => Token::Sort,
            "TRUE" => Token::True,
            "UPDATE" => Token::Update,
            "UPSERT" => Token::Upsert,
            "WINDOW" => Token::Window,
            "WITH" => Token::With,
            _ => return None,
        })
    }

    /// Does a statement begin with it?
    pub(crate) fn begins_statement(&self) -> bool {
        matches!(
            self,
            Token::For
                | Token::Let
                | Token::Filter
                | Token::Collect
                | Token::Sort
                | Token::Limit
                | Token::Window
                | Token::Return
                | Token::Insert
                | Token::Update
                | Token::Replace
                | Token::Remove
                | Token::Upsert
        )
    }

    /// What syntax errors call it.
    pub(crate) fn alias(&self) -> &'static str {
        match self {
            Token::Name { .. } => "identifier",
            Token::Text(_) => "quoted string",
            Token::Int(_) => "integer number",
            Token::Double(_) | Token::HugeNumber => "number",
            Token::Param(_) => "bind parameter",
            Token::SourceParam(_) => "bind data source parameter",
            Token::Aggregate => "AGGREGATE keyword",
            Token::All => "all modifier",
            Token::AllShortestPaths => "ALL_SHORTEST_PATHS keyword",
            Token::And => "and operator",
            Token::Any => "any modifier",
            Token::Asc => "ASC keyword",
            Token::Collect => "COLLECT declaration",
            Token::Desc => "DESC keyword",
            Token::Distinct => "DISTINCT modifier",
            Token::False => "false",
            Token::Filter => "FILTER declaration",
            Token::For => "FOR declaration",
            Token::Graph => "GRAPH keyword",
            Token::In => "IN keyword",
            Token::Inbound => "inbound modifier",
            Token::Insert => "INSERT command",
            Token::Into => "INTO keyword",
            Token::KPaths => "K_PATHS keyword",
            Token::KShortestPaths => "K_SHORTEST_PATHS keyword",
            Token::Let => "LET declaration",
            Token::Like => "like operator",
            Token::Limit => "LIMIT declaration",
            Token::None => "none modifier",
            Token::Not => "not operator",
            Token::NotIn => "not in operator",
            Token::Null => "null",
            Token::Or => "or operator",
            Token::Outbound => "outbound modifier",
            Token::Remove => "REMOVE command",
            Token::Replace => "REPLACE command",
            Token::Return => "RETURN declaration",
            Token::ShortestPath => "SHORTEST_PATH keyword",
            Token::Sort => "SORT declaration",
            Token::True => "true",
            Token::Update => "UPDATE command",
            Token::Upsert => "UPSERT command",
            Token::Window => "WINDOW declaration",
            Token::With => "WITH keyword",
            Token::AtLeast => "at least modifier",
            Token::Eq => "== operator",
            Token::Ne => "!= operator",
            Token::Lt => "< operator",
            Token::Le => "<= operator",
            Token::Gt => "> operator",
            Token::Ge => ">= operator",
            Token::Matches => "~= operator",
            Token::NotMatches => "~! operator",
            Token::Assign => "assignment",
            Token::Plus => "+ operator",
            Token::Minus => "- operator",
            Token::Times => "* operator",
            Token::Div => "/ operator",
            Token::Mod => "% operator",
            Token::Question => "?",
            Token::Colon => ":",
            Token::Scope => "::",
            Token::Range => "..",
            Token::Dot => ".",
            Token::Comma => ",",
            Token::Open => "(",
            Token::Close => ")",
            Token::ObjectOpen => "{",
            Token::ObjectClose => "}",
            Token::ArrayOpen => "[",
            Token::ArrayClose => "]",
            Token::End => "end of query string",
        }
    }
}
