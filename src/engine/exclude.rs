//! What is left out of a tree, and why.

use crate::base::error::{Error, Result};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A pattern as in `.gitignore`, relative to the tree; `!pattern` takes back in what an earlier one left out.
#[derive(Clone, Debug)]
pub struct Rule {
    pub pattern: String,
    /// Shown to people beside what was left out by it.
    pub why: String,
}

/// The rules of one tree. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Exclude(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    patterns: Gitignore,
    whys: HashMap<String, String>,
    exact: HashMap<PathBuf, String>,
}

impl Default for Exclude {
    fn default() -> Self {
        Self(Arc::new(Rules { patterns: Gitignore::empty(), whys: HashMap::new(), exact: HashMap::new() }))
    }
}

impl Exclude {
    /// `exact` are relative paths that are left out as they stand (a directory that is another part of the backup).
    ///
    /// # Errors
    /// `Invalid`, naming the pattern that is not one.
    pub fn new(rules: Vec<Rule>, exact: Vec<(PathBuf, String)>) -> Result<Self> {
        let mut builder = GitignoreBuilder::new("");
        let mut whys = HashMap::new();
        for rule in rules {
            let bad = |e| Error::invalid(format!("`{}` is not a pattern: {e}", rule.pattern)).hint("patterns are written as in .gitignore");
            builder.add_line(None, &rule.pattern).map_err(bad)?;
            whys.insert(rule.pattern, rule.why);
        }
        let patterns = builder.build().map_err(|e| Error::invalid(format!("the patterns of what is left out cannot be used: {e}")))?;
        Ok(Self(Arc::new(Rules { patterns, whys, exact: exact.into_iter().collect() })))
    }

    /// Why `relative` is left out; `None` when it is kept. A directory that is left out is not looked into.
    pub fn matches(&self, relative: &Path, is_dir: bool) -> Option<&str> {
        if let Some(why) = self.0.exact.get(relative) {
            return Some(why);
        }
        match self.0.patterns.matched(relative, is_dir) {
            Match::Ignore(glob) => Some(self.0.whys.get(glob.original()).map_or("left out by a pattern", String::as_str)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(patterns: &[&str]) -> Exclude {
        let rules = patterns.iter().map(|p| Rule { pattern: (*p).to_owned(), why: format!("because of {p}") }).collect();
        Exclude::new(rules, vec![("web/files".into(), "is in files".into())]).unwrap()
    }

    #[test]
    fn patterns_work_as_in_gitignore_and_say_why() {
        let e = rules(&["styles/", "/css", "*.tmp", "!keep.tmp", "cache/**/x"]);
        let table = [
            ("styles", true, Some("because of styles/")),
            ("a/styles", true, Some("because of styles/")),
            ("styles", false, None),
            ("css", true, Some("because of /css")),
            ("a/css", true, None),
            ("a/b.tmp", false, Some("because of *.tmp")),
            ("keep.tmp", false, None),
            ("cache/a/b/x", false, Some("because of cache/**/x")),
            ("web/files", true, Some("is in files")),
            ("web/files2", true, None),
        ];
        for (path, is_dir, why) in table {
            assert_eq!(e.matches(Path::new(path), is_dir), why, "{path}");
        }
    }

    #[test]
    fn names_that_are_not_text_match_by_their_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let name = Path::new(std::ffi::OsStr::from_bytes(b"\xff\xfe.tmp"));
        assert!(rules(&["*.tmp"]).matches(name, false).is_some());
    }

    #[test]
    fn a_broken_pattern_is_named() {
        let error = Exclude::new(vec![Rule { pattern: "[z-a]".into(), why: String::new() }], vec![]).unwrap_err();
        assert!(error.to_string().contains("`[z-a]`"));
    }
}
