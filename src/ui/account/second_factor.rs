//! The second factor: turned on in two steps, with recovery codes that are shown once.

use super::super::kit::problem;
use super::super::one_time::Problem;
use super::super::shell::{Shell, page as whole};
use super::{Page, Section, present};
use crate::base::secret::Secret;
use crate::base::units;
use crate::domain::paths;
use leptos::prelude::*;

fn action(act: &str) -> String {
    format!("{}#second-factor", paths::account(act))
}

pub(super) fn section(p: &Page) -> AnyView {
    let body = if p.profile.second_factor { on(p.profile.recovery_codes).into_any() } else { off(p.profile.has_password).into_any() };
    html! { <section class="stack" id="second-factor"><h2>"Second factor"</h2>{problem(p.problem(Section::SecondFactor))}{body}</section> }
}

fn off(has_password: bool) -> AnyView {
    let form = has_password.then(|| {
        html! {
            <form class="form" method="post" action=action("second-factor")>
                {present("start-password", "password")}
                <div class="actions"><button class="button">"Turn the second factor on…"</button></div>
            </form>
        }
    });
    html! { <p>"Off. With it, signing in also asks for a code from an app on your telephone."</p>{form} }
}

fn on(left: i64) -> AnyView {
    let few = (left < 3).then(|| {
        html! { <div class="note" data-kind="warn"><span>"Make new recovery codes before the last one is used: without any, a lost telephone locks you out."</span></div> }
    });
    let codes = units::count(left.unsigned_abs(), "recovery code");
    html! {
        <p><span class="state" data-state="active">"on"</span>{format!(" {codes} left.")}</p>
        {few}
        <form class="form" method="post" action=action("second-factor/codes")>
            {present("codes-password", "password")}
            <div class="actions">
                <button class="button">"Make new recovery codes"</button>
                <button class="button danger" formaction=action("second-factor/off")>"Turn the second factor off"</button>
            </div>
        </form>
    }
}

/// The second step: the app learns the key, and shows with a code that it did.
pub fn enrolment(shell: Shell, key: &Secret, picture: &Secret, wrong: Problem) -> String {
    let shown = key.expose().as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
    let picture = picture.expose().to_owned();
    whole(shell, move || {
        html! {
            <h1>"Turn the second factor on"</h1>
            {problem(wrong)}
            <div class="card"><div class="split">
                <form class="form" method="post" action=paths::account("second-factor/confirm")>
                    <p>"Scan the picture with an authenticator app, or type the secret. Then write the six digits that it shows."</p>
                    <dl class="facts"><dt>"Secret"</dt><dd><code>{shown}</code></dd></dl>
                    <div class="field"><label for="code">"Code"</label>
                        <input class="input short" id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="20" required/></div>
                    <div class="actions"><button class="button primary">"Turn the second factor on"</button><a class="button" href="/account">"Cancel"</a></div>
                </form>
                <img class="qr" src=picture alt="QR code of the secret"/>
            </div></div>
        }
    })
}

/// Recovery codes, shown this once.
pub fn codes(shell: Shell, codes: &[Secret], fresh: bool) -> String {
    let rows: Vec<_> = codes.iter().map(|code| code.expose().to_owned()).map(|code| html! { <li><code>{code}</code></li> }).collect();
    let sentence = if fresh { "The second factor is on." } else { "These are your new recovery codes. The old ones are good no more." };
    whole(shell.slim(), move || {
        html! {
            <h1>"Your recovery codes"</h1>
            <div class="note" data-kind="good" role="status">
                <strong>{sentence}</strong>
                <span>"Write the codes down or print this page now: they are shown only once. Each is good once, instead of a code from the app."</span>
            </div>
            <ol class="card stack tight">{rows}</ol>
            <div class="actions"><a class="button primary" href="/account">"I have kept them"</a></div>
        }
    })
}
