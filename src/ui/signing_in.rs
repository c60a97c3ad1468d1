//! The door: signing in, and going on with a form that was interrupted.

use super::Shell;
use super::kit::problem;
use super::shell::{page as whole, wordmark};
use crate::base::clock::Millis;
use crate::base::zone::Zone;
use leptos::prelude::*;

/// What the page knows.
#[derive(Clone, Debug, Default)]
pub struct SignIn {
    pub email: String,
    pub next: String,
    pub kept: Option<Kept>,
    /// The password was right; now the code.
    pub code: bool,
    pub problem: Option<(String, Option<String>)>,
    /// What went well before.
    pub notice: Option<String>,
}

/// A form that was being filled in when the session ended, as it was to be sent.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    pub path: String,
    pub body: String,
}

pub fn page(p: SignIn) -> String {
    whole(Shell::outside("Sign in", Zone::default(), Millis(0)), move || {
        let kept = p.kept.clone().map(|k| {
            html! { <input type="hidden" name="kept_path" value=k.path/><input type="hidden" name="kept_body" value=k.body/> }
        });
        let fields = if p.code { code().into_any() } else { credentials(&p.email).into_any() };
        let button = if p.code { "Go on" } else { "Sign in" };
        let title = if p.code { "Your second factor" } else { "Sign in" };
        html! {
            <a class="wordmark" href="/">{wordmark()}</a>
            <div class="card stack">
                <h1>{title}</h1>
                {p.notice.clone().map(|text| html! { <div class="note" data-kind="good" role="status"><span>{text}</span></div> })}
                {problem(p.problem.clone())}
                <form class="form" method="post" action="/signin">
                    {fields}
                    <input type="hidden" name="next" value=p.next.clone()/>
                    {kept}
                    <div class="actions"><button class="button primary">{button}</button></div>
                </form>
            </div>
            <p class="small soft"><a href="/forgotten">"I have forgotten my password"</a></p>
        }
    })
}

fn credentials(email: &str) -> AnyView {
    html! {
        <div class="field"><label for="email">"E-mail address"</label>
            <input class="input" id="email" name="email" type="email" autocomplete="username" required value=email.to_owned()/></div>
        <div class="field"><label for="password">"Password"</label>
            <input class="input" id="password" name="password" type="password" autocomplete="current-password" required/></div>
    }
}

fn code() -> AnyView {
    html! {
        <div class="field"><label for="code">"Code"</label>
            <input class="input short" id="code" name="code" autocomplete="one-time-code" required autofocus aria-describedby="code-hint"/>
            <span class="hint" id="code-hint">"Six digits from your authenticator, or one of your recovery codes."</span></div>
    }
}

/// After signing in again: what had been typed, to be sent now.
pub fn resume(kept: Kept, zone: Zone) -> String {
    whole(Shell::outside("Go on", zone, Millis(0)), move || {
        let fields = pairs(&kept.body);
        let shown: Vec<_> = fields
            .iter()
            .filter(|(name, value)| name != "key" && !value.is_empty())
            .map(|(name, value)| html! { <dt>{super::errors::capital(&name.replace('_', " "))}</dt><dd class="wrap">{value.clone()}</dd> })
            .collect();
        let hidden: Vec<_> = fields.into_iter().map(|(name, value)| html! { <input type="hidden" name=name value=value/> }).collect();
        html! {
            <a class="wordmark" href="/">{wordmark()}</a>
            <div class="card stack">
                <h1>{if shown.is_empty() { "You are signed in" } else { "You are signed in again" }}</h1>
                <p>{if shown.is_empty() { "What you asked for has not been done yet." } else { "This is what you had typed. Nothing has been done with it yet." }}</p>
                <dl class="facts">{shown}</dl>
                <form class="form" method="post" action=kept.path.clone()>
                    {hidden}
                    <div class="actions"><button class="button primary">"Send it now"</button><a class="button" href="/">"Leave it"</a></div>
                </form>
            </div>
        }
    })
}

/// The fields of a form as browsers send them.
fn pairs(body: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let mut out = Vec::new();
        let mut bytes = text.bytes();
        while let Some(b) = bytes.next() {
            match b {
                b'+' => out.push(b' '),
                b'%' => {
                    let digits = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                    let digits = std::str::from_utf8(&digits).unwrap_or("3F");
                    out.push(u8::from_str_radix(digits, 16).unwrap_or(b'?'));
                }
                other => out.push(other),
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    };
    body.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))).map(|(n, v)| (decode(n), decode(v))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_send_it() {
        assert_eq!(pairs("a=b+c&d=%C3%BC%26&e"), [("a".into(), "b c".into()), ("d".into(), "ü&".into()), ("e".into(), String::new())]);
    }
}
