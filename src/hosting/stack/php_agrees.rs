//! PHP itself as the judge: our reader takes the same values from the same text, and PHP reads what we rewrote.

use super::edit::Edits;
use super::php::{Kind, tokens};
use super::phpstring::quoted;
use super::phpvalue::{Value, constants};
use super::{Stack, drupal, wordpress};
use crate::base::secret::Secret;
use crate::domain::site::{Access, Account, DatabaseAddress, Endpoint};
use crate::hosting::host::testing::Scratch;
use std::process::Command;

/// What PHP prints for a file, with `tail` behind it.
fn php(s: &Scratch, text: &[u8], tail: &str) -> String {
    let path = s.file("judge.php", [text, tail.as_bytes()].concat());
    let out = Command::new("php").args(["-d", "short_open_tag=0", "-d", "display_errors=stderr"]).arg(path).output();
    let out = out.expect("PHP is installed: apt-get install php-cli");
    assert!(out.status.success(), "{}\n{}", String::from_utf8_lossy(&out.stderr), String::from_utf8_lossy(text));
    String::from_utf8(out.stdout).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Spellings of strings as people and generators write them, and as they should not.
const SPELLINGS: &[&str] = &[
    r#"'plain'"#,
    r#""plain""#,
    r#"''"#,
    r#""""#,
    r#"'it\'s'"#,
    r#""it's""#,
    r#"'say "hi"'"#,
    r#""say \"hi\"""#,
    r#"'back\slash'"#,
    r#"'back\\slash'"#,
    r#"'end\\'"#,
    r#""end\\""#,
    r#"'\n\t\x41'"#,
    r#""\n\t\x41\101\e\v\f\r\0\8""#,
    r#""\x4\xg\X41\u{1F600}\u{41}""#,
    r#""\400\777\18""#,
    r#""\$notvar $ $1 $- { $ } { } \{ $""#,
    r#"'$var {$var} ${var}'"#,
    r#""a#b//c/*d*/e?>f""#,
    r#"'a#b//c/*d*/e?>f'"#,
    "'two\nlines'",
    "\"two\nlines\\\n\"",
    "'crlf\r\n'",
    "'\u{e9}\u{1F600}'",
    "\"\u{e9}\\\u{e9}\"",
    "'<?php define(\"X\", 1);'",
    "'\\\\\\''",
    "\"\\\\\\\"\"",
    "'<<<EOT'",
    "\"`id`\"",
];

#[test]
fn php_and_our_reader_take_the_same_value_from_every_spelling() {
    let s = Scratch::new();
    let mut text = "<?php # a comment with 'quotes' and ?><?php\n// another's\n/* one\n * more's */\n".to_owned();
    for (i, spelling) in SPELLINGS.iter().enumerate() {
        text.push_str(&format!("define('C{i}', {spelling}); /* ' */ # \"\n"));
    }
    let printed = php(&s, text.as_bytes(), "for ($i = 0; defined(\"C$i\"); $i++) echo bin2hex(constant(\"C$i\")), \"\\n\";");
    let expected: Vec<&str> = printed.lines().collect();
    assert_eq!(expected.len(), SPELLINGS.len());
    let names: Vec<String> = (0..SPELLINGS.len()).map(|i| format!("C{i}")).collect();
    let read = constants(&tokens(text.as_bytes()).unwrap(), &names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    assert_eq!(read.len(), SPELLINGS.len());
    for ((_, node), (i, expected)) in read.iter().zip(expected.iter().enumerate()) {
        match &node.value {
            Value::Text { value, .. } => assert_eq!(hex(value), *expected, "{}", SPELLINGS[i]),
            other => panic!("{}: {other:?}", SPELLINGS[i]),
        }
    }
}

#[test]
fn what_php_computes_is_never_taken_for_a_literal() {
    for computed in [
        r#""a$b""#,
        r#""a{$b}c""#,
        r#""${b}""#,
        r#""{$b["x"]}""#,
        r#""{$b['}']} and {$c->d("}")}""#,
        "`id`",
        "<<<EOT\ntext 'it\nEOT",
        "<<<'EOT'\n  text\n  EOT",
        "<<<\"EOT\"\nEOTX\nEOT",
        "'a' . 'b'",
        "getenv('X')",
        "$x ?? 'y'",
        "(string) 'x'",
        "true ? 'a' : 'b'",
        "'abc'[0]",
        "['x'][0]",
        "array('a' => 'b')['a']",
    ] {
        let text = format!("<?php $b = ['x' => 1]; define('A', {computed}); define('B', 'after');");
        let read = constants(&tokens(text.as_bytes()).unwrap(), &["A", "B"]).unwrap();
        assert!(matches!(read[0].1.value, Value::Computed | Value::Array(_)), "{computed}: {:?}", read[0]);
        assert!(matches!(&read[1].1.value, Value::Text { value, .. } if value == b"after"), "{computed} swallowed what follows");
    }
}

#[test]
fn tokens_are_those_of_php() {
    let s = Scratch::new();
    let text: &[u8] = b"<?xml version='1.0'?>\n<p class=\"a'b\">it's</p>\n<?php\nnamespace A\\B; use C\\D as E;\n#[Attr('x')] \nfunction f(?int $a = 1_000, \
float ...$b) { return $a <=> .5e3 . \"x{$b['y']}$a\" . 'q' . <<<\"END\"\n  $a\n  END . $this?->x ?? null; } // end ?>\ntext's <?= $x['k'] ?>\n<?php $y = 0x1F; \
$$y = &$z; /* ' */ exit; __halt_compiler(); it's over <?php";
    let own: Vec<String> = tokens(text)
        .unwrap()
        .iter()
        .filter(|t| matches!(t.kind, Kind::Variable(_)))
        .map(|t| String::from_utf8_lossy(&text[t.span.clone()]).into_owned())
        .collect();
    let judge = "<?php $in = false; foreach (token_get_all(file_get_contents(__DIR__ . '/subject.php')) as $t) {
        if ($t === '\"') $in = !$in;
        if (is_array($t) && $t[0] === T_START_HEREDOC) $in = true;
        if (is_array($t) && $t[0] === T_END_HEREDOC) $in = false;
        if (is_array($t) && $t[0] === T_VARIABLE && !$in) echo $t[1], \"\\n\";
    }";
    s.file("subject.php", text);
    let printed = php(&s, judge.as_bytes(), "");
    // a string with code in it is one token here and several there, which the judge skips
    assert_eq!(own, printed.lines().collect::<Vec<_>>());
}

#[test]
fn texts_that_cannot_be_cut_with_certainty_are_refused() {
    for (bad, why) in [
        ("<?php 'open", "string without end"),
        ("<?php /* open", "comment without end"),
        ("<? define('X', 'y');", "`<?` without `php`"),
        ("<?php $x = <<<A\nA1\n", "heredoc without end"),
        ("<?php \x01", "does not know"),
    ] {
        let e = tokens(bad.as_bytes()).unwrap_err().to_string();
        assert!(e.contains(why) && e.contains("line 1"), "{bad:?}: {e}");
    }
    let deep = format!("<?php {}", "\"{$a[".repeat(100_000));
    assert!(tokens(deep.as_bytes()).is_err());
    assert!(tokens(b"no php at all").unwrap().is_empty());
}

/// Values that trip over every quoting rule there is.
pub(super) const NASTY: &[&str] = &[
    "plain",
    "it's",
    "say \"hi\"",
    "a\\",
    "\\'",
    "\\\\\"",
    "$x {$y} ${z}",
    "\n\t\r",
    "?><?php",
    "é😀",
    "#//",
    "a'b\"c\\d$e",
    "\\n\\x41",
    " ",
    "%41&=@:/",
];

#[test]
fn php_reads_every_value_that_was_written_in_either_quotes() {
    let s = Scratch::new();
    for double in [false, true] {
        let mut edits = Edits::default();
        let template = b"<?php $all = [0];";
        let list: Vec<u8> = NASTY.iter().flat_map(|v| [quoted(v.as_bytes(), double), b",".to_vec()].concat()).collect();
        edits.replace(14..15, list);
        let text = edits.apply(template).unwrap();
        let printed = php(&s, &text, "foreach ($all as $v) echo bin2hex($v), \"\\n\";");
        assert_eq!(printed.lines().collect::<Vec<_>>(), NASTY.iter().map(|v| hex(v.as_bytes())).collect::<Vec<_>>());
    }
}

pub(super) fn access(name: &str, user: &str, password: &str) -> Access {
    let at = Endpoint::Tcp { host: "db".into(), port: 3306 };
    let account = Account { at, database: name.into(), user: user.into(), prefix: String::new() };
    Access { address: DatabaseAddress::Mysql(account), password: Secret::new(password) }
}

#[test]
fn php_reads_a_rewritten_wp_config_and_settings_php() {
    let s = Scratch::new();
    let config =
        b"<?php\ndefine('DB_NAME', 'n');\ndefine(\"DB_USER\", \"u\");\nconst DB_PASSWORD = 'p';\ndefine( 'DB_HOST' , 'db' ) ;\n$x = 1;\n";
    let settings = b"<?php\n$databases['default']['default'] = array('database' => 'n', 'username' => \"u\", 'password' => 'p', 'host' => 'db', 'driver' => 'mysql');\n";
    for value in NASTY {
        let new = access(value, value, value);
        let text = wordpress::Wordpress.rewrite(config, &new).unwrap();
        assert_eq!(wordpress::Wordpress.read(&text).unwrap(), Some(new.clone()));
        assert_eq!(php(&s, &text, "echo bin2hex(DB_NAME), ' ', bin2hex(DB_USER), ' ', bin2hex(DB_PASSWORD), DB_HOST;"), {
            let h = hex(value.as_bytes());
            format!("{h} {h} {h}db")
        });
        let text = drupal::Drupal.rewrite(settings, &new).unwrap();
        assert_eq!(drupal::Drupal.read(&text).unwrap(), Some(new));
        let tail = "echo implode(' ', array_map('bin2hex', $databases['default']['default']));";
        let h = hex(value.as_bytes());
        assert_eq!(php(&s, &text, tail), format!("{h} {h} {h} {} {}", hex(b"db"), hex(b"mysql")));
    }
}
