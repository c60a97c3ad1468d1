//! The pages of links that work once: the first administrator's, invitations, and forgotten passwords.

use super::Shell;
use super::kit::{problem, when};
use super::shell::{page as whole, wordmark};
use crate::base::clock::Millis;
use crate::base::zone::Zone;
use crate::domain::paths;
use leptos::prelude::*;

pub type Problem = Option<(String, Option<String>)>;

/// A card before the door: nobody need be signed in.
fn door<V: IntoView + 'static>(title: String, body: impl FnOnce() -> V) -> String {
    whole(Shell::outside(&title, Zone::default(), Millis(0)), move || {
        html! {
            <a class="wordmark" href="/">{wordmark()}</a>
            <div class="card stack"><h1>{title}</h1>{body()}</div>
        }
    })
}

/// What was typed to make the first administrator.
#[derive(Clone, Debug, Default)]
pub struct First {
    pub secret: String,
    pub email: String,
    pub name: String,
    pub problem: Problem,
}

pub fn first(p: First) -> String {
    door("Welcome to Sitekeep".into(), move || {
        html! {
            <p>"You make the first account. It is the administrator’s: it adds sites and invites everybody else."</p>
            {problem(p.problem)}
            <form class="form" method="post" action=paths::one_time("first", &p.secret)>
                <div class="field"><label for="email">"E-mail address"</label>
                    <input class="input" id="email" name="email" type="email" autocomplete="username" maxlength="254" required value=p.email/></div>
                {name(p.name)}
                {new_password("Password")}
                <div class="actions"><button class="button primary">"Create the account"</button></div>
            </form>
        }
    })
}

fn name(value: String) -> AnyView {
    html! {
        <div class="field"><label for="name">"Your name "<span class="soft">"(optional)"</span></label>
            <input class="input" id="name" name="name" autocomplete="name" maxlength="100" value=value/></div>
    }
}

/// A field for a password that is chosen now.
pub(super) fn new_password(label: &'static str) -> AnyView {
    html! {
        <div class="field"><label for="password">{label}</label>
            <input class="input" id="password" name="password" type="password" autocomplete="new-password" required aria-describedby="password-hint"/>
            <span class="hint" id="password-hint">"At least 10 characters. A sentence is easier to remember than signs."</span></div>
    }
}

/// An invitation, as it is shown to whoever opened it.
#[derive(Clone, Debug, Default)]
pub struct Invitation {
    pub secret: String,
    pub email: String,
    pub tenant: String,
    pub role: String,
    pub inviter: String,
    pub expires: Millis,
    pub name: String,
    pub way: Way,
    pub problem: Problem,
}

/// How the invitation is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// With a new account.
    #[default]
    Account,
    /// There is an account; nobody is signed in here.
    SignIn,
    /// With the account that is signed in.
    Join,
    /// Somebody else is signed in here.
    Other(String),
}

pub fn invitation(p: Invitation) -> String {
    door(format!("Join {}", p.tenant), move || {
        let by = if p.inviter.is_empty() { "Somebody".to_owned() } else { p.inviter.clone() };
        let action = paths::one_time("invitation", &p.secret);
        let next = format!("/signin?next={}", crate::base::words::percent(&action));
        let email = p.email.clone();
        let way = match p.way.clone() {
            Way::Account => account(action, &p).into_any(),
            Way::SignIn => html! {
                <p>"There is an account "<b>{email}</b>" already."</p>
                <div class="actions"><a class="button primary" href=next>"Sign in to accept"</a></div>
            }
            .into_any(),
            Way::Join => html! {
                <form class="actions" method="post" action=action><button class="button primary">{format!("Join {}", p.tenant)}</button></form>
            }
            .into_any(),
            Way::Other(other) => html! {
                <p>"This invitation is for "<b>{email}</b>", and you are signed in as "<b>{other}</b>". Sign out, then open the link again."</p>
                <form class="actions" method="post" action="/signout"><button class="button primary">"Sign out"</button></form>
            }
            .into_any(),
        };
        html! {
            <p class="wrap">{format!("{by} invites {} to {} as {}.", p.email, p.tenant, with_article(&p.role))}</p>
            {problem(p.problem.clone())}
            {way}
            <p class="small soft">{format!("The link is good until {}.", when(p.expires))}</p>
        }
    })
}

fn account(action: String, p: &Invitation) -> AnyView {
    html! {
        <form class="form" method="post" action=action>
            <input type="email" name="email" autocomplete="username" value=p.email.clone() hidden readonly/>
            {name(p.name.clone())}
            {new_password("Password")}
            <div class="actions"><button class="button primary">"Accept and sign in"</button></div>
        </form>
    }
}

/// `an owner`, `a viewer`
pub(super) fn with_article(role: &str) -> String {
    let vowel = role.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {role}", if vowel { "an" } else { "a" })
}

pub fn forgotten(email: String, wrong: Problem) -> String {
    door("Forgotten password".into(), move || {
        html! {
            <p>"Write the e-mail address of your account. A letter with a link will come, to choose a new password with."</p>
            {problem(wrong)}
            <form class="form" method="post" action="/forgotten">
                <div class="field"><label for="email">"E-mail address"</label>
                    <input class="input" id="email" name="email" type="email" autocomplete="username" maxlength="254" required value=email/></div>
                <div class="actions"><button class="button primary">"Send the letter"</button><a class="button" href="/signin">"Back"</a></div>
            </form>
        }
    })
}

/// The answer for everybody: it does not say whether there is such an account.
pub fn letter_sent() -> String {
    door("Look into your mail".into(), || {
        html! {
            <p>"If there is an account with this address, a letter with a link is on its way. The link is good for an hour."</p>
            <p class="soft">"No letter? Look among the unwanted ones, or ask the administrator: not every Sitekeep can send mail."</p>
            <div class="actions"><a class="button" href="/signin">"To sign in"</a></div>
        }
    })
}

/// A new password for a forgotten one.
#[derive(Clone, Debug, Default)]
pub struct Reset {
    pub secret: String,
    pub email: String,
    pub tokens: bool,
    pub problem: Problem,
}

pub fn reset(p: Reset) -> String {
    door("A new password".into(), move || {
        html! {
            <p class="wrap">{format!("For {}. Every browser that is signed in with this account is signed out.", p.email)}</p>
            {problem(p.problem)}
            <form class="form" method="post" action=paths::one_time("reset", &p.secret)>
                <input type="email" name="email" autocomplete="username" value=p.email hidden readonly/>
                {new_password("New password")}
                <label class="choice"><input type="checkbox" name="tokens" value="1" checked=p.tokens/>"Also end my API tokens"
                    <small>"If somebody else may have had the password"</small></label>
                <div class="actions"><button class="button primary">"Set the new password"</button></div>
            </form>
        }
    })
}
