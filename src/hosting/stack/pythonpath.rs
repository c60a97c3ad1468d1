//! Paths that a settings module works out from its own place: `BASE_DIR / "media"`, `os.path.join(BASE_DIR, "media")`.

use super::look::lexical;
use super::python::{Kind, Token, parts};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Names that are known to hold a path, and the module's own file.
pub(super) struct Known<'a> {
    pub names: &'a HashMap<String, PathBuf>,
    pub file: &'a Path,
}

impl Known<'_> {
    /// The path that an expression gives; `None` when it is anything else. A plain text is a path as it stands.
    pub fn path(&self, tokens: &[Token]) -> Option<PathBuf> {
        self.expression(tokens, 0).map(|path| lexical(&path))
    }

    fn expression(&self, tokens: &[Token], depth: usize) -> Option<PathBuf> {
        if depth > 24 {
            return None;
        }
        let mut terms = parts(tokens, '/').into_iter();
        let mut path = self.term(terms.next()?, depth)?;
        for term in terms {
            path.push(self.term(term, depth)?);
        }
        Some(path)
    }

    /// A primary with what is called on it: `Path(__file__).resolve().parent.parent`.
    fn term(&self, tokens: &[Token], depth: usize) -> Option<PathBuf> {
        let texts: Option<String> = tokens.iter().map(Token::text).collect();
        if let Some(text) = texts.filter(|_| !tokens.is_empty()) {
            return Some(text.into());
        }
        if tokens.first()?.is('(') {
            let close = closing(tokens, 0)?;
            let path = self.expression(&tokens[1..close], depth + 1)?;
            return self.trailers(path, &tokens[close + 1..], depth);
        }
        // A dotted name up to its call, or a name alone.
        let mut end = 1;
        let mut name = tokens.first()?.name()?.to_owned();
        while let Some([dot, Token { kind: Kind::Name(n), .. }]) = tokens.get(end..end + 2).filter(|_| self.names.get(&name).is_none()) {
            if !dot.is('.') {
                break;
            }
            name = format!("{name}.{n}");
            end += 2;
        }
        if tokens.get(end).is_some_and(|t| t.is('(')) && !self.names.contains_key(&name) {
            let close = closing(tokens, end)?;
            let path = self.call(&name, &tokens[end + 1..close], depth)?;
            return self.trailers(path, &tokens[close + 1..], depth);
        }
        let path = if name == "__file__" { self.file.to_owned() } else { self.names.get(&name)?.clone() };
        self.trailers(path, &tokens[end..], depth)
    }

    fn call(&self, name: &str, inside: &[Token], depth: usize) -> Option<PathBuf> {
        let arguments: Vec<&[Token]> = parts(inside, ',').into_iter().filter(|a| !a.is_empty()).collect();
        let first = self.expression(arguments.first()?, depth + 1)?;
        let rest = || arguments[1..].iter().map(|a| self.expression(a, depth + 1)).collect::<Option<Vec<_>>>();
        match name.rsplit('.').next()? {
            "Path" | "PurePath" | "join" => Some(rest()?.iter().fold(first, |path, more| path.join(more))),
            "abspath" | "realpath" | "normpath" if arguments.len() == 1 => Some(lexical(&first)),
            "str" | "fspath" if arguments.len() == 1 => Some(first),
            "dirname" if arguments.len() == 1 => Some(up(&first)),
            _ => None,
        }
    }

    fn trailers(&self, mut path: PathBuf, mut tokens: &[Token], depth: usize) -> Option<PathBuf> {
        while !tokens.is_empty() {
            let [dot, name, rest @ ..] = tokens else { return None };
            let name = name.name().filter(|_| dot.is('.'))?;
            tokens = match (name, rest) {
                ("parent", rest) => {
                    path = up(&path);
                    rest
                }
                ("parents", [open, Token { kind: Kind::Number(n), .. }, close, rest @ ..]) if open.is('[') && close.is(']') => {
                    path = (0..=n.parse::<usize>().ok().filter(|n| *n < 100)?).fold(path, |path, _| up(&path));
                    rest
                }
                ("absolute" | "as_posix", [open, close, rest @ ..]) if open.is('(') && close.is(')') => rest,
                ("resolve", [open, ..]) if open.is('(') => {
                    path = lexical(&path);
                    &rest[closing(rest, 0)? + 1..] // with strict=True, perhaps
                }
                ("joinpath", [open, ..]) if open.is('(') => {
                    let close = closing(rest, 0)?;
                    for argument in parts(&rest[1..close], ',') {
                        path.push(self.expression(argument, depth + 1)?);
                    }
                    &rest[close + 1..]
                }
                _ => return None,
            };
        }
        Some(path)
    }
}

/// The parent; that of `/` is `/`, as in Python.
fn up(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

/// Where the bracket at `open` closes.
fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') if depth == 1 => return Some(i),
            Kind::Sign(')' | ']' | '}') => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::python::lines;
    use super::*;

    #[test]
    fn the_usual_ways_to_work_out_a_path_are_understood_and_nothing_else() {
        let names = HashMap::from([("BASE_DIR".to_owned(), PathBuf::from("/srv/site"))]);
        let known = Known { names: &names, file: Path::new("/srv/site/shop/settings/base.py") };
        let table = [
            ("Path(__file__).resolve().parent.parent.parent", Some("/srv/site")),
            ("pathlib.Path(__file__).resolve().parents[2]", Some("/srv/site")),
            ("os.path.dirname(os.path.dirname(os.path.abspath(__file__)))", Some("/srv/site/shop")),
            ("BASE_DIR / 'media'", Some("/srv/site/media")),
            ("BASE_DIR.parent / 'var' / 'media'", Some("/srv/var/media")),
            ("os.path.join(BASE_DIR, 'var', \"media\")", Some("/srv/site/var/media")),
            ("str(BASE_DIR / 'media/')", Some("/srv/site/media")),
            ("(BASE_DIR / '..' / 'x').resolve()", Some("/srv/x")),
            ("BASE_DIR.joinpath('a', 'b')", Some("/srv/site/a/b")),
            ("os.path.join(os.path.dirname(__file__), '../media')", Some("/srv/site/shop/media")),
            ("'/var/media/'", Some("/var/media")),
            ("BASE_DIR", Some("/srv/site")),
            ("os.environ['MEDIA']", None),
            ("OTHER / 'x'", None),
            ("BASE_DIR / os.environ.get('X', 'y')", None),
            ("f'{BASE_DIR}/media'", None),
            ("BASE_DIR / 'a' if DEBUG else 'b'", None),
            ("open('/etc/passwd')", None),
        ];
        for (text, expected) in table {
            let lines = lines(text.as_bytes()).unwrap();
            assert_eq!(known.path(&lines[0].tokens), expected.map(PathBuf::from), "{text}");
        }
    }
}
