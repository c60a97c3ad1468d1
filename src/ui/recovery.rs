//! A site's recovery key: taken away as a file, and entered once. It is on no page.

use super::account::present;
use super::kit::{ago, crumbs, problem, time};
use super::one_time::Problem;
use super::shell::{Shell, page as whole};
use crate::domain::page::RecoveryKey;
use crate::domain::paths;
use leptos::prelude::*;

/// What was wrong, and with which of the two forms.
#[derive(Debug, Default)]
pub struct Wrong {
    pub download: Problem,
    pub confirm: Problem,
}

pub fn page(shell: Shell, key: RecoveryKey, wrong: Wrong) -> String {
    whole(shell.slim(), move || {
        let site = format!("{}/{}", key.tenant, key.site);
        let path = vec![
            ("Sites".to_owned(), "/".to_owned()),
            (key.tenant.clone(), format!("/?q={}/", crate::base::words::percent(&key.tenant))),
            (key.site.clone(), format!("/?q={}/{}.", crate::base::words::percent(&key.tenant), crate::base::words::percent(&key.site))),
        ];
        html! {
            {crumbs(path, "Recovery key")}
            <h1>{format!("Recovery key of {site}")}</h1>
            {standing(&key)}
            <p>"With this key and a copy of the repository every backup of the site can be read without Sitekeep, by you or by whoever finds it. Keep it away from this machine: in a password manager, or printed in a safe."</p>
            {download(&key, wrong.download)}
            {confirm(&key, wrong.confirm)}
        }
    })
}

fn standing(key: &RecoveryKey) -> AnyView {
    match key.confirmed.clone() {
        Some((at, by)) => html! {
            <div class="note" data-kind="good"><strong>"Confirmed"</strong><span>{by}" entered it "{ago(at)}", "{time(at)}"."</span></div>
        },
        None => html! {
            <div class="note" data-kind="warn">
                <strong>"Never confirmed"</strong>
                <span>{format!("Backups of {} are made all the same, and it is shown as unprotected until somebody has downloaded the key and entered it here once.", key.site)}</span>
            </div>
        },
    }
}

fn download(key: &RecoveryKey, wrong: Problem) -> AnyView {
    let title = if key.confirmed.is_some() { "Download it again" } else { "1. Download it" };
    html! {
        <section class="stack" id="download"><h2>{title}</h2>
            {problem(wrong)}
            <form class="form" method="post" action=format!("{}#download", paths::recovery_key(&key.site_id))>
                {present("key-password", "password")}
                <div class="actions"><button class="button primary">"Download the recovery key of "{key.site.clone()}</button></div>
                <p class="hint">"Each download stands in the activity log."</p>
            </form>
        </section>
    }
}

fn confirm(key: &RecoveryKey, wrong: Problem) -> Option<AnyView> {
    key.confirmed.is_none().then(|| {
        html! {
            <section class="stack" id="confirm"><h2>"2. Enter it once"</h2>
                {problem(wrong)}
                <form class="form" method="post" action=format!("{}#confirm", paths::confirm_recovery_key(&key.site_id))>
                    <div class="field"><label for="key">"Recovery key"</label>
                        <input class="input" id="key" name="key" type="password" autocomplete="off" maxlength="200" required aria-describedby="key-hint"/>
                        <span class="hint" id="key-hint">"The one line of the file, from where you have put it."</span></div>
                    <div class="actions"><button class="button">"Confirm that I have it"</button></div>
                </form>
            </section>
        }
    })
}
