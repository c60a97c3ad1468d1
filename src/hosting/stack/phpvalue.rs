//! What a PHP settings file assigns and defines, as far as it is written down literally.

use super::edit::line_of;
use super::php::{Kind, Token};
use crate::base::error::{Error, Result};
use std::ops::Range;

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub value: Value,
    pub span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text {
        value: Vec<u8>,
        double: bool,
    },
    Number(String),
    /// `true`, `null`, the name of a constant
    Name(String),
    Array(Vec<(String, Node)>),
    /// A known base joined with literals: `__DIR__ . '/../private'`
    Joined {
        base: String,
        rest: String,
    },
    /// Anything that PHP computes
    Computed,
}

/// `$variable['path'][…] = node;`
#[derive(Debug)]
pub(super) struct Assignment {
    pub variable: String,
    pub path: Vec<String>,
    pub node: Node,
}

/// More than any settings file has: beyond it a file was made to keep us busy.
const MOST: usize = 300;

fn too_many() -> Error {
    Error::invalid("the settings file gives its values anew hundreds of times").hint("give the database by options")
}

/// All assignments to the variables `wanted`, at whatever depth of braces they stand.
///
/// # Errors
/// `Invalid` when there are more than any settings file has.
pub(super) fn assignments(tokens: &[Token], wanted: &[&str]) -> Result<Vec<Assignment>> {
    let mut found = Vec::new();
    let mut seen = 0;
    for (i, token) in tokens.iter().enumerate() {
        let Some(variable) = token.variable().filter(|v| wanted.contains(v)) else { continue };
        seen += 1;
        if seen > MOST {
            return Err(too_many());
        }
        if i > 0 && ["->", "::", "$", "?->"].iter().any(|s| tokens[i - 1].is(s)) {
            continue;
        }
        let (path, next) = subscripts(tokens, i + 1);
        let node = match tokens.get(next) {
            Some(t) if t.is("=") => value(tokens, next + 1, 0).0,
            Some(t) if [".=", "??=", "+="].iter().any(|s| t.is(s)) => Node { value: Value::Computed, span: t.span.clone() },
            _ => continue,
        };
        found.push(Assignment { variable: variable.to_owned(), path, node });
    }
    Ok(found)
}

/// Keys in brackets from `i` on; one that is not literal reads `?` and so is no key that is asked for.
fn subscripts(tokens: &[Token], mut i: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    while tokens.get(i).is_some_and(|t| t.is("[")) {
        let end = extent(tokens, i + 1);
        path.push(match tokens.get(i + 1..end) {
            Some([one]) => key(one).unwrap_or_else(|| "?".to_owned()),
            _ => "?".to_owned(),
        });
        i = end + 1;
    }
    (path, i)
}

fn key(token: &Token) -> Option<String> {
    match &token.kind {
        Kind::Text { value, .. } => Some(String::from_utf8_lossy(value).into_owned()),
        Kind::Number(n) => Some(n.clone()),
        _ => None,
    }
}

/// Where the expression that begins at `i` ends: at the first comma, semicolon or closing bracket that is not within
/// brackets of its own.
fn extent(tokens: &[Token], i: usize) -> usize {
    let mut open = 0usize;
    for (j, token) in tokens.iter().enumerate().skip(i) {
        match &token.kind {
            Kind::Sign("(" | "[" | "{" | "#[") => open += 1,
            Kind::Sign(")" | "]" | "}") if open > 0 => open -= 1,
            Kind::Sign(")" | "]" | "}" | "," | ";") | Kind::Close if open == 0 => return j,
            _ => {}
        }
    }
    tokens.len()
}

/// The value that begins at token `i`, and where it ends.
fn value(tokens: &[Token], i: usize, depth: usize) -> (Node, usize) {
    let end = extent(tokens, i);
    let expression = &tokens[i.min(end)..end];
    let span = match (expression.first(), expression.last()) {
        (Some(a), Some(b)) => a.span.start..b.span.end,
        _ => tokens.get(end).map_or(0..0, |t| t.span.start..t.span.start),
    };
    let value = match expression {
        [one] => match &one.kind {
            Kind::Text { value, double } => Value::Text { value: value.clone(), double: *double },
            Kind::Number(n) => Value::Number(n.clone()),
            Kind::Name(n) => Value::Name(n.clone()),
            _ => Value::Computed,
        },
        [a, b, .., last] if a.is_name("array") && b.is("(") && last.is(")") => elements(tokens, i + 2, end - 1, depth),
        [a, .., last] if a.is("[") && last.is("]") => elements(tokens, i + 1, end - 1, depth),
        _ => joined(expression).unwrap_or(Value::Computed),
    };
    (Node { value, span }, end)
}

/// The elements of an array literal between its brackets.
fn elements(tokens: &[Token], mut i: usize, end: usize, depth: usize) -> Value {
    let mut found = Vec::new();
    if depth > 16 {
        return Value::Computed;
    }
    while i < end {
        let stop = extent(tokens, i);
        // `['x'][0]`, `array() + array()`: the closing bracket was not that of the opening one
        if stop > end || (stop < end && !tokens[stop].is(",")) {
            return Value::Computed;
        }
        let (name, from) = match (key(&tokens[i]), tokens.get(i + 1)) {
            (Some(name), Some(arrow)) if arrow.is("=>") => (name, i + 2),
            _ if tokens[i..stop].iter().any(|t| t.is("=>") || t.is("...")) => ("?".to_owned(), i),
            _ => (found.len().to_string(), i),
        };
        found.push((name, value(tokens, from, depth + 1).0));
        i = stop + 1;
    }
    Value::Array(found)
}

/// `__DIR__ . '/x'`, `dirname(__FILE__) . '/x'`, `DRUPAL_ROOT . '/' . 'x'`, `$app_root . '/x'`.
fn joined(expression: &[Token]) -> Option<Value> {
    let (base, mut rest) = match expression {
        [f, open, file, close, rest @ ..] if f.is_name("dirname") && open.is("(") && file.is_name("__FILE__") && close.is(")") => {
            ("__DIR__".to_owned(), rest)
        }
        [first, rest @ ..] => match &first.kind {
            Kind::Name(n) => (n.clone(), rest),
            Kind::Variable(v) => (format!("${v}"), rest),
            _ => return None,
        },
        [] => return None,
    };
    let mut text = String::new();
    while let [dot, part, more @ ..] = rest {
        let part = part.text().filter(|_| dot.is("."))?;
        text.push_str(std::str::from_utf8(part).ok()?);
        rest = more;
    }
    rest.is_empty().then_some(Value::Joined { base, rest: text })
}

/// Values of the constants `wanted`: `define('NAME', value)` and `const NAME = value;`
///
/// # Errors
/// `Invalid` when there are more than any settings file has.
pub(super) fn constants(tokens: &[Token], wanted: &[&str]) -> Result<Vec<(String, Node)>> {
    let mut found = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        if i > 0 && (["->", "::", "?->"].iter().any(|s| tokens[i - 1].is(s)) || tokens[i - 1].is_name("function")) {
            continue;
        }
        match &tokens[i..] {
            [_, open, name, comma, ..] if token.is_name("define") && open.is("(") && comma.is(",") => {
                if let Some(name) = name.text().and_then(|n| wanted.iter().find(|w| w.as_bytes() == n)) {
                    found.push(((*name).to_owned(), value(tokens, i + 4, 0).0));
                }
            }
            [_, Token { kind: Kind::Name(name), .. }, equals, ..]
                if token.is_name("const") && equals.is("=") && wanted.contains(&name.as_str()) =>
            {
                found.push((name.clone(), value(tokens, i + 3, 0).0));
            }
            _ => {}
        }
        if found.len() > MOST {
            return Err(too_many());
        }
    }
    Ok(found)
}

/// Files that are included, by the last literal in the expression (`/settings.local.php`), with the byte where it stands.
pub(super) fn includes(tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        if ["include", "include_once", "require", "require_once"].iter().any(|n| token.is_name(n)) {
            let expression = &tokens[i + 1..extent(tokens, i + 1)];
            if found.len() == MOST {
                break;
            }
            let last = expression.iter().rev().find_map(Token::text);
            found.push((token.span.start, last.map_or_else(|| "a computed file".to_owned(), |t| String::from_utf8_lossy(t).into_owned())));
        }
    }
    found
}

/// All nodes that give `$variable[path…]` a value. One that PHP computes is among them, also when it computes the whole
/// array that the value would be in.
pub(super) fn at<'a>(all: &'a [Assignment], variable: &str, path: &[&str]) -> Vec<&'a Node> {
    let mut found = Vec::new();
    for a in all.iter().filter(|a| a.variable == variable && a.path.len() <= path.len()) {
        if a.path.iter().zip(path).all(|(x, y)| x == y) {
            descend(&a.node, &path[a.path.len()..], &mut found);
        }
    }
    found
}

fn descend<'a>(node: &'a Node, path: &[&str], found: &mut Vec<&'a Node>) {
    match (&node.value, path) {
        (_, []) | (Value::Computed | Value::Joined { .. }, _) => found.push(node),
        // An element written twice: PHP takes the last.
        (Value::Array(elements), [first, rest @ ..]) => {
            if let Some((_, inner)) = elements.iter().rev().find(|(name, _)| name == first) {
                descend(inner, rest, found);
            }
        }
        _ => {}
    }
}

/// The one value of all `nodes`, which say what `what` is; `None` when there are none. `null` counts as empty.
///
/// # Errors
/// `Invalid`, naming the line, when it is computed or given twice with different values.
pub(super) fn one(text: &[u8], what: &str, option: &str, nodes: &[&Node]) -> Result<Option<String>> {
    let mut value: Option<String> = None;
    for node in nodes {
        let line = line_of(text, node.span.start);
        let read = match &node.value {
            Value::Text { value, .. } => String::from_utf8(value.clone())
                .map_err(|_| Error::invalid(format!("{what} in line {line} is not UTF-8")).hint(format!("give it with {option}")))?,
            Value::Number(n) => n.clone(),
            Value::Name(n) if ["null", "false"].iter().any(|x| n.eq_ignore_ascii_case(x)) => String::new(),
            _ => {
                return Err(Error::invalid(format!("{what} in line {line} is computed by the site, not written there"))
                    .hint(format!("settings are read, never run: give it with {option}")));
            }
        };
        match &value {
            Some(before) if *before != read => {
                return Err(Error::invalid(format!("{what} is given more than once, with different values (again in line {line})"))
                    .hint(format!("which one holds is decided when the site runs: give it with {option}")));
            }
            _ => value = Some(read),
        }
    }
    Ok(value)
}
