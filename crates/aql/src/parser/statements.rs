//! Statements (`language.md` §2.1 to §2.5).

use super::Parser;
use crate::ast::{
    Collect, Expr, ExprKind, For, Ident, Modify, Paths, Query, SortDirection, SortItem, SourceName, Statement, StatementKind, Subject,
    Target, Traversal, Upsert, UpsertSearch, Window,
};
use crate::plan::{Direction, ModifyKind, PathsKind};
use crate::token::Token;
use base::{Result, code};

impl Parser<'_> {
    /// A query up to its end or the closing parenthesis.
    pub(super) fn query(&mut self) -> Result<Query> {
        let with = if self.depth == 0 && self.peek() == &Token::With { self.with()? } else { Vec::new() };
        let mut statements = Vec::new();
        let mut modifies = false;
        loop {
            if !self.peek().begins_statement() {
                let is_over = matches!(self.peek(), Token::End | Token::Close);
                return if is_over && modifies { Ok(Query { with, statements }) } else { self.unexpected(&[]) };
            }
            let at = self.at();
            let kind = self.statement()?;
            let is_return = matches!(kind, StatementKind::Return { .. });
            modifies |= matches!(kind, StatementKind::Modify(_) | StatementKind::Upsert(_));
            statements.push(Statement { kind, at });
            if is_return {
                return Ok(Query { with, statements });
            }
        }
    }

    fn with(&mut self) -> Result<Vec<SourceName>> {
        self.next += 1;
        let mut names = vec![self.source_name()?];
        loop {
            let comma = self.eat(&Token::Comma);
            match self.peek() {
                Token::Name { .. } | Token::Param(_) | Token::SourceParam(_) => names.push(self.source_name()?),
                _ if comma => return self.unexpected(&[]),
                _ => return Ok(names),
            }
        }
    }

    fn source_name(&mut self) -> Result<SourceName> {
        let name = match self.peek().clone() {
            Token::Name { text, .. } => SourceName::Name(text),
            Token::Param(name) => SourceName::Param(name),
            Token::SourceParam(name) => SourceName::SourceParam(name),
            _ => return self.unexpected(&["identifier", "bind parameter"]),
        };
        self.next += 1;
        Ok(name)
    }

    fn statement(&mut self) -> Result<StatementKind> {
        Ok(match self.advance() {
            Token::For => return self.for_statement(),
            Token::Let => StatementKind::Let(self.lets()?),
            Token::Filter => StatementKind::Filter(self.expression()?),
            Token::Collect => StatementKind::Collect(Box::new(self.collect()?)),
            Token::Sort => StatementKind::Sort(self.sort()?),
            Token::Limit => {
                let (offset, count) = self.offset_and_count()?;
                StatementKind::Limit { offset, count }
            }
            Token::Window => StatementKind::Window(Box::new(self.window()?)),
            Token::Return => {
                let distinct = self.eat(&Token::Distinct);
                StatementKind::Return { distinct, value: self.expression()? }
            }
            Token::Insert => StatementKind::Modify(Box::new(self.modify(ModifyKind::Insert)?)),
            Token::Update => StatementKind::Modify(Box::new(self.modify(ModifyKind::Update)?)),
            Token::Replace => StatementKind::Modify(Box::new(self.modify(ModifyKind::Replace)?)),
            Token::Remove => StatementKind::Modify(Box::new(self.modify(ModifyKind::Remove)?)),
            Token::Upsert => StatementKind::Upsert(Box::new(self.upsert()?)),
            _ => {
                self.next -= 1;
                return self.unexpected(&[]);
            }
        })
    }

    fn target(&mut self) -> Result<Target> {
        match self.peek() {
            Token::ArrayOpen => self.nested(Self::array_pattern),
            Token::ObjectOpen => self.nested(Self::object_pattern),
            _ => Ok(Target::Name(self.ident()?)),
        }
    }

    fn array_pattern(&mut self) -> Result<Target> {
        self.next += 1;
        let mut items = Vec::new();
        while self.peek() != &Token::ArrayClose {
            if self.eat(&Token::Comma) {
                items.push(None);
                continue;
            }
            items.push(Some(self.target()?));
            if !self.eat(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::ArrayClose)?;
        Ok(Target::Array(items))
    }

    fn object_pattern(&mut self) -> Result<Target> {
        self.next += 1;
        let mut items = Vec::new();
        while self.peek() != &Token::ObjectClose {
            if self.eat(&Token::Comma) {
                continue;
            }
            let attribute = self.ident()?;
            let name = attribute.name.clone();
            let target = if self.eat(&Token::Colon) { self.target()? } else { Target::Name(attribute) };
            items.push((name, target));
            if !self.eat(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::ObjectClose)?;
        Ok(Target::Object(items))
    }

    fn lets(&mut self) -> Result<Vec<(Target, Expr)>> {
        let mut items = Vec::new();
        loop {
            let target = self.target()?;
            self.expect(&Token::Assign)?;
            items.push((target, self.expression()?));
            if !self.eat(&Token::Comma) {
                return Ok(items);
            }
        }
    }

    fn direction(&mut self) -> Option<Direction> {
        let direction = match self.peek() {
            Token::Outbound => Direction::Outbound,
            Token::Inbound => Direction::Inbound,
            Token::Any => Direction::Any,
            _ => return None,
        };
        self.next += 1;
        Some(direction)
    }

    fn for_statement(&mut self) -> Result<StatementKind> {
        let mut targets = vec![self.target()?];
        while self.eat(&Token::Comma) {
            targets.push(Target::Name(self.ident()?));
        }
        self.expect(&Token::In)?;
        if let Some(direction) = self.direction() {
            return self.graph_for(targets, None, direction);
        }
        let source = self.expression()?;
        if let Some(direction) = self.direction() {
            return self.graph_for(targets, Some(source), direction);
        }
        let target = match (targets.pop(), targets.is_empty()) {
            (Some(target), true) => target,
            _ => return self.fail_here(code::QUERY_PARSE, "Collections and views FOR loops only allow a single return variable"),
        };
        let search = if self.eat_word("SEARCH") { Some(self.expression()?) } else { None };
        let options = self.options()?;
        if let Token::Name { text, .. } = self.peek() {
            let message = format!("unexpected qualifier '{text}', expecting 'SEARCH' or 'OPTIONS'");
            return self.fail_here(code::QUERY_PARSE, &message);
        }
        Ok(StatementKind::For(Box::new(For { target, source, search, options })))
    }

    fn options(&mut self) -> Result<Option<Expr>> {
        if !self.eat_word("OPTIONS") {
            return Ok(None);
        }
        let at = self.at();
        match self.peek() {
            Token::Param(name) => {
                let name = name.clone();
                self.next += 1;
                self.make(at, 0, ExprKind::Param(name)).map(Some)
            }
            _ => self.object().map(Some),
        }
    }

    fn graph_for(&mut self, targets: Vec<Target>, depth: Option<Expr>, direction: Direction) -> Result<StatementKind> {
        let mut variables = Vec::new();
        for target in targets {
            match target {
                Target::Name(name) => variables.push(name),
                _ => return self.fail_here(code::QUERY_PARSE, "destructuring is not supported for graph queries"),
            }
        }
        let kind = match self.peek() {
            Token::ShortestPath => PathsKind::Shortest,
            Token::KShortestPaths => PathsKind::KShortest,
            Token::KPaths => PathsKind::KPaths,
            Token::AllShortestPaths => PathsKind::AllShortest,
            _ => return self.traversal(variables, depth, direction),
        };
        let variables_max = if kind == PathsKind::Shortest { 2 } else { 1 };
        if variables.len() > variables_max {
            return self.fail_here(code::QUERY_PARSE, "too many output variables for this path search");
        }
        if depth.is_some() && kind != PathsKind::KPaths {
            return self.unexpected(&[]);
        }
        self.next += 1;
        let start = self.expression()?;
        self.expect_word("TO")?;
        let target = self.expression()?;
        let subject = self.subject()?;
        let options = self.options()?;
        Ok(StatementKind::Paths(Box::new(Paths { variables, kind, depth, direction, start, target, subject, options })))
    }

    fn traversal(&mut self, variables: Vec<Ident>, depth: Option<Expr>, direction: Direction) -> Result<StatementKind> {
        if variables.len() > 3 {
            return self.fail_here(code::QUERY_PARSE, "Traversals only have one, two or three output variables");
        }
        let start = self.expression()?;
        let subject = self.subject()?;
        let prune = if self.eat_word("PRUNE") { Some(self.prune()?) } else { None };
        let options = self.options()?;
        Ok(StatementKind::Traversal(Box::new(Traversal { variables, depth, direction, start, subject, prune, options })))
    }

    fn prune(&mut self) -> Result<(Option<Ident>, Expr)> {
        let named = matches!(self.peek(), Token::Name { .. }) && self.peek_at(1) == &Token::Assign;
        let name = if named { Some(self.ident()?) } else { None };
        self.next += usize::from(named);
        Ok((name, self.expression()?))
    }

    fn subject(&mut self) -> Result<Subject> {
        if self.eat(&Token::Graph) {
            let at = self.at();
            let kind = match self.peek().clone() {
                Token::Name { text, .. } | Token::Text(text) => ExprKind::Literal(velocypack::Value::string(&text)),
                Token::Param(name) => ExprKind::Param(name),
                _ => return self.unexpected(&["identifier", "quoted string", "bind parameter"]),
            };
            self.next += 1;
            return Ok(Subject::Named(self.make(at, 0, kind)?));
        }
        let mut edges = Vec::new();
        loop {
            let direction = self.direction();
            edges.push((direction, self.source_name()?));
            if !self.eat(&Token::Comma) {
                return Ok(Subject::Edges(edges));
            }
        }
    }

    /// `name = expression, …`
    fn assignments(&mut self) -> Result<Vec<(Ident, Expr)>> {
        let mut items = Vec::new();
        loop {
            let name = self.ident()?;
            self.expect(&Token::Assign)?;
            items.push((name, self.expression()?));
            if !self.eat(&Token::Comma) {
                return Ok(items);
            }
        }
    }

    fn collect(&mut self) -> Result<Collect> {
        let mut collect = Collect { groups: Vec::new(), aggregates: Vec::new(), count: None, into: None, keep: None, options: None };
        if matches!(self.peek(), Token::Name { .. }) {
            collect.groups = self.assignments()?;
        }
        match self.peek() {
            Token::With => {
                self.next += 1;
                self.expect_word("COUNT")?;
                self.expect(&Token::Into)?;
                collect.count = Some(self.ident()?);
            }
            Token::Aggregate => {
                self.next += 1;
                collect.aggregates = self.assignments()?;
                self.collect_into(&mut collect)?;
            }
            Token::Into if collect.groups.is_empty() => return self.unexpected(&[]),
            _ => self.collect_into(&mut collect)?,
        }
        if collect.groups.is_empty() && collect.aggregates.is_empty() && collect.count.is_none() {
            return self.unexpected(&[]);
        }
        if self.is_word("KEEP") {
            self.keep(&mut collect)?;
        }
        collect.options = self.options()?;
        Ok(collect)
    }

    fn collect_into(&mut self, collect: &mut Collect) -> Result<()> {
        if self.eat(&Token::Into) {
            let name = self.ident()?;
            let value = if self.eat(&Token::Assign) { Some(self.expression()?) } else { None };
            collect.into = Some((name, value));
        }
        Ok(())
    }

    fn keep(&mut self, collect: &mut Collect) -> Result<()> {
        if collect.into.is_none() {
            return self.fail_here(code::QUERY_PARSE, "use of 'KEEP' without 'INTO'");
        }
        if !collect.aggregates.is_empty() || collect.into.as_ref().is_some_and(|(_, value)| value.is_some()) {
            return self.unexpected(&[]);
        }
        self.next += 1;
        let mut names = vec![self.ident()?];
        while self.eat(&Token::Comma) {
            names.push(self.ident()?);
        }
        collect.keep = Some(names);
        Ok(())
    }

    fn sort(&mut self) -> Result<Vec<SortItem>> {
        let mut items = Vec::new();
        loop {
            let expr = self.expression()?;
            let at = self.at();
            let direction = match self.peek().clone() {
                Token::Asc => SortDirection::Ascending,
                Token::Desc => SortDirection::Descending,
                Token::Param(name) => SortDirection::Value(self.make(at, 0, ExprKind::Param(name))?),
                Token::Text(text) => SortDirection::Value(self.make(at, 0, ExprKind::Literal(velocypack::Value::string(&text)))?),
                Token::True => SortDirection::Ascending,
                Token::False => SortDirection::Descending,
                _ => {
                    self.next -= 1;
                    SortDirection::Ascending
                }
            };
            self.next += 1;
            items.push(SortItem { expr, direction });
            if !self.eat(&Token::Comma) {
                return Ok(items);
            }
        }
    }

    fn window(&mut self) -> Result<Window> {
        let first = self.expression()?;
        let (range, bounds) = if self.eat(&Token::With) { (Some(first), self.expression()?) } else { (None, first) };
        self.expect(&Token::Aggregate)?;
        Ok(Window { range, bounds, aggregates: self.assignments()? })
    }

    /// An expression that `IN target` follows.
    fn expression_before_target(&mut self) -> Result<Expr> {
        let outer = std::mem::replace(&mut self.before_target, true);
        let parsed = self.expression();
        self.before_target = outer;
        parsed
    }

    fn modify(&mut self, kind: ModifyKind) -> Result<Modify> {
        let subject = self.expression_before_target()?;
        let may_have_with = matches!(kind, ModifyKind::Update | ModifyKind::Replace);
        let with = if may_have_with && self.eat(&Token::With) { Some(self.expression_before_target()?) } else { None };
        let target = self.modification_target()?;
        Ok(Modify { kind, subject, with, target, options: self.options()? })
    }

    fn modification_target(&mut self) -> Result<SourceName> {
        if !self.eat(&Token::In) && !self.eat(&Token::Into) {
            return self.unexpected(&["IN keyword", "INTO keyword"]);
        }
        let target = match self.peek().clone() {
            Token::Name { text, .. } | Token::Text(text) => SourceName::Name(text),
            Token::SourceParam(name) => SourceName::SourceParam(name),
            _ => return self.unexpected(&["identifier", "quoted string", "bind data source parameter"]),
        };
        self.next += 1;
        Ok(target)
    }

    fn upsert(&mut self) -> Result<Upsert> {
        let search =
            if self.eat(&Token::Filter) { UpsertSearch::Filter(self.expression()?) } else { UpsertSearch::Example(self.expression()?) };
        self.expect(&Token::Insert)?;
        let insert = self.expression()?;
        let replace = match self.peek() {
            Token::Update => false,
            Token::Replace => true,
            _ => return self.unexpected(&["UPDATE command", "REPLACE command"]),
        };
        self.next += 1;
        let update = self.expression_before_target()?;
        let target = self.modification_target()?;
        Ok(Upsert { search, insert, replace, update, target, options: self.options()? })
    }
}
