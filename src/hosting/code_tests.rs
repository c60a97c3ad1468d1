use super::*;
use crate::hosting::host::testing::{Scratch, give, owner};
use std::os::unix::fs::PermissionsExt;

fn git(dir: &Path, arguments: &[&str]) {
    let out = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", "-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git is installed: apt-get install git");
    assert!(out.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// A repository with one commit of `a` and `b.bin`, given to the owner.
fn repository(s: &Scratch) -> std::path::PathBuf {
    let root = s.dir("site");
    s.file("site/a", "one\n");
    s.file("site/b.bin", [0u8, 1, 2, 255]);
    s.file("site/.gitignore", "ignored\n");
    git(&root, &["init", "-q"]);
    git(&root, &["add", "."]);
    git(&root, &["commit", "-qm", "first"]);
    give(&root, &owner());
    root
}

fn index(root: &Path) -> (Vec<u8>, std::time::SystemTime) {
    let path = root.join(".git/index");
    (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().modified().unwrap())
}

#[test]
fn the_commit_its_tag_and_its_branch_are_told() {
    let s = Scratch::new();
    assert_eq!(inspect(s.path(), &owner()).unwrap(), None);
    let root = repository(&s);
    git(&root, &["tag", "v1.9"]);
    git(&root, &["tag", "v1.10"]);
    let found = inspect(&root, &owner()).unwrap().unwrap();
    assert_eq!((found.commit.len(), found.tag.as_deref(), found.branch.as_deref()), (40, Some("v1.10"), Some("main")));
    assert!(found.changed.is_empty() && found.untracked == 0 && found.patch.is_empty() && found.warnings.is_empty(), "{found:?}");
    git(&root, &["checkout", "-q", "--detach"]);
    assert_eq!(inspect(&root, &owner()).unwrap().unwrap().branch, None);
}

#[test]
fn changes_become_a_patch_that_makes_the_same_tree_and_the_index_is_not_touched() {
    let s = Scratch::new();
    let root = repository(&s);
    s.file("site/a", "two\n");
    s.file("site/b.bin", [9u8, 0, 200, 10, 13]);
    s.file("site/staged", "new and staged\n");
    git(&root, &["add", "staged"]);
    s.file("site/dir/untracked", "x");
    s.file("site/ignored", "x");
    // the same text with another time: stat-dirty, but not changed
    s.file("site/.gitignore", "ignored\n");
    give(&root, &owner());
    let before = index(&root);
    let found = inspect(&root, &owner()).unwrap().unwrap();
    assert_eq!((found.changed.clone(), found.untracked), (vec!["a".to_owned(), "b.bin".to_owned(), "staged".to_owned()], 1));
    assert_eq!(index(&root), before, "looking writes nothing");
    give(&root, &Identity::of_process());
    let clone = s.path().join("clone");
    git(s.path(), &["clone", "-q", root.to_str().unwrap(), clone.to_str().unwrap()]);
    std::fs::write(s.path().join("p"), &found.patch).unwrap();
    git(&clone, &["apply", "--binary", "../p"]);
    for file in ["a", "b.bin", "staged", ".gitignore"] {
        assert_eq!(std::fs::read(clone.join(file)).unwrap(), std::fs::read(root.join(file)).unwrap(), "{file}");
    }
}

#[test]
fn a_repository_without_a_commit_or_with_a_broken_configuration_is_told_in_words() {
    let s = Scratch::new();
    let root = s.dir("site");
    git(&root, &["init", "-q"]);
    give(&root, &owner());
    let found = inspect(&root, &owner()).unwrap().unwrap();
    assert_eq!((found.commit.as_str(), found.warnings.len()), ("", 1));
    s.file("site/.git/config", "[core\nnonsense");
    let e = inspect(&root, &owner()).unwrap_err();
    assert!(e.to_string().contains("git ended with"), "{e}");
}

/// A script that leaves a mark when it is run, and then does what a filter or monitor must.
fn trap(s: &Scratch) -> String {
    let path = s.file("trap.sh", format!("#!/bin/sh\necho \"$0 $*\" >> {}/sprung\nexec cat\n", s.path().display()));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(s.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    path.display().to_string()
}

#[test]
fn no_program_that_the_repository_names_is_run() {
    let s = Scratch::new();
    let root = repository(&s);
    let trap = trap(&s);
    let hooks = ["post-index-change", "pre-commit", "post-checkout", "fsmonitor-watchman", "reference-transaction"];
    for hook in hooks {
        let path = s.file(&format!("site/.git/hooks/{hook}"), format!("#!/bin/sh\nexec {trap}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    s.file("site/.gitattributes", "* filter=evil diff=evil merge=evil\nb.bin filter=other.one\n");
    s.file("site/.git/info/attributes", "* filter=evil diff=evil\n");
    s.file("site/.git/included", format!("[filter \"other.one\"]\n clean = {trap}\n smudge = {trap}\n required = true\n"));
    let config = format!(
        "[core]\n repositoryformatversion = 0\n bare = false\n fsmonitor = {trap}\n pager = {trap}\n editor = {trap}\n sshCommand = {trap}\n \
hooksPath = {hooks}\n gitProxy = {trap}\n alternateRefsCommand = {trap}\n worktree = /etc\n askPass = {trap}\n untrackedCache = true\n\
[diff]\n external = {trap}\n noprefix = true\n[diff \"evil\"]\n command = {trap}\n textconv = {trap}\n cachetextconv = true\n\
[filter \"evil\"]\n clean = {trap}\n smudge = {trap}\n process = {trap}\n required = true\n\
[include]\n path = included\n[pager]\n status = {trap}\n diff = {trap}\n tag = {trap}\n config = {trap}\n\
[gpg]\n program = {trap}\n[log]\n showSignature = true\n[credential]\n helper = {trap}\n[alias]\n status = !{trap}\n diff = !{trap}\n\
[color]\n ui = always\n[status]\n submoduleSummary = true\n showUntrackedFiles = no\n[extensions]\n partialClone = evil\n\
[remote \"evil\"]\n url = ext::{trap}\n promisor = true\n uploadpack = {trap}\n vcs = {trap}\n[trace2]\n eventTarget = {sprung}2\n",
        hooks = root.join(".git/hooks").display(),
        sprung = s.path().join("sprung").display(),
    );
    s.file("site/.git/config", config);
    s.file("site/a", "changed\n");
    s.file("site/b.bin", [7u8; 10]);
    give(&root, &owner());
    let found = inspect(&root, &owner()).unwrap().unwrap();
    assert_eq!(found.changed, ["a", "b.bin"]);
    let patch = String::from_utf8_lossy(&found.patch).into_owned();
    assert!(patch.contains("--- a/a\n+++ b/a") && patch.contains("+changed"), "{patch}");
    let sprung = std::fs::read_to_string(s.path().join("sprung")).unwrap_or_default();
    assert!(sprung.is_empty(), "the repository's programs were run: {sprung}");
    // The traps are set well: without all this, git runs them.
    let mut plain = Command::new("git");
    plain.args(["-c", "safe.directory=*", "--work-tree", ".", "diff", "HEAD"]).current_dir(&root).stdout(std::process::Stdio::null());
    owner().apply(&mut plain);
    let _ = plain.stderr(std::process::Stdio::null()).status();
    assert!(s.path().join("sprung").exists());
}

#[test]
fn a_submodule_brings_no_program_of_its_own() {
    let s = Scratch::new();
    let root = repository(&s);
    let trap = trap(&s);
    let inner = s.dir("inner");
    s.file("inner/x", "x");
    git(&inner, &["init", "-q"]);
    git(&inner, &["add", "."]);
    git(&inner, &["commit", "-qm", "inner"]);
    git(&root, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner.to_str().unwrap(), "sub"]);
    git(&root, &["commit", "-qm", "with a submodule"]);
    let config = root.join(".git/modules/sub/config");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str(&format!("[core]\n fsmonitor = {trap}\n[diff]\n external = {trap}\n"));
    std::fs::write(&config, text).unwrap();
    s.file("site/sub/x", "changed inside");
    give(&root, &owner());
    let found = inspect(&root, &owner()).unwrap().unwrap();
    assert!(found.warnings[0].contains("submodules"), "{found:?}");
    assert!(!s.path().join("sprung").exists(), "the submodule's programs were run");
}
